"""Fairness by its commands: planted differences, files, the report of a run, mistakes."""

import html
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classify.commands.evaluate import main as evaluate_command
from classify.commands.fairness import main
from classify.evaluation.run import evaluate
from classify.fairness.options import FairnessOptions
from classify.fairness.result import Column
from classify.fairness.study import of_run, study
from classify.options import Options
from data.errors import UsageError


@pytest.fixture
def unfair(make_cache) -> Path:
    """Sixteen speakers; the features of every other one, a man's, carry no class."""
    sex = ["male" if row // 16 % 2 else "female" for row in range(256)]
    noise = np.random.default_rng(0)

    def alter(features: np.ndarray, places: np.ndarray, columns: dict) -> None:
        male = places // 16 % 2 == 1
        features[:, male] = noise.normal(size=features[:, male].shape)

    return make_cache(speakers=16, columns={"sex": sex}, alter=alter)


def of_cache(cache: Path, **options) -> Column:
    (column,) = of_run(evaluate(Options(head="logreg", cache=cache, **options))).columns
    return column


def test_a_planted_unfair_head_is_found_and_a_fair_one_is_not(unfair: Path, make_cache) -> None:
    column = of_cache(unfair)
    assert column.gap.significant
    assert column.gap.highest == "female"
    assert any(gap.significant for gap in column.gaps if gap.of == "recall")
    sex = ["male" if row // 16 % 2 else "female" for row in range(256)]
    fair = make_cache("fair.h5", speakers=16, columns={"sex": sex}, separation=0.7)
    column = of_cache(fair)
    assert not any(gap.significant for gap in column.gaps)


def test_the_target_is_no_column_of_groups(unfair: Path) -> None:
    with pytest.raises(UsageError, match=r"--by sex: it is what is predicted"):
        FairnessOptions(Options(target="sex"), by=("sex",))
    found = of_run(evaluate(Options(head="logreg", cache=unfair, target="emotion")))
    assert [column.name for column in found.columns] == ["sex"]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("corpus", "--by corpus: it is emodb for all of the 80 utterances; expected two groups"),
        ("nothing", "--by nothing: the cache has the columns id, corpus"),
        ("number", "--by number: it holds 80 different numbers; name where groups begin, such as "
                   "--cut number="),
        ("speaker", "speaker: fewer than two groups can be scored (00: 1 speaker, "),
    ],
)  # fmt: skip
def test_columns_without_groups_are_refused(make_cache, by: str, message: str) -> None:
    columns = {"number": np.random.default_rng(0).normal(size=80).tolist()}
    shared = Options(head="logreg", cache=make_cache(columns=columns))
    with pytest.raises(UsageError) as error:
        study(FairnessOptions(shared, by=(by,)))
    assert message in str(error.value)


def test_cuts_of_other_columns_and_of_text_are_refused(unfair: Path) -> None:
    shared = Options(head="logreg", cache=unfair)
    with pytest.raises(UsageError, match="--cut duration: it is for columns of --by; add duration"):
        FairnessOptions(shared, by=("sex",), cuts={"duration": (2.0,)})
    with pytest.raises(UsageError, match="--cut sex: it holds text"):
        study(FairnessOptions(shared, cuts={"sex": (2.0,)}))


def test_a_cache_without_groups_names_the_known_columns(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"no column of sex, gender, age, .* has two groups"):
        study(FairnessOptions(Options(head="logreg", cache=cache)))


def test_the_command_writes_tables_figures_and_the_same_numbers(
    unfair: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ["--head", "logreg", "--cache", str(unfair), "-q"]
    out = tmp_path / "out"
    assert main([*options, "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = json.loads((out / "fairness.json").read_text())
    assert printed == found
    column = found["columns"]["sex"]
    expected = of_cache(unfair).as_json("uar", "recall")
    assert column == json.loads(json.dumps(expected))
    assert (found["measure"], found["control"], found["utterances"]) == ("uar", True, 256)
    files = {"groups.png", "groups.svg", "group_recall.png", "group_recall.svg", "predictions.csv",
             "report.html", "fairness.json", "run.json"}  # fmt: skip
    assert {file.name for file in out.iterdir()} == files
    page = html.unescape((out / "report.html").read_text())
    row = column["groups"]["female"]
    low, high = row["ci95"]
    assert f"<td>{row['uar']:.3f} [{low:.3f}, {high:.3f}]</td>" in page
    assert f"The UAR differs significantly: female {row['uar']:.3f}, male" in page
    assert main([*options, "--out", str(out)]) == 0  # an older run is overwritten
    printed = capsys.readouterr().out
    assert "\nfemale         8         128  " in printed
    assert "The UAR differs significantly: female" in printed


def test_the_report_of_a_run_has_groups_and_differences(
    unfair: Path, make_cache, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ["--head", "logreg", "-q", "--out", str(tmp_path / "out")]
    page = tmp_path / "out" / "report.html"
    assert evaluate_command([*options, "--cache", str(unfair)]) == 0
    assert "fairness     By sex: The UAR differs significantly: female " in capsys.readouterr().out
    assert "<h3>By sex</h3>" in page.read_text()
    sex = ["male" if row // 16 % 2 else "female" for row in range(80)]
    fair = make_cache("fair.h5", columns={"sex": sex})
    assert evaluate_command([*options, "--cache", str(fair)]) == 0
    assert "fairness" not in capsys.readouterr().out
    text = html.unescape(page.read_text())
    assert "The UAR does not differ significantly: " in text
    assert "So few speakers cannot show a difference: the smallest p that they allow is" in text
    assert evaluate_command([*options, "--cache", str(make_cache("no.h5"))]) == 0
    assert "By sex" not in page.read_text()


def test_numbers_are_compared_by_the_command_too(
    make_cache, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    random = np.random.default_rng(0)
    columns = {name: random.normal(3, 1, 160).tolist() for name in ("arousal", "valence")}
    columns["age"] = [20.0 + row // 16 * 4 for row in range(160)]
    cache = make_cache(speakers=10, columns=columns)
    options = ["--head", "ridge", "--cache", str(cache), "-q", "--target", "arousal,valence"]
    out = ["--out", str(tmp_path / "out")]
    assert main([*options, *out, "--by", "age", "--cut", "age=30,40,50"]) == 0
    printed = capsys.readouterr().out
    assert "age          speakers  utterances  CCC [95 %]" in printed
    assert "\nunder 30            3          48" in printed
    assert evaluate_command([*options, *out]) == 0
    assert "<h3>By age</h3>" in (tmp_path / "out" / "report.html").read_text()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom classify.commands.fairness import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(f'loaded {heavy}' if (heavy := {'numpy', 'torch'} & set(sys.modules)) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
