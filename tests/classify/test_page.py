"""One description of a result is the text on the terminal and the page."""

import html
from pathlib import Path

from classify.report import page
from classify.report.page import Fact, Page, Section, Table

FOUND = Page(
    title="ridge on <an encoder>",
    about=[("encoder", "an \x1b[31mencoder"), ("folds", "leave one speaker out (10)")],
    facts=[
        Fact("UAR", "0.500", "[0.400, 0.600]", "chance 0.250"),
        Fact("a long name", "0.250"),
    ],
    warnings=["The speakers are unknown."],
    sections=[
        Section("Scores", Table(["head", "UAR", "change", "n"],
                                [("ridge", "0.5", "−0.10*", 7), ("svm", "–", "+0.02", 12)]),
                note="* p < 0.05", text="UAR: mean recall.", printed=True),
        Section("Details", Table(["what"], [("for the page",)])),
        Section("Words", Table((), [("fitted", "in each <fold>")], words=True), printed=True),
    ],
)  # fmt: skip


def test_the_terminal_shows_what_is_to_be_printed() -> None:
    assert page.text(FOUND).splitlines() == [
        r"encoder      an \x1b[31mencoder",
        "folds        leave one speaker out (10)",
        "",
        "UAR          0.500 [0.400, 0.600]   chance 0.250",
        "a long name  0.250",
        "",
        "head   UAR  change   n",
        "ridge  0.5  −0.10*   7",
        "svm      –  +0.02   12",
        "* p < 0.05",
        "",
        "fitted  in each <fold>",
    ]


def test_the_page_has_the_same_and_more(tmp_path: Path) -> None:
    found = page.html(FOUND, tmp_path)
    assert "<an encoder>" not in found
    found = html.unescape(found)
    for cell in ("ridge on <an encoder>", "leave one speaker out (10)", "[0.400, 0.600]",
                 "chance 0.250", "−0.10*", "* p < 0.05", "UAR: mean recall.", "for the page",
                 "The speakers are unknown.", "in each <fold>"):  # fmt: skip
        assert cell in found
