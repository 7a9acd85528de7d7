"""Cross-validation of heads: folds, fits, tuning inside of folds, scores."""
