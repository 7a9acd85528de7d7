"""Heads against each other, under the same folds."""
