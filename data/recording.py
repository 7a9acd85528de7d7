"""Limits of a recording; `data scan` checks them in its header, and `extract` when it decodes."""

MAX_CHANNELS = 8
RATES = range(4_000, 384_001)  # Hz
SHORTEST = 0.025  # seconds: what one frame of the encoders is made of, 400 samples at 16 kHz
