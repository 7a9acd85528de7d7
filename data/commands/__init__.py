"""The commands of ``python -m data``: arguments and printing; the work is in the other modules."""
