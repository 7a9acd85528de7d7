"""Predictions for new audio: recordings, standard input, live streams, HTTP."""
