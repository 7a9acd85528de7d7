"""Answers while somebody speaks: source → sliding window → voice → encoder and head → smoothing."""
