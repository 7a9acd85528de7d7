"""Converted encoders, kept on disk between runs.

A folder holds the graphs, the weights of the first layer, and checksums of these files. Its name
depends on everything that determines them. OpenVINO maps the weights into memory. A folder that is
damaged or cannot be read counts as missing.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino

from data.cache.recipe import Recipe
from extract import encoders
from extract.encoders.first_layer import FirstLayer
from extract.encoders.identity import LIBRARIES, Identity, cache_folder

if TYPE_CHECKING:
    from extract.engines.conversion import Graphs

log = logging.getLogger("wav2emo")

KEPT = 3  # converted encoders, 4 bytes per weight
CHECKSUMS = "checksums.json"
DETERMINING = ("weights", "architecture", "layers", "pooling", "sequence_layers", "precision")
FIRST, CONVOLUTIONS, TRANSFORMER = "first.npz", "convolutions.xml", "transformer.xml"

Compiled = tuple[FirstLayer, openvino.CompiledModel, openvino.CompiledModel]


def place(recipe: Recipe, identity: Identity) -> Path:
    """Folder of an encoder, which depends on libraries and source code too."""
    determining = {name: recipe[name] for name in DETERMINING}
    libraries = [version(name) for name in (*LIBRARIES, "openvino")]
    digest = hashlib.sha256(json.dumps([determining, identity.config, libraries]).encode())
    source = Path(encoders.__file__).parent
    for file in (*sorted(source.rglob("*.py")), Path(__file__).with_name("conversion.py")):
        digest.update(file.read_bytes())
    return cache_folder() / "graphs" / digest.hexdigest()[:32]


def read(folder: Path, core: openvino.Core, device: str) -> Compiled | None:
    """Compile the encoder of a folder; None if it is missing or damaged."""
    try:
        expected = json.loads((folder / CHECKSUMS).read_bytes())
        with ThreadPoolExecutor(1, thread_name_prefix="checksum") as thread:
            actual = thread.submit(_checksums, folder)
            with np.load(folder / FIRST, allow_pickle=False) as arrays:
                first = FirstLayer(
                    arrays["kernels"], arrays["bias"], arrays["weight"], float(arrays["eps"])
                )
            graphs = [
                core.compile_model(folder / name, device) for name in (CONVOLUTIONS, TRANSFORMER)
            ]
            intact = actual.result() == expected
        os.utime(folder)
    except FileNotFoundError:
        return None
    except Exception as error:  # errors of damaged files have many types
        log.debug("%s: %s", folder, error)
        return None
    return (first, *graphs) if intact else None


def write(graphs: "Graphs", folder: Path) -> None:
    """Keep an encoder, if that is possible, and remove old ones."""
    base = folder.parent
    try:
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / folder.name
            made.mkdir()
            np.savez(made / FIRST, **vars(graphs.first))
            for name, graph in (
                (CONVOLUTIONS, graphs.convolutions), (TRANSFORMER, graphs.transformer)
            ):  # fmt: skip
                openvino.save_model(graph, made / name, compress_to_fp16=False)
            (made / CHECKSUMS).write_text(json.dumps(_checksums(made)))
            shutil.rmtree(folder, ignore_errors=True)  # it may be damaged
            made.rename(folder)
        for old in sorted(base.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except (OSError, RuntimeError) as error:
        log.debug("%s is not kept: %s", folder, error)


def _checksums(folder: Path) -> dict[str, int]:
    """CRC-32 of each file, which finds damage; it takes less time than compiling the graphs."""
    files = [file for file in sorted(folder.iterdir()) if file.name != CHECKSUMS]
    return {file.name: zlib.crc32(np.memmap(file, np.uint8, "r").data) for file in files}
