"""The dropout of fine-tuning has the distribution and the gradients of torch's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from finetune.network import Dropout, replace_dropouts


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_rest_is_scaled(p):
    torch.manual_seed(0)
    found = Dropout(p).train()(torch.ones(1000, 1001))
    kept = found[found != 0]
    share = 1 - len(kept) / found.numel()
    assert abs(share - p) < 5 * (p * (1 - p) / found.numel()) ** 0.5 + 2**-16
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-3, atol=0)


def test_elements_are_dropped_independently():
    torch.manual_seed(1)
    dropped = (Dropout(0.3).train()(torch.ones(4000, 64)) == 0).double()
    correlation = torch.corrcoef(dropped.T) - torch.eye(64)
    assert float(correlation.abs().max()) < 0.1
    assert float((dropped.mean(0) - 0.3).abs().max()) < 0.05  # also within a random word


@given(st.integers(1, 99), st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_gradients_are_those_of_the_mask(size, p, training):
    values = torch.randn(size, requires_grad=True)
    found = Dropout(p).train(training)(values)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    torch.testing.assert_close(found, values * gradient)
    if not training:
        assert torch.equal(found, values)


def test_a_seed_gives_the_same_mask():
    dropout, values = Dropout(0.2).train(), torch.randn(7, 13)
    torch.manual_seed(3)
    one = dropout(values)
    torch.manual_seed(3)
    assert torch.equal(dropout(values), one)
    assert not torch.equal(dropout(values), one)


def test_all_dropouts_of_a_module_are_replaced():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.4)), nn.Dropout(0.1))
    replace_dropouts(module)
    assert [type(module[1][0]), type(module[2])] == [Dropout, Dropout]
    assert [module[1][0].p, module[2].p] == [0.4, 0.1]
