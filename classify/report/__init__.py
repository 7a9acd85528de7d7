"""Figures, pages and tables of results."""
