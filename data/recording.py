"""What a recording may be, for those who look at its header and for those who decode it."""

MAX_CHANNELS = 8
RATES = range(4_000, 384_001)  # Hz
SHORTEST = 0.025  # seconds: what one frame of the encoders is made of, 400 samples at 16 kHz
