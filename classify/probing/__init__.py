"""Which layer knows what, and is the difference real? ``python -m classify probe``."""
