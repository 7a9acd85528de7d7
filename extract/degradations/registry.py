"""The degradations by name; an entry is all that a new one needs."""

from extract.degradations import changes, codecs, noise, rooms
from extract.degradations.degradation import Degradation

FOLDER = "folder"  # kind of noise; a condition has the name of the folder instead

DEGRADATIONS = {
    "noise": Degradation(
        noise.add_noise, "noise, so many dB below the speech", "SNR", -30, 80,
        kinds=(*noise.GENERATED, FOLDER),
    ),
    "reverb": Degradation(
        rooms.reverb, "a room with this reverberation time in seconds", "RT60", 0.05, 10
    ),
    "telephone": Degradation(
        codecs.telephone, "300 to 3400 Hz, 8 kHz, µ-law", codec=codecs.G711
    ),
    "gsm": Degradation(
        codecs.gsm, "GSM 06.10 at 8 kHz, 13 kbit/s", codec=codecs.GSM610
    ),
    "opus": Degradation(
        codecs.opus, "Opus of variable rate, in kbit/s", "KBIT", *codecs.OPUS,
        codec=codecs.OGG_OPUS,
    ),
    "mp3": Degradation(
        codecs.mp3, "MP3 of constant rate, in kbit/s", "KBIT", levels=codecs.MP3_RATES,
        codec=codecs.MPEG,
    ),
    "clip": Degradation(
        changes.clip, "amplitude limited so that this share of the samples clips", "SHARE",
        0.0001, 0.95,
    ),
    "gain": Degradation(
        changes.gain, "amplified by so many dB, and stored as 16 bits", "DB", -90, 60
    ),
    "speed": Degradation(
        changes.speed, "faster by a factor, which also changes the pitch", "FACTOR", 0.25, 4
    ),
    "lowpass": Degradation(changes.lowpass, "-3 dB at so many Hz, 48 dB/octave", "HZ", 50, 7900),
    "highpass": Degradation(changes.highpass, "-3 dB at so many Hz, 48 dB/octave", "HZ", 10, 7500),
    "crop": Degradation(
        changes.crop, "so many samples (at 16 kHz) cut off the beginning; -N: off the end",
        "SAMPLES", -99_999, 99_999, whole=True,
    ),
}  # fmt: skip
