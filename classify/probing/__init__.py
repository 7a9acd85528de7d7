"""Layer-wise probing with controls and tests: ``python -m classify probe``."""
