"""Predictions of a live stream: source → sliding window → voice → encoder and head → smoothing."""
