"""Options that are written once: the command line and Python agree."""

from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest

from data.console import Parser
from data.errors import UsageError
from data.options import add_options, from_arguments, option, verify


@dataclass(frozen=True)
class Part:
    rate: float | None = option(None, "of the part (default: none)", limits=(0, 1))


@dataclass(frozen=True)
class Options:
    out: Path = option(help="where to", metavar="FILE")
    part: Part = field(default_factory=Part, metadata={"title": "part"})
    count: int = option(3, "how many", limits=(1, inf))
    size: float = option(16.0, "how large, in %")
    folds: int | str = option("auto", "which", limits=(2, inf))
    names: tuple[str, ...] = option(("a", "b"), "of these", choices=("a", "b", "c"))
    kind: str = option("x", choices=("x", "y"))
    more: tuple[str, ...] = option((), "100 % more", flag="--extra", action="extend")
    sets: tuple[tuple[str, ...], ...] = option((), "sets", action="append")
    files: tuple[Path, ...] = option((Path("f"),), "files", action="append")
    curves: bool = option(True, "no curves")
    loud: bool = option(False, "loud")
    whole: bool = option(False, "whole", choices=("corpus",))
    hidden: int = 7

    def __post_init__(self) -> None:
        verify(self)


def parsed(*given: str, **settings) -> Options:
    parser = Parser()
    add_options(parser, Options, **settings)
    return from_arguments(Options, parser.parse_args(["--out", "o", *given]))


def test_without_arguments_all_fields_have_their_defaults() -> None:
    assert parsed() == Options(Path("o"))
    assert parsed(defaults=False) == Options(Path("o"))


def test_each_type_is_converted() -> None:
    given = "--rate .5 --count 4 --size 2 --folds 5 --names c,a,c --kind y --extra p,q --extra q"
    more = "--sets p,q --sets r --files g --files g --no-curves --loud --whole corpus"
    assert parsed(*given.split(), *more.split()) == Options(
        Path("o"), Part(0.5), 4, 2.0, 5, ("c", "a"), "y", ("p", "q"), (("p", "q"), ("r",)),
        (Path("g"), Path("g")), False, True, True,
    )  # fmt: skip
    assert parsed("--folds", "speaker").folds == "speaker"


def test_help_has_the_defaults_of_the_fields() -> None:
    parser = Parser()
    add_options(parser, Options)
    text = " ".join(parser.format_help().split())
    assert "how many (default: 3)" in text
    assert "how large, in % (default: 16)" in text
    assert "of these (default: a,b)" in text
    assert "part: --rate RATE of the part (default: none)" in text
    assert "100 % more" in text
    assert "hidden" not in text
    assert text.count("(default") == 7


def test_options_can_be_left_out_at_every_depth() -> None:
    parser = Parser()
    add_options(parser, Options, without=("out", "rate", "loud"))
    arguments = parser.parse_args(["--count", "2"])
    assert from_arguments(Options, arguments, out=Path("p")) == Options(Path("p"), count=2)
    assert not hasattr(arguments, "rate")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "--count 0: expected 1 or more"),
        ({"part": Part, "rate": 2.0}, "--rate 2: expected 0 to 1"),
        ({"folds": 1}, "--folds 1: expected 2 or more"),
        ({"names": ("a", "d")}, "--names d: expected a, b or c"),
        ({"kind": "z"}, "--kind z: expected x or y"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong: dict, message: str) -> None:
    made = wrong.pop("part", None)
    with pytest.raises(UsageError, match=message):
        verify(made(**wrong)) if made else Options(Path("o"), **wrong)


def test_an_option_without_a_default_is_required(capsys) -> None:
    parser = Parser()
    add_options(parser, Options)
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "required: --out" in capsys.readouterr().err
