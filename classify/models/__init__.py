"""Trained heads: how they are chosen, fitted, calibrated, scored and kept."""
