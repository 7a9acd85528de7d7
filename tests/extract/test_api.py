"""The Python interface of the package, which imports torch only when it is used."""

import subprocess
import sys

import numpy as np
import pytest
import transformers

import extract
from data import Cache
from data.errors import EncoderError


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, extract\n"
        "assert callable(extract.extract) and callable(extract.untrained_model)\n"
        "assert {'torch', 'transformers', 'numpy'}.isdisjoint(sys.modules)\n"
        "extract.Embedder\n"
        "assert {'torch', 'transformers'}.isdisjoint(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_extract_fills_a_cache_and_the_embedder_agrees(folder_corpus, utterances, tmp_path):
    found, cache = utterances(folder_corpus(4)), tmp_path / "c.h5"
    request = extract.Request(engine="torch")
    summary = extract.extract(found[:3], cache, "untrained:tiny", request)
    assert (summary.embedded, summary.cached, summary.total) == (3, 0, 3)
    summary = extract.extract(found, cache, "untrained:tiny")
    assert (summary.embedded, summary.cached, summary.total) == (1, 3, 4)
    with Cache(cache) as packed:
        assert summary.recipe == packed.recipe
        embedder = extract.Embedder.from_recipe(packed.recipe)
        for result in embedder(found):
            expected = packed[result.utterance.id]
            error = np.linalg.norm(result.layers["mean"] - expected)
            assert error < 1e-5 * np.linalg.norm(expected)


def test_an_untrained_model_is_a_plain_transformers_model():
    assert isinstance(extract.untrained_model("untrained:tiny"), transformers.Wav2Vec2Model)
    with pytest.raises(EncoderError, match="no model 'untrained:huge'"):
        extract.untrained_model("untrained:huge")
