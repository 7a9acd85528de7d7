"""``python -m data``: inspect corpora and caches."""

import sys

from data.console import dispatch

COMMANDS = {
    "scan": ("data.commands.scan", "count emotions, speakers and seconds; report problems"),
    "demo": ("data.commands.demo", "make a small corpus of synthetic emotional speech"),
    "info": ("data.commands.info", "summarise the content of a cache"),
    # data does not import extract, which --sample needs
    "verify": ("extract.commands.verify", "check every checksum, number and name of a cache"),
    "pack": ("data.commands.pack", "merge caches and parts of one recipe into one file"),
    "export": ("data.commands.export", "write a cache or a corpus for other programs"),
    "unpack": ("data.commands.unpack", "make files of the recordings in Parquet files"),
}

if __name__ == "__main__":
    sys.exit(dispatch("data", "Inspect corpora and caches.", COMMANDS))
