"""Output: no terminal sequences, no crashes, lossless JSON and CSV."""

import csv
import gc
import io
import json
import sys
import unicodedata
from copy import copy

import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data import console, spreadsheet
from data.console import configure_logging, importing, log, run, show, show_csv, show_json
from data.errors import CacheError
from data.text import escaped, lines

EVIL = "a\x1b]0;owned\x07\r\nerror: b\x9b2J\u202ec\u2066d\u2028e\x7f"
ENCODINGS = ["utf-8", "ascii", "cp1252", "latin-1", "utf-16"]

anything = st.text(
    st.characters() | st.sampled_from(EVIL) | st.characters(categories=["Cc", "Cs", "Zl", "Zp"])
)
once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def acts_on_a_terminal(text: str) -> bool:
    """By Unicode's own categories and classes, other than as the program finds out."""
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in bidi
        for c in text
    )


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch):
    """Standard output in some encoding; what was written to it."""

    def make(encoding: str) -> io.BytesIO:
        content = io.BytesIO()
        stream = io.TextIOWrapper(content, encoding, "replace", newline="", write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        return content

    return make


@given(anything)
@example(EVIL)
def test_escaped_text_is_one_harmless_line(text: str) -> None:
    shown = escaped(text)
    assert not acts_on_a_terminal(shown)
    if not acts_on_a_terminal(text) and not set(text) & set("\u061c\u200e\u200f"):
        assert shown == text


@once
@given(st.lists(anything, min_size=1))
def test_lines_are_as_many_as_were_joined(texts: list[str]) -> None:
    joined = lines(texts)
    assert joined.count("\n") == len(texts) - 1
    assert escaped(joined) == joined


def test_only_lines_have_line_breaks(capsys) -> None:
    show("a\nb", lines(["c\nd", "e"]))
    assert capsys.readouterr().out == "a\\nb\nc\\nd\ne\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
@once
@given(value=st.dictionaries(anything, st.lists(anything | st.integers())))
@example(value={EVIL: [EVIL, "Ärger × – \udc80 \U0001f600"]})
def test_json_reads_back_whatever_the_encoding(stdout, encoding: str, value) -> None:
    for indent in (None, 2):
        content = stdout(encoding)
        show_json(value, indent)
        printed = content.getvalue().decode(encoding)
        assert json.loads(printed) == value
        assert not acts_on_a_terminal(printed.replace("\n", ""))


def test_json_is_readable_where_it_can_be(stdout) -> None:
    content = stdout("utf-8")
    show_json({"emotion": "Ärger"})
    assert content.getvalue().decode() == '{"emotion": "Ärger"}\n'


@pytest.mark.parametrize("encoding", ENCODINGS)
@once
@given(rows=st.lists(st.lists(anything, min_size=2, max_size=2), max_size=4))
def test_csv_has_every_cell_whatever_the_encoding(stdout, encoding: str, rows) -> None:
    content = stdout(encoding)
    show_csv(rows)
    read = csv.reader(io.StringIO(content.getvalue().decode(encoding), newline=""))
    kept = [[cell.encode(encoding, "backslashreplace").decode(encoding) for cell in row]
            for row in rows]  # fmt: skip
    assert [list(map(spreadsheet.restored, row)) for row in read] == kept


def test_csv_on_a_terminal_is_escaped(stdout, monkeypatch) -> None:
    content = stdout("utf-8")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    show_csv([["file", "share"], [EVIL, 0.5]])
    assert content.getvalue().decode() == f"file,share\n{escaped(EVIL)},0.5\n"


def test_the_log_and_errors_are_escaped(capsys, monkeypatch) -> None:
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(log, name, copy(getattr(log, name)))  # put back afterwards
    configure_logging(verbose=False, quiet=False)
    log.warning("left out %s", EVIL)

    def fail(error: Exception):
        def command() -> int:
            raise error

        return command

    assert run(fail(CacheError(f"{EVIL}: no such cache"))) == 1
    assert run(fail(FileNotFoundError(2, "No such file", EVIL)), verbose=True) == 74
    assert run(fail(CacheError(lines(["several", f"  lines {EVIL}"])))) == 1
    with pytest.raises(SystemExit):
        console.Parser("x").parse_args([f"--{EVIL}"])
    output = capsys.readouterr().err
    assert not acts_on_a_terminal(output.replace("\n", ""))
    assert f"warning: left out {escaped(EVIL)}\n" in output
    assert f"error: {escaped(EVIL)}: no such cache\n" in output
    assert f"error: several\n  lines {escaped(EVIL)}\n" in output


@pytest.fixture
def evil_corpus(tmp_path, waveform):
    """Two recordings with terminal sequences in their names, and one that is none."""
    root = tmp_path / "corpus"
    for emotion, name in (("=anger", "s1_1"), (EVIL.replace("/", ""), "s2_2")):
        (root / emotion).mkdir(parents=True)
        soundfile.write(root / emotion / f"{name}.wav", waveform(0, 0.3), 16_000)
    (root / "=anger" / f"s3_{EVIL}.wav").write_bytes(b"RIFF\x1b[31m")
    return root


def test_commands_print_names_escaped_and_json_exactly(evil_corpus, tmp_path, capsys) -> None:
    from data.commands import info, scan
    from extract.__main__ import main as extract

    corpus = [str(evil_corpus), "--pattern", "{emotion}/{speaker}_{take}"]
    cache = str(tmp_path / "c.h5")
    assert run(lambda: scan.main(corpus)) == 0
    assert run(lambda: extract([*corpus, "--model", "untrained:tiny", "-o", cache])) == 3
    assert run(lambda: info.main([cache])) == 0
    out, err = capsys.readouterr()
    for output in (out, err):
        assert not acts_on_a_terminal(output.replace("\n", ""))
        assert escaped(EVIL) in output
    scan.main([*corpus, "--json"])
    rows = json.loads(capsys.readouterr().out)["utterances"]
    assert {row["emotion"] for row in rows} == {"=anger", EVIL}
    info.main([cache, "--json"])
    assert set(json.loads(capsys.readouterr().out)["corpora"]["corpus"]["emotions"]) == {
        "=anger", EVIL}  # fmt: skip
    scan.main([*corpus, "--csv"])
    out = capsys.readouterr().out
    header, *cells = csv.reader(io.StringIO(out, newline=""))
    column = header.index("emotion")
    assert {row[column] for row in cells} == {"'=anger", EVIL}


def test_garbage_is_collected_again_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError), importing():
        import no_such_module  # noqa: F401
    assert gc.isenabled()
