"""Encoders: find and load a checkpoint, and compute its pooled layers."""
