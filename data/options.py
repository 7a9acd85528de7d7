"""Options of dataclasses: a field that is made by `option` is also an option of a command.

    @dataclass(frozen=True)
    class Options:
        cache: Path = option(Path("embeddings.h5"), "cache to read", metavar="FILE")

`add_options` adds ``--cache FILE`` with the help and the default of the field to a parser, and
`from_arguments` makes `Options` from what was parsed. A field whose type is a dataclass with
options adds these.
"""

from collections.abc import Collection
from dataclasses import MISSING, Field, field, fields, is_dataclass
from math import inf
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from data.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace, _ActionsContainer

T = TypeVar("T")


def option(
    default: Any = MISSING,
    help: str = "",
    *,
    flag: str | None = None,
    limits: tuple[float, float] | None = None,
    choices: Collection[str] = (),
    **settings: Any,
) -> Any:
    """A field that is also an option. Several classes may use it under the same name.

    Args:
        default: of the field and of the option, or a function that makes it; if there is none,
            the option is required.
        help: text of ``--help``, to which the default is added unless the text describes it.
        flag: by default the name of the field, after ``--no-`` if the default is True.
        limits: the least and the largest number that `verify` accepts.
        choices: the names that `verify` accepts. If the field is bool, one of them makes it true.
        settings: of `argparse.ArgumentParser.add_argument`: metavar, action, and the type if the
            annotation is not bool, str, int, float, int | str, a path or names.
    """
    metadata = {
        "help": help, "flag": flag, "limits": limits, "choices": choices, "settings": settings,
    }  # fmt: skip
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def add_options(
    parser: "_ActionsContainer",
    kind: type,
    *only: str,
    without: Collection[str] = (),
    defaults: bool = True,
) -> None:
    """Add the options of a dataclass to a parser or to a group of it.

    Args:
        parser: to which the options are added.
        kind: the dataclass.
        only: names of fields; none: all.
        without: names of fields that are left out.
        defaults: whether an option that is not given has the default of its field, or None.
    """
    chosen = [one for one in fields(kind) if one.name not in without]
    for one in chosen:
        if "help" in one.metadata and (not only or one.name in only):
            settings = _settings(one) if defaults else {**_settings(one), "default": None}
            parser.add_argument(flag_of(one), dest=one.name, help=_help(one), **settings)
    for one in chosen:
        if isinstance(one.type, type) and is_dataclass(one.type) and not only:
            title = one.metadata.get("title")
            group = parser.add_argument_group(title) if title else parser
            add_options(group, one.type, without=without)


def from_arguments(kind: type[T], arguments: "Namespace", **more: Any) -> T:
    """Make a dataclass of parsed arguments.

    Args:
        kind: the dataclass. A field without an argument has its default.
        arguments: as a parser with `add_options` has parsed them.
        more: values of further fields.
    """
    given: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        value = getattr(arguments, one.name, None)
        if isinstance(one.type, type) and is_dataclass(one.type):
            given[one.name] = from_arguments(one.type, arguments)
        elif isinstance(value, list) and value:
            extended = one.metadata.get("settings", {}).get("action") == "extend"
            given[one.name] = tuple(dict.fromkeys(value) if extended else value)
        elif value is not None and value != []:
            given[one.name] = bool(value) if one.type is bool else value
    return kind(**(given | more))


def verify(options: Any) -> None:
    """Require the limits and the choices of the options.

    Raises:
        UsageError: a number is outside of the limits, or a name is not a choice.
    """
    for one in fields(options):
        value, limits = getattr(options, one.name), one.metadata.get("limits")
        if limits and isinstance(value, int | float) and not limits[0] <= value <= limits[1]:
            least, most = map(_shown, limits)
            expected = f"{least} or more" if limits[1] == inf else f"{least} to {most}"
            raise UsageError(f"{flag_of(one)} {_shown(value)}: expected {expected}")
        choices = () if one.type is bool else one.metadata.get("choices")
        given = value if isinstance(value, tuple) else () if value is None else (value,)
        if choices and (unknown := [name for name in given if name not in choices]):
            *others, last = choices
            expected = f"{', '.join(others)} or {last}"
            raise UsageError(f"{flag_of(one)} {unknown[0]}: expected {expected}")


def flag_of(one: "Field[Any]") -> str:
    """The option of a field, such as ``--batch-size``."""
    prefix = "--no-" if one.default is True else "--"
    return one.metadata.get("flag") or prefix + one.name.replace("_", "-")


def names_in(text: str) -> tuple[str, ...]:
    """Names joined by commas, each once.

    >>> names_in("emodb, ravdess,emodb")
    ('emodb', 'ravdess')
    """
    found = (name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(name for name in found if name))


def _settings(one: "Field[Any]") -> dict[str, Any]:
    """The settings of the argument of a field."""
    settings = dict(one.metadata["settings"])
    if one.type is bool and not one.metadata["choices"]:
        return {"action": "store_false" if one.default is True else "store_true", **settings}
    if settings.get("action") in ("append", "extend"):
        settings["default"] = []
    elif one.default is MISSING:
        settings["required"] = True
    else:
        settings["default"] = one.default
    if "type" not in settings and one.type is not bool:
        settings["type"] = _converter(one.type)
    if one.metadata["choices"] and get_origin(one.type) is not tuple:
        settings["choices"] = one.metadata["choices"]
    return settings


def _converter(annotation: Any) -> Any:
    """The function that converts a text to the type of a field."""
    if get_origin(annotation) is tuple:
        element = get_args(annotation)[0]
        return element if element is Path else names_in
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 else _number_or_text


def _number_or_text(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _help(one: "Field[Any]") -> str:
    """The help of a field, with the default unless it is none or the help describes it."""
    text, default = one.metadata["help"].replace("%", "%%"), one.default
    if "(default" in text or default in (MISSING, None, ()) or one.type is bool:
        return text
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return f"{text} (default: {_shown(default)})".lstrip()


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
