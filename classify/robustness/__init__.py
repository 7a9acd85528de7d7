"""The robustness study: heads trained on clean speech, tested in each condition."""
