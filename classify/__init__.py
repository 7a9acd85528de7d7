"""Light heads on cached embeddings: cross-validation, training and prediction."""
