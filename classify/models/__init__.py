"""Trained heads: model selection, fitting, calibration, scores and files."""
