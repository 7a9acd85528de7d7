"""The commands of ``python -m classify``: options and printing."""
