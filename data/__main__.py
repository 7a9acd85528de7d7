"""``python -m data``: look at corpora and caches."""

import sys

from data.console import dispatch

COMMANDS = {
    "scan": ("data.commands.scan", "count emotions, speakers, seconds; warn of what is odd"),
    "demo": ("data.commands.demo", "make a small corpus of synthetic emotional speech"),
    "info": ("data.commands.info", "what is in a cache, in one screen"),
    # named, not imported: with --sample it embeds, and data does not import extract
    "verify": ("extract.commands.verify", "check every number and name of a cache"),
    "pack": ("data.commands.pack", "merge caches and parts of one recipe into one file"),
    "export": ("data.commands.export", "npz, Parquet or a Hugging Face data set from a cache"),
}

if __name__ == "__main__":
    sys.exit(dispatch("data", "Look at corpora and caches.", COMMANDS))
