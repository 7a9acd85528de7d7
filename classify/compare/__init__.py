"""Comparison of heads under the same folds."""
