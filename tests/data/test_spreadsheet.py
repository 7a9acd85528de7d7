"""CSV that a spreadsheet does not evaluate, and that is read back exactly."""

import csv
import io
import re

import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

from data import corpora, spreadsheet

TEXTS = st.text(st.sampled_from("=+-@\t\r\n'ab1.;,\" ") | st.characters(exclude_categories=["Cs"]))
ROWS = st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5)


def is_number(text: str) -> bool:
    """What Python and a spreadsheet both read as a number, and nothing else."""
    try:
        float(text)
    except ValueError:
        return False
    return re.search(r"[_\s]", text) is None


@given(TEXTS)
@example('=HYPERLINK("http://x")')
@example("-2+3+cmd|' /C calc'!A0")
@example("'=1")
@example("\t=1")
@example("\r=1")
@example("@SUM(A1)")
@example("+1")
def test_no_text_begins_as_a_formula_and_all_is_restored(text: str) -> None:
    written = spreadsheet.neutral(text)
    assert not written.startswith(tuple("=+-@\t\r\n")) or is_number(written)
    assert spreadsheet.restored(written) == text


@pytest.mark.parametrize("cell", ["-0.5", "+3", "-1e-05", "-.5", "-inf", "", "'s-Hage", "a=b"])
def test_cells_that_are_no_formulas_are_unchanged(cell: str) -> None:
    assert spreadsheet.neutral(cell) == cell


@given(ROWS)
def test_rows_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    spreadsheet.write(file, rows)
    read = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert [list(map(spreadsheet.restored, row)) for row in read] == rows


def test_a_table_is_read_as_it_was_before_it_was_made_safe(tmp_path, waveform) -> None:
    names = ["-dir/a.wav", "=1+1.wav", "@x.wav", "'=y.wav", "'s.wav", "plain.wav"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, waveform(0, 0.2), 16_000)
    rows = [["file", "emotion", "=note", "shift"]]
    rows += [[name, "+happy", "-maybe", "-0.5"] for name in names]
    with open(tmp_path / "t.csv", "w", newline="", encoding="utf-8") as file:
        spreadsheet.write(file, rows)
    read = corpora.read(tmp_path / "t.csv").utterances
    assert sorted(u.path for u in read) == sorted(names)
    assert {u.emotion for u in read} == {"+happy"}
    assert {tuple(u.attributes.items()) for u in read} == {(("=note", "-maybe"), ("shift", -0.5))}
