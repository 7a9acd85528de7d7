"""An audformat database: a folder with ``db.yaml`` and tables ``db.<table>.csv`` or ``.parquet``.

The header and the tables are read without the audformat package, which loads pickles.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.corpora import rows
from data.corpora.rows import PREFIX, Row
from data.corpora.tree import Found, Tree
from data.errors import CorpusError
from data.utterance import Utterance

if TYPE_CHECKING:
    import pandas as pd

TITLE = "audformat database"
SIZE = None
ORIGIN = "https://audeering.github.io/audformat/"
CITATION = "Wagner et al., audformat"
LABELS: Mapping[str, str | None] = {}  # English words, see `data.emotions`

HEADER = "db.yaml"
TIMES = ("start", "end")
_PLAIN = re.compile(r"[\w-]+", re.ASCII)  # splits that are names of tables
_SPLITS = {"train": "train", "dev": "dev", "val": "dev", "validation": "dev", "test": "test"}
Key = tuple[str, float | None, float | None]  # file, start and end
# ISO 639-3, which audformat has, and ISO 639-1 of languages with corpora of emotional speech
_CODES = """
amh:am ara:ar ben:bn bul:bg cat:ca ces:cs cmn:zh dan:da deu:de ell:el eng:en est:et eus:eu fas:fa
fin:fi fra:fr glg:gl guj:gu heb:he hin:hi hrv:hr hun:hu ind:id isl:is ita:it jpn:ja kan:kn kat:ka
kaz:kk kor:ko lav:lv lit:lt mal:ml mar:mr mya:my nep:ne nld:nl nor:no pan:pa pol:pl por:pt ron:ro
rus:ru slk:sk slv:sl spa:es sqi:sq srp:sr swa:sw swe:sv tam:ta tel:te tgl:tl tha:th tur:tr ukr:uk
urd:ur vie:vi zho:zh
"""
LANGUAGES = dict(pair.split(":") for pair in _CODES.split())


def recognise(tree: Tree) -> bool:
    """Whether the root contains a header."""
    return HEADER in tree.others


def read(tree: Tree, table: str | None = None) -> Found:
    """Read utterances and warnings.

    The utterances are the rows of `table`, or of all tables that have a column ``emotion``.
    Other tables add columns, if they have the same file or segment. Attributes of labels, such as
    the age of a speaker, and the split of a table become columns.

    Raises:
        CorpusError: the header or a table cannot be read, the database has no such table, or its
            tables disagree.
    """
    origin = tree.root / HEADER
    header = _header(origin)
    tables = {name: _Table(tree.root, name, header) for name in header["tables"]}
    chosen = _chosen(origin, tables, table)
    others = [name for name in tables if name not in chosen]
    merged: dict[Key, Row] = {}
    for name in chosen:
        for key, row in tables[name].rows():
            known = merged.setdefault(key, {})
            for column, value in row.items():
                if known.setdefault(column, value) != value:
                    raise CorpusError(
                        f"{origin}: its tables disagree about {column} of {key[0]}; name one with "
                        f"--table, of {', '.join(chosen)}"
                    )
    if not any(PREFIX + "id" in row for row in merged.values()):
        for name in others:
            added = dict(tables[name].rows())
            for key, row in merged.items():
                for same in dict.fromkeys((key, (key[0], None, None))):
                    merged[key] = row = added.get(same, {}) | row
        _describe(tree.root, header, merged.values())
    name = str(header.get("name") or tree.name).replace("/", "_")
    listed = (rows.renamed(_placed(key, row)) for key, row in merged.items())
    return rows.utterances(origin, name, tree.root, listed, tree.follow_links)


def _placed(key: Key, row: Row) -> Row:
    times = {name: value for name, value in zip(TIMES, key[1:], strict=True) if value is not None}
    return {"file": key[0], **times, **row}


def _header(path: Path) -> dict[str, Any]:
    import yaml

    try:
        header = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for part in ("schemes", "tables", "misc_tables"):
            header[part] = dict(header.get(part) or {})
            if not all(isinstance(value, dict) for value in header[part].values()):
                raise ValueError(f"{part} is not a map of maps")
        if not header["tables"]:
            raise ValueError("it names no table")
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise CorpusError(
            f"{path}: expected the header of an audformat database: {reason}"
        ) from None
    return header


def _chosen(origin: Path, tables: "Mapping[str, _Table]", table: str | None) -> list[str]:
    if table is not None:
        if table not in tables:
            raise CorpusError(f"{origin}: no table {table!r}; its tables are {', '.join(tables)}")
        return [table]
    labelled = [name for name in tables if "emotion" in tables[name].names.values()]
    if len({tables[name].segmented for name in labelled}) > 1:
        raise CorpusError(
            f"{origin}: emotions of whole files and of segments; name a table with --table, of "
            f"{', '.join(labelled)}"
        )
    segmented = [name for name in tables if tables[name].segmented]
    return labelled or segmented or list(tables)


class _Table:
    """A table of files or segments, and the names that its columns get."""

    def __init__(self, root: Path, name: str, header: Mapping[str, Any]) -> None:
        table = header["tables"][name]
        self.root, self.name, self.schemes = root, name, header["schemes"]
        self.segmented = table.get("type") == "segmented"
        self.split = table.get("split_id")
        self.scheme = _schemes(table)
        self.names = {name: name for name in self.scheme}
        for target in ("emotion", "speaker"):  # a column of this scheme, if none has the name
            of_scheme = [name for name, scheme in self.scheme.items() if scheme == target]
            if target not in self.scheme and len(of_scheme) == 1:
                self.names[of_scheme[0]] = target

    def rows(self) -> Iterator[tuple[Key, Row]]:
        """Yield file, start and end of each row, and its other columns."""
        frame = frame_of(self.root, self.name, _types(self.scheme, self.schemes))
        if "file" not in frame.columns:
            raise CorpusError(f"{self.root}: table {self.name} has no column 'file'")
        for row in rows.of_frame(frame.rename(columns=self.names)):
            start, end = (float(row.pop(name)) if name in row else None for name in TIMES)
            if start == 0 and end is None:
                start = None  # the whole file
            key = str(row.pop("file", "")), start, end
            if self.split is not None and PREFIX + "id" not in row:
                row.setdefault("split", str(self.split))
            yield key, row


def frame_of(root: Path, name: str, types: Mapping[str, str]) -> "pd.DataFrame":
    """Read a table; `types` are the types of its schemes, durations become seconds."""
    import pandas as pd

    path = root / f"db.{name}.parquet"
    if not path.is_file():
        path = root / f"db.{name}.csv"
    if not path.is_file():
        raise CorpusError(f"{path}: not found; save the tables as csv or parquet, not as pickles")
    with rows.reading(path):
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
        frame.columns = frame.columns.map(str)
        for column in frame.columns:
            kind = types.get(column)
            if column in TIMES or kind == "time" or frame[column].dtype.kind == "m":
                frame[column] = pd.to_timedelta(frame[column]).dt.total_seconds()
            elif path.suffix == ".csv" and kind in ("int", "float"):
                frame[column] = pd.to_numeric(frame[column])
    return frame


def _describe(root: Path, header: Mapping[str, Any], found: Iterable[Row]) -> None:
    """Add the attributes of labels, and the language, to rows."""
    schemes: dict[str, str | None] = {"emotion": "emotion", "speaker": "speaker"}
    for table in header["tables"].values():
        schemes |= _schemes(table)
    labels = {name: _labels(root, header, scheme) for name, scheme in schemes.items()}
    languages = [LANGUAGES.get(code, code) for code in header.get("languages") or ()]
    for row in found:
        for name in [name for name in row if labels.get(name)]:
            for attribute, value in labels[name].get(row[name], {}).items():
                row.setdefault(attribute if name == "speaker" else f"{name}_{attribute}", value)
        if len(languages) == 1:
            row.setdefault("language", str(languages[0]))


def _schemes(table: Mapping[str, Any]) -> dict[str, str | None]:
    """Column → name of its scheme."""
    columns = (table.get("columns") or {}).items()
    return {str(name): (column or {}).get("scheme_id") for name, column in columns}


def _types(named: Mapping[str, str | None], schemes: Mapping[str, Any]) -> dict[str, str]:
    """Column → type of its scheme, in the words of audformat."""
    return {column: str(schemes.get(name or "", {}).get("dtype")) for column, name in named.items()}


def _labels(root: Path, header: Mapping[str, Any], scheme: str | None) -> dict[str | float, Row]:
    """Attributes of each label of a scheme."""
    labels = header["schemes"].get(scheme, {}).get("labels")
    if isinstance(labels, str) and labels in header["misc_tables"]:
        table = header["misc_tables"][labels]
        types = _types(_schemes(table), header["schemes"]) | dict(table.get("levels") or {})
        frame = frame_of(root, labels, types)
        key = str(frame.columns[0])
        return {row.pop(key): row for row in rows.of_frame(frame) if key in row}
    if not isinstance(labels, dict):
        return {}
    found = {}
    for label, value in labels.items():
        attributes = value if isinstance(value, dict) else {"label": value}
        found[label] = {str(k): rows.plain(v) for k, v in attributes.items() if v is not None}
    return found


def write(folder: Path, utterances: Sequence[Utterance], files: Sequence[str]) -> None:
    """Write a database of one table, and of one for each split, into a folder.

    Args:
        folder: an empty folder.
        utterances: their attribute ``split`` names their splits.
        files: path of the recording of each utterance, absolute or relative to `folder`.

    Raises:
        CorpusError: two utterances have the same file, start and end, which audformat forbids.
    """
    import pyarrow.parquet
    import yaml

    columns: dict[str, Sequence[Any]] = {"file": files}
    segmented = any(u.start is not None or u.end is not None for u in utterances)
    if segmented:
        columns["start"] = [_nanoseconds(u.start or 0.0) for u in utterances]
        columns["end"] = [_nanoseconds(u.end) for u in utterances]
    index = list(zip(*columns.values(), strict=True))
    if len(set(index)) < len(index):
        twice = next(key[0] for key in index if index.count(key) > 1)
        raise CorpusError(f"{twice}: two utterances of one segment; audformat needs one")
    columns |= rows.columns(utterances)
    types = {name: _type(name, values) for name, values in columns.items()}
    splits = [str(u.attributes.get("split", "")) for u in utterances]
    splits = [name if _PLAIN.fullmatch(name) else "" for name in splits]
    described = [name for name in columns if name not in ("file", *TIMES)]
    header: dict[str, Any] = {
        "name": utterances[0].corpus,
        "source": "wav2emo",
        "usage": "other",
        "schemes": {name: {"dtype": types[name][0]} for name in described},
        "splits": {name: {"type": _SPLITS.get(name, "other")} for name in sorted({*splits} - {""})},
        "tables": {},
    }
    for name in ("emotion", "speaker"):
        if labels := sorted({value for value in columns[name] if value is not None}):
            header["schemes"][name]["labels"] = labels
    languages = {u.attributes.get("language") for u in utterances}
    longer = {short: long for long, short in LANGUAGES.items()}
    if known := sorted(longer[name] for name in languages if name in longer):
        header["languages"] = known
    whole = pyarrow.table(
        {name: pyarrow.array(values, types[name][1]) for name, values in columns.items()}
    )
    for split in sorted({*splits}):
        table = f"emotion.{split}" if split else "emotion"
        arrow = whole.filter(pyarrow.array([name == split for name in splits]))
        pyarrow.parquet.write_table(arrow, folder / f"db.{table}.parquet")
        header["tables"][table] = {
            "type": "segmented" if segmented else "filewise",
            **({"split_id": split} if split else {}),
            "columns": {name: {"scheme_id": name} for name in described},
        }
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    (folder / HEADER).write_text(text, encoding="utf-8")


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def _type(name: str, values: Sequence[Any]) -> tuple[str, str]:
    """Types of audformat and of Arrow."""
    if name in TIMES:
        return "time", "duration[ns]"
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return "int", "int64"
    return ("float", "float64") if kinds == {float} else ("str", "large_string")
