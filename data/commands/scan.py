"""``python -m data scan``: print the counts and problems of a corpus."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data import listing
from data.commands.corpora import add_reading, read
from data.commands.export import FORMATS
from data.console import Parser, log, show, show_csv, show_json
from data.errors import UsageError
from data.scan import Summary, read_headers, row, summarise, write_list
from data.text import Lines, lines, several

WIDTH = 80  # characters of a line


def parser() -> Parser:
    """The command's options."""
    result = Parser(
        prog="python -m data scan",
        description="Count the emotions, speakers and seconds of a corpus, and report problems.",
    )
    add = result.add_argument
    add("corpora", nargs="+", metavar="CORPUS", help="a folder, table or recording")
    add_reading(result)
    add("-o", "--out", type=Path, metavar="LIST", help="also write all utterances to a list "
        "(.jsonl) for extract, on any machine, or to a folder of --format")  # fmt: skip
    add("--format", choices=FORMATS, help="of -o FOLDER, for other programs")
    add("--copy", action="store_true", help="copy the recordings into the folder of -o (default: "
        "write their absolute paths)")  # fmt: skip
    output = result.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="counts and rows as one JSON object")
    output.add_argument("--csv", action="store_true", help="one row per utterance")
    return result


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    args = parser().arguments(argv)
    if args.out and not args.format and args.out.suffix != listing.SUFFIX:
        raise UsageError(
            f"-o {args.out}: expected a name that ends in {listing.SUFFIX}, or a folder and "
            f"--format {'|'.join(FORMATS)}"
        )
    if (args.format and not args.out) or (args.copy and not args.format):
        raise UsageError("--format needs -o FOLDER, and --copy needs --format")
    found = read(args, log_each=False)
    headers = read_headers([u.file for corpus in found for u in corpus.utterances], args.quiet)
    if args.format:
        from data import interchange

        listed = [utterance for corpus in found for utterance in corpus.utterances]
        interchange.write(args.out, args.format, listed, args.copy, args.quiet)
        log.info("%s: %s", args.out, several(len(listed), "utterance"))
    elif args.out:
        count = write_list(args.out, found, headers)
        log.info("%s: %s", args.out, several(count, "utterance"))
    summaries = [summarise(corpus, headers) for corpus in found]
    rows = [row(u, headers[u.file]) for corpus in found for u in corpus.utterances]
    if args.json:
        document = {"corpora": [_for_json(summary) for summary in summaries], "utterances": rows}
        show_json(document, indent=1)
    elif args.csv:
        columns = dict.fromkeys(key for row in rows for key in row)
        show_csv([columns, *([row.get(name) for name in columns] for row in rows)])
        for summary in summaries:
            for warning in summary.warnings:
                log.warning("%s: %s", summary.name, warning)
    else:
        first, *others = map(render, summaries)
        show(first, *(text for summary in others for text in ("", summary)))
    return 0


def render(summary: Summary) -> Lines:
    """Format a summary in lines of at most `WIDTH` characters, except for long names."""
    s = summary
    title = s.title if s.name == s.kind else f"{s.title}: {s.name}"
    count = several(s.recordings, "recording")
    if s.published and s.published != s.recordings:
        count = f"{s.recordings:,} of the {s.published:,} recordings published"
    if s.utterances != s.recordings:
        count = f"{several(s.utterances, 'utterance')} in {count}"
    known = len(s.speakers.keys() - {None})
    speakers = several(known, "speaker") if known else "speakers unknown"
    length = "{min:.2f} to {max:.2f} s, mean {mean:.2f} s".format_map(s.seconds)
    rates = ", ".join(f"{rate:,} Hz ({n:,})" for rate, n in s.sampling_rates.items())
    channels = ", ".join(f"{number} ({n:,})" for number, n in s.channels.items())
    languages = ", ".join(f"{code} ({n:,})" for code, n in s.languages.items() if code)
    text = [
        title,
        "=" * min(WIDTH, len(title)),
        f"{s.root}",
        f"{count}, {speakers}, {_clock(s.seconds['total'])}",
        f"length    {length if rates else 'unknown'}",
        f"rate      {rates or 'unknown'}",
        f"channels  {channels or 'unknown'}",
        *([f"language  {languages}"] if languages else []),
        "",
        *_emotion_table(s),
    ]
    if s.sexes.keys() - {None}:
        text += ["", "sex", *_columns(s.sexes)]
    if known:
        text += ["", "speaker", *_columns(s.speakers)]
    if s.warnings:
        text += ["", *(f"warning: {warning}" for warning in s.warnings)]
    return lines(text)


def _emotion_table(summary: Summary) -> list[str]:
    labels = [(native or "(none)", shared or "(none)") for native, shared in summary.shared.items()]
    wide, wider = (max(len(pair[k]) for pair in [("emotion", "shared"), *labels]) for k in (0, 1))
    most = max(summary.emotions.values())
    lines = [f"{'emotion':{wide}}  {'shared':{wider}}  utterances"]
    for (native, shared), n in zip(labels, summary.emotions.values(), strict=True):
        bar, share = "#" * round(24 * n / most), n / summary.utterances
        lines.append(f"{native:{wide}}  {shared:{wider}}  {n:10,}  {share:6.1%}  {bar}".rstrip())
    return lines


def _columns(counts: dict[str | None, int]) -> list[str]:
    """Format names and counts in columns."""
    cells = [(name or "(none)", f"{n:,}") for name, n in counts.items()]
    wide, wider = (max(len(cell[k]) for cell in cells) for k in (0, 1))
    texts = [f"{name:{wide}} {n:>{wider}}" for name, n in cells]
    per_line = max(1, (WIDTH - 2 + 3) // (wide + 1 + wider + 3))
    return [
        "  " + "   ".join(texts[first : first + per_line])
        for first in range(0, len(texts), per_line)
    ]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _for_json(summary: Summary) -> dict[str, object]:
    """Convert a summary for JSON; the key "" counts unknown values."""

    def named(value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {"" if key is None else key: count for key, count in value.items()}

    return {key: named(value) for key, value in asdict(summary).items()}
