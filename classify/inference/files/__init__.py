"""``python -m classify predict``: predict recordings."""
