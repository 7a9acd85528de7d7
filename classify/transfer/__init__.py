"""Train on one corpus, test on another: the matrix of corpora, or of languages."""
