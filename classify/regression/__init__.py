"""Numbers instead of classes: arousal, valence, age, regressed on cached embeddings."""
