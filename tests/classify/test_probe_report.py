"""Figures and page of a probe: complete, reproducible and self-contained."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from classify.probing.options import ProbeOptions
from classify.probing.study import probe
from classify.report.probe import report
from classify.report.published import ANCHORS, fitting
from classify.report.write import write
from data.errors import UsageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
NAMES = {"curves", "targets", "selection", "description_length", "confusion", "recall", "speakers",
         "similarity", "against", "maps"}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run's folder of a full probe, and its result."""
    base = tmp_path_factory.mktemp("probe")
    cache, other = (make(base, name, seed) for name, seed in (("a.h5", 0), ("b.h5", 1)))
    options = ProbeOptions(
        cache=cache,
        control=other,
        against=other,
        targets=("emotion", "sex"),
        head="lda",
        C=1.0,
        shuffles=2,
        mdl=True,
        remove="speaker",
    )
    found = probe(options, "python -m classify probe --cache 'a b.h5'")
    return write(report(found), base / "run"), found, options


def make(base, name, seed):
    from data.cache.writer import write_cache

    random = np.random.default_rng(seed)
    speaker, emotion, take = (axis.ravel() for axis in np.indices((6, 6, 3)))
    count = len(take)
    X = random.standard_normal((6, count, 6)) + random.standard_normal((6, 6, 6))[:, emotion]
    columns = {
        "id": [f"emodb/{n:03}" for n in range(count)],
        "corpus": ["emodb"] * count,
        "path": [f"{n}.wav" for n in range(count)],
        "speaker": [f"{n:02}" for n in speaker],
        "sex": [("female", "male")[n % 2] for n in speaker],
        "emotion": list(np.array(list("WLTNAF"))[emotion]),
        "start": [None] * count,
        "end": [None] * count,
        "duration": list(random.uniform(1, 3, count)),
        "sha256": [f"{n:064x}" for n in range(count)],
    }
    recipe = {"model": "<b>m", "control": seed == 1, "layers": list(range(6)), "pooling": ["mean"],
              "baselines": {"energy": "…"}}  # fmt: skip
    write_cache(base / name, recipe, columns, {"mean": X.astype(np.float32)},
                baselines={"energy": random.standard_normal((count, 2))})  # fmt: skip
    return base / name


def test_every_figure_is_there_as_png_and_svg(made):
    place, _, _ = made
    assert {file.stem for file in place.glob("*.svg")} == NAMES
    for name in NAMES:
        assert (place / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        root = ElementTree.parse(place / f"{name}.svg").getroot()
        words = " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
        assert words, f"{name}: text is not kept as text"
        assert "date" not in (place / f"{name}.svg").read_text()


def test_the_axes_are_labelled(made):
    words = {
        name: " ".join(
            "".join(text.itertext())
            for text in ElementTree.parse(made[0] / f"{name}.svg").getroot().iter(f"{SVG}text")
        )
        for name in ("curves", "similarity", "against", "confusion", "maps")
    }
    expected = ("hidden layer", "UAR", "chance", "emotion: level", "shuffled labels",
                "untrained control", "without mean of each speaker",
                "Decoding-Emotions (accuracy, layer 5, own splits)")  # fmt: skip
    assert [word for word in expected if word not in words["curves"]] == []
    assert "linear CKA, debiased" in words["similarity"]
    assert "layer of untrained control" in words["against"]
    assert "predicted" in words["confusion"]
    assert "anger (18)" in words["confusion"]
    assert "LDA (held-out speakers)" in words["maps"]


def test_the_same_probe_gives_the_same_bytes(made, tmp_path):
    place, found, _ = made
    write(report(found), tmp_path / "again")
    for name in ("report.html", "curves.svg", "curves.png", "maps.svg", "probe.json"):
        assert (tmp_path / "again" / name).read_bytes() == (place / name).read_bytes(), name


class Page(HTMLParser):
    """What a page refers to, and the words in it."""

    def __init__(self, text):
        super().__init__()
        self.references, self.tags, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                self.references.append((tag, name, value))
            assert not name.startswith("on"), f"{tag} {name}"

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_fetches_nothing(made):
    place, _, _ = made
    text = (place / "report.html").read_text()
    page = Page(text)
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    pictures = []
    for tag, name, value in page.references:
        if value.startswith("data:"):
            pictures.append(base64.b64decode(value.partition("base64,")[2]).decode())
        elif tag == "a":  # where a reader may go
            known = value.startswith(("#", "https://")) or (place / value).is_file()
            assert known, value
        else:
            pytest.fail(f"<{tag} {name}={value[:80]}>")
    assert len(pictures) == len(NAMES)
    for picture in pictures:
        links = re.findall(r'href="([^"]*)"|url\(([^)]*)\)', picture)
        assert all("".join(link).startswith(("#", "data:")) for link in links)
        assert "<script" not in picture
    code = re.sub(r'"data:[^"]*"|<a href="[^"]*"', "", text)
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|import\(", code)


def test_the_page_contains_the_scores(made):
    place, found, _ = made
    page = Page((place / "report.html").read_text())
    words = " ".join(" ".join(page.words).split())
    target = found.metrics["targets"]["emotion"]
    for value in (target["best"]["uar"], target["selection"]["uar"], *target["selection"]["ci95"]):
        assert f"{value:.3f}" in words
    for row in target["layers"]:
        assert f"{row['uar']:.3f} [{row['ci95'][0]:.3f}, {row['ci95'][1]:.3f}]" in words
    for name, row in target["selection"]["per_speaker"].items():
        assert f"{name} {row['uar']:.3f}" in words
    apart = target["controls"]["control"]["difference"]
    assert f"{apart['uar']:+.3f}".replace("-", "−") in words
    for check in found.metrics["audit"]["checks"]:
        assert check["detail"] in words
    for fitted in found.metrics["audit"]["fitted"]:
        assert fitted["where"] in words
    assert "python -m classify probe --cache 'a b.h5'" in words
    assert found.metrics["fingerprint"] in words
    assert "b" not in page.tags[: page.tags.index("h1") + 1]
    assert "Probe of <b>m" in words


def test_the_similarities_are_in_the_json(made):
    place, _, _ = made
    similarity = json.loads((place / "probe.json").read_text())["similarity"]
    assert np.allclose(np.diag(similarity["layers"]["cka"]), 1, atol=1e-5)
    assert similarity["against"]["encoders"] == ["<b>m", "untrained control (<b>m)"]
    assert similarity["against"]["utterances"] == similarity["against"]["of"] == 108


def test_another_cache_without_the_utterances_is_refused_at_once(tmp_path):
    cache = make(tmp_path, "a.h5", 0)
    from data.cache import Cache
    from data.cache.writer import write_cache

    with Cache(cache) as read:
        columns = {name: column.tolist() for name, column in read.utterances.items()}
        columns["id"] = [f"tess/{n}" for n in range(len(read))]
        write_cache(tmp_path / "o.h5", read.recipe, columns, {"mean": read.embeddings()},
                    baselines={"energy": read.baseline("energy")})  # fmt: skip
    with pytest.raises(UsageError, match="has 0 of the 108 utterances"):
        probe(ProbeOptions(cache=cache, against=tmp_path / "o.h5"))


def test_a_quick_probe_draws_the_curves_alone(made, tmp_path):
    cache = made[2].cache
    shutil.copytree(made[0], tmp_path / "run")  # figures of an older run are not left beside it
    code = f"""
import sys
from classify.commands import COMMANDS
from importlib import import_module
main = import_module(COMMANDS["probe"][0]).main
main(["--cache", {str(cache)!r}, "--quick", "--head", "lda", "--out", {str(tmp_path / "run")!r}])
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    written = sorted(p.name for p in (tmp_path / "run").iterdir() if p.suffix in (".png", ".svg"))
    assert written == ["curves.png", "curves.svg"]
    page = Page((tmp_path / "run" / "report.html").read_text())
    assert sum(value.startswith("data:") for _, _, value in page.references) == 1


CLICKS = """
<script>
const heads = [...document.querySelectorAll("#TABLE th button")];
const rows = () => [...document.querySelectorAll("#TABLE tbody tr")];
const column = n => rows().map(row => row.cells[n].textContent.trim());
const seen = [column(NUMBER)];
for (let n = 0; n < 2; n++) { heads[NUMBER].click(); seen.push(column(NUMBER)); }
document.title = JSON.stringify([...seen, heads[NUMBER].parentNode.getAttribute("aria-sort")]);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_click_sorts_in_a_real_browser(made, tmp_path, number):
    text = (made[0] / "report.html").read_text()
    before, title, after = text.partition('<h2 id="emotion-layer-by-layer">')
    after = after.replace('<table class="sort">', '<table class="sort" id="first">', 1)
    text = before + title + after
    script = CLICKS.replace("#TABLE", "#first").replace("NUMBER", str(number))
    (tmp_path / "page.html").write_text(text.replace("</body>", script + "</body>"))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/u",
         "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL).group(1)
    before, once, twice, state = json.loads(title.replace("&amp;", "&"))

    def key(cell):
        lead = re.match(r"[+−-]?[0-9.]+", cell)
        return (0, float(lead.group().replace("−", "-")), "") if lead else (1, 0.0, cell)

    assert sorted(before) == sorted(once)
    assert [key(cell) for cell in once] == sorted(map(key, before))
    assert [key(cell) for cell in twice] == sorted(map(key, before), reverse=True)
    assert state == "descending"


def test_published_scores_stand_only_beside_their_own_corpus():
    layers = range(13)
    for anchor in ANCHORS:
        assert anchor in fitting([anchor.corpus], "emotion", anchor.classes, layers)
        assert fitting([anchor.corpus, "tess"], "emotion", anchor.classes, layers) == []
        assert fitting([anchor.corpus], "speaker", anchor.classes, layers) == []
    assert fitting(["crema-d"], "emotion", 6, layers) == []
    assert fitting(["iemocap"], "emotion", 8, layers) == []
    assert fitting(["emodb"], "emotion", 7, range(5)) == []  # that of layer 5
