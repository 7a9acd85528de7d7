"""Command lines of ``python -m extract`` and ``python -m data verify``."""
