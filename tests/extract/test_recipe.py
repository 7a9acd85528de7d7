import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cache.recipe import canonical, differences, fingerprint
from data.errors import UsageError
from extract.encoders.identity import Identity
from extract.recipe import Request, describe, parse_layers

values = st.none() | st.text() | st.integers() | st.lists(st.integers()) | st.booleans()
recipes = st.dictionaries(st.text(), values)


@given(recipes, recipes)
def test_equal_recipes_and_only_they_have_equal_fingerprints(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (canonical(one) == canonical(other))
    assert fingerprint(dict(reversed(one.items()))) == fingerprint(one)


@given(recipes)
def test_a_recipe_does_not_differ_from_itself(recipe):
    assert differences(recipe, dict(recipe)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("all", [0, 1, 2, 3]), ("0-2", [0, 1, 2]), ("3,1", [1, 3]), ("0,2-3,2", [0, 2, 3])],
)
def test_layers(text, expected):
    assert parse_layers(text, depth=3) == expected


@pytest.mark.parametrize("text", ["", "4", "0-4", "a", "1-", "-1", "2-1", "1;2"])
def test_layers_that_make_no_sense(text):
    with pytest.raises(UsageError, match="layers"):
        parse_layers(text, depth=3)


@pytest.mark.parametrize(
    "wrong",
    [{"pooling": ()}, {"pooling": ("median",)}, {"pooling": ("mean", "mean")},
     {"sequence": 0.0}, {"sequence": 51.0}, {"precision": "float16"}, {"precision": "auto"}],
)  # fmt: skip
def test_requests_that_make_no_sense(wrong):
    with pytest.raises(UsageError, match="expected"):
        Request(**wrong)


def test_no_more_steps_than_frames():
    sizes = ((400, 320),)
    squeezed = Identity("a", None, "", False, True, None, "sew", "", 3, sizes, squeeze=2)
    assert describe(squeezed, Request(sequence=25.0), "torch")["sequence_rate"] == 25
    with pytest.raises(UsageError, match="--sequence 26: this encoder has 25 frames per second"):
        describe(squeezed, Request(sequence=26.0), "torch")


def test_a_request_fits_itself_to_a_cache_that_has_more():
    recipe = {"precision": "bfloat16", "pooling": ["mean", "std"], "engine": "torch"}
    assert Request(pooling=("std",)).fitted_to(recipe).pooling == ("mean", "std")
    assert Request(pooling=("max",)).fitted_to(recipe).pooling == ("max",)
    assert Request(pooling=("mean", "std", "max")).fitted_to(recipe).pooling[-1] == "max"
    assert Request().fitted_to(recipe).precision == "bfloat16"
    assert Request(precision="float32").fitted_to(recipe).precision == "float32"
    assert Request().fitted_to(recipe).engine == "torch"
    assert Request(engine="openvino").fitted_to(recipe).engine == "openvino"


def test_a_request_fits_itself_to_a_cache_of_before_there_were_baselines():
    recipe = {"precision": "float32", "pooling": ["mean"], "engine": "torch"}
    assert Request().fitted_to(recipe).baselines == ()
    assert Request().fitted_to(recipe | {"baselines": {"energy": "…"}}).baselines == ("energy",)
