"""The sampling rate of the encoders, and limits of the recordings that can be embedded."""

SAMPLING_RATE = 16_000  # Hz, of all encoders
MAX_CHANNELS = 8
RATES = range(4_000, 384_001)  # Hz
SHORTEST = 0.025  # seconds: the receptive field of the encoders, 400 samples
MAX_SECONDS = 600.0  # of an utterance; self-attention needs memory by the square of the length
