"""Serve a trained head: a page for browsers and an HTTP endpoint for programs."""
