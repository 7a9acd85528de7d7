"""Command lines: parse arguments, call the work, print."""
