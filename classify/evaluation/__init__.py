"""Cross-validation of heads: folds, fits, settings chosen inside of folds, the run folder."""
