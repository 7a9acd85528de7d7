"""A Hugging Face data set on disk: Parquet or Arrow files with audio, or an audiofolder.

An audiofolder has recordings and ``metadata.csv`` or ``.jsonl`` with their ``file_name``. Neither
`datasets` nor a decoder is needed. Loading scripts are refused, since they run code. Recordings
inside of Parquet or Arrow files are refused until `unpack` has made files of them: only files have
checksums and can be read again.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from data.corpora import rows
from data.corpora.rows import PREFIX, Row
from data.corpora.tree import AUDIO, Found, Tree, tally, walk
from data.errors import CorpusError
from data.utterance import Utterance

if TYPE_CHECKING:
    pass

TITLE = "Hugging Face data set"
SIZE = None
ORIGIN = "https://huggingface.co/docs/datasets/"
CITATION = "Lhoest et al. 2021, EMNLP"
LABELS: Mapping[str, str | None] = {}  # English words, see `data.emotions`

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
BUILDER = re.compile(rb"\b(GeneratorBased|ArrowBased|Dataset)Builder\b")
SCRIPT_BYTES = 1 << 20  # of a script that are searched for a builder
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg"}
BATCH = 64  # rows that are read at a time, with their audio


def recognise(tree: Tree) -> bool:
    """Whether there are metadata of an audiofolder, a column of audio, or a loading script."""
    return bool(_scripts(tree) or _metadata(tree) or _tables(tree))


def read(tree: Tree) -> Found:
    """Read utterances and warnings.

    Raises:
        CorpusError: there is a loading script, no data set, or audio inside of Parquet files.
    """
    _refuse_scripts(tree)
    listed: Iterator[Row]
    warnings = []
    if tables := _tables(tree):
        for table in tables:
            if any(content for _, _, content in islice(table.rows(), 1)):
                raise CorpusError(
                    f"{tree.root}: recordings are inside of {table.path}; run 'python -m data "
                    f"unpack {tree.root} -o FOLDER' once, and give that folder"
                )
        listed = (row | {"file": file} for table in tables for row, file, _ in table.rows())
        nested = [name for table in tables for name in table.nested]
        warnings = tally("columns that are neither text nor numbers, left out", nested)
    elif metadata := _metadata(tree):
        listed = (row for path in metadata for row in _of_metadata(tree.root, path))
    else:
        raise CorpusError(
            f"{tree.root}: no Hugging Face data set; expected Parquet files with audio, "
            f"or {' or '.join(METADATA[:2])} with a column file_name"
        )
    named = (rows.renamed(row) for row in listed)
    found, more = rows.utterances(tree.root, tree.name, tree.root, named, tree.follow_links)
    return found, warnings + more


def unpack(root: Path, folder: Path) -> int:
    """Write the recordings inside of Parquet or Arrow files as an audiofolder; return their number.

    Args:
        root: the data set.
        folder: an empty folder.

    Raises:
        CorpusError: there is a loading script, or no recording inside of files.
    """
    tree = walk(root)
    _refuse_scripts(tree)
    unpacked = []
    for table in _tables(tree):
        place = PurePosixPath("audio", *PurePosixPath(table.path).with_suffix("").parts)
        (folder / place).mkdir(parents=True)
        for number, (row, file, content) in enumerate(table.rows()):
            if content is None:
                raise CorpusError(f"{root}: row {number} of {table.path} has no recording inside")
            name = (place / f"{number:06}{_name(file, content)}").as_posix()
            (folder / name).write_bytes(content)
            unpacked.append({"file_name": name, **row})
    if not unpacked:
        raise CorpusError(f"{root}: no Parquet or Arrow file with recordings inside")
    _write_metadata(folder, unpacked)
    return len(unpacked)


def _name(file: str, content: bytes) -> str:
    """End of the name of a recording: the old name without characters of paths, or a suffix."""
    suffix = MAGIC.get(content[:4], ".mp3")
    stem, _, extension = re.split(r"[/\\]", file)[-1].rpartition(".")
    stem = re.sub(r"[^\w.() -]", "_", stem)[:60]
    extension = f".{extension.lower()}"
    return (f"-{stem}" if stem else "") + (extension if extension in AUDIO else suffix)


def _refuse_scripts(tree: Tree) -> None:
    if scripts := _scripts(tree):
        raise CorpusError(
            f"{tree.root}: the loading script {scripts[0]} is not run (no remote code); convert "
            "the data set to Parquet, or remove the script if its recordings and metadata are here"
        )


def _scripts(tree: Tree) -> list[str]:
    found = []
    for path in tree.others:
        if path.endswith(".py") and "/" not in path:
            with contextlib.suppress(OSError), (tree.root / path).open("rb") as file:
                if BUILDER.search(file.read(SCRIPT_BYTES)):
                    found.append(path)
    return found


class _Table:
    """A Parquet or Arrow file with a column of audio.

    Raises:
        ValueError, OSError: the file cannot be read, or has no such column.
    """

    def __init__(self, root: Path, path: str) -> None:
        import pyarrow.parquet

        self.root, self.path = root, path
        file = root / path
        self.is_parquet = path.lower().endswith(".parquet")
        if self.is_parquet:
            schema = pyarrow.parquet.read_schema(file)
        else:
            with pyarrow.memory_map(str(file)) as source:
                schema = pyarrow.ipc.open_stream(source).schema
        text = (schema.metadata or {}).get(b"huggingface", b"{}")
        features = json.loads(text).get("info", {}).get("features") or {}
        structs = {
            field.name
            for field in schema
            if pyarrow.types.is_struct(field.type)
            and {"bytes", "path"} <= {part.name for part in field.type}
        }
        audio = [n for n in structs if not features or features[n].get("_type") == "Audio"]
        if len(audio) != 1:
            raise ValueError(f"{len(audio)} columns of audio")
        self.audio = audio[0]
        self.names = [field.name for field in schema if not pyarrow.types.is_nested(field.type)]
        self.nested = sorted({field.name for field in schema} - {self.audio, *self.names})
        self.classes = {
            name: feature["names"]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }

    def rows(self) -> Iterator[tuple[Row, str, bytes | None]]:
        """Yield other columns, path and content of each recording.

        Raises:
            CorpusError: the file cannot be read.
        """
        split = _split(self.path.replace("-", "/"))
        try:
            for record in self._records():
                sound = record.pop(self.audio) or {}
                row = {}
                for name, value in record.items():
                    if name in self.classes and value is not None:
                        value = self.classes[name][value] if value >= 0 else None
                    if value is not None and not isinstance(value, bytes):
                        row[name] = rows.plain(value)
                if split and PREFIX + "id" not in row:
                    row.setdefault("split", split)
                yield row, str(sound.get("path") or ""), sound.get("bytes")
        except (ValueError, OSError, LookupError, TypeError) as error:
            raise CorpusError(f"{self.root / self.path}: cannot be read: {error}") from error

    def _records(self) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet

        wanted = [*self.names, self.audio]
        if self.is_parquet:
            with pyarrow.parquet.ParquetFile(self.root / self.path) as file:
                for batch in file.iter_batches(BATCH, columns=wanted):
                    yield from batch.to_pylist()
            return
        with pyarrow.memory_map(str(self.root / self.path)) as source:
            for batch in pyarrow.ipc.open_stream(source):
                for start in range(0, len(batch), BATCH):
                    yield from batch.slice(start, BATCH).select(wanted).to_pylist()


def _tables(tree: Tree) -> list[_Table]:
    found = []
    for path in tree.others:
        name = PurePosixPath(path).name
        if name.lower().endswith((".parquet", ".arrow")) and name != METADATA[2]:
            with contextlib.suppress(ValueError, OSError, LookupError, TypeError, AttributeError):
                found.append(_Table(tree.root, path))
    return found


def _metadata(tree: Tree) -> list[str]:
    """Metadata files of an audiofolder."""
    found = []
    for path in tree.others:
        if PurePosixPath(path).name in METADATA:
            with contextlib.suppress(CorpusError):
                found += [path for _ in islice(_of_metadata(tree.root, path), 1)]
    return found


def _of_metadata(root: Path, path: str) -> Iterator[Row]:
    """Rows of a metadata file; none without a column ``file_name``."""
    for row in _listed(root / path):
        if "file_name" not in row:
            return
        file = PurePosixPath(path).parent / str(row.pop("file_name"))
        split = _split(str(file.parent))
        if split and PREFIX + "id" not in row:
            row.setdefault("split", split)
        yield row | {"file": str(file)}


def _listed(path: Path) -> Iterator[Row]:
    if path.suffix != ".jsonl":
        yield from rows.of_frame(rows.load(path))
        return
    for row in rows.json_lines(path, "JSON lines"):
        yield {k: rows.plain(v) for k, v in row.items() if isinstance(v, str | int | float)}


def _split(path: str) -> str | None:
    """The split that a part of a path names."""
    return next((SPLITS[part] for part in PurePosixPath(path).parts if part in SPLITS), None)


def write(folder: Path, utterances: Sequence[Utterance], files: Sequence[str]) -> None:
    """Write a data set into a folder: an audiofolder, or Parquet if `files` are absolute.

    Args:
        folder: an empty folder, but for recordings.
        utterances: what to write.
        files: path of the recording of each utterance, absolute or relative to `folder`.
    """
    import pyarrow.parquet

    columns = rows.columns(utterances)
    if not os.path.isabs(files[0]):
        columns = {"file_name": list(files), **columns}
        values = zip(*columns.values(), strict=True)
        _write_metadata(folder, [dict(zip(columns, row, strict=True)) for row in values])
        return
    sounds = pyarrow.array(
        [{"bytes": None, "path": file} for file in files],
        pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
    )
    table = pyarrow.table({"audio": sounds} | {k: pyarrow.array(v) for k, v in columns.items()})
    features = {
        name: {"dtype": str(table.schema.field(name).type).replace("double", "float64"),
               "_type": "Value"}
        for name in columns
    }  # fmt: skip
    info = {"info": {"features": {"audio": {"_type": "Audio"}} | features}}
    (folder / "data").mkdir()
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(info)}),
        folder / "data" / "train-00000-of-00001.parquet",
    )


def _write_metadata(folder: Path, listed: Sequence[Mapping[str, str | float | None]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in listed)
    (folder / METADATA[1]).write_text("".join(lines), encoding="utf-8")
