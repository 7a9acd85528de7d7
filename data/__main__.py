"""``python -m data``: look at corpora and caches."""

import sys

from data.console import dispatch

COMMANDS = {
    "scan": ("data.scan", "count a corpus's emotions, speakers, seconds; warn of what is odd"),
    "demo": ("data.demo", "make a small corpus of synthetic emotional speech"),
    "info": ("data.info", "what is in a cache, in one screen"),
    "verify": ("data.verify", "check every number and name of a cache"),
    "pack": ("data.pack", "merge caches and parts of one recipe into one file"),
    "export": ("data.export", "npz, Parquet or a Hugging Face data set from a cache"),
}

if __name__ == "__main__":
    sys.exit(dispatch("data", "Look at corpora and caches.", COMMANDS))
