"""Command lines of ``python -m data``."""
