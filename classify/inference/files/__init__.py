"""``python -m classify predict``: from recordings to answers."""
