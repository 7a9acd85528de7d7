"""How scores change in degraded speech: heads trained on clean speech, tested in each condition."""
