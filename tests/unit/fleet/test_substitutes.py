"""Each substitute against the operation that it stands for, and under vmap against each lane alone."""

import warnings

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from ravine.fleet.substitutes import stackable_operations

LANES = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TOKENS, WEIGHTS = torch.tensor([[0, 1, 2], [3, 3, 0]]), torch.tensor([[1.0, 2.0, 0.5]] * 2, dtype=torch.float64)


def attention(x):
    q = x.unflatten(-1, (2, 3)).transpose(0, 1)
    return F.scaled_dot_product_attention(q, q, q, is_causal=True)


def normalised(x):
    F.normalize(x * 2, dim=1, out=x)
    return x


def reflected(x):
    return torch.linalg.householder_product(x.mT, x[:, 0])


OPERATIONS = {
    "weight norm by rows": lambda x: torch._weight_norm(x, x[:, :1].abs() + 1, 0),
    "weight norm by columns": lambda x: torch._weight_norm(x, x[:1].abs() + 1, 1),
    "weight norm as a whole": lambda x: torch._weight_norm(x, x[0, 0], -1),
    "normalize": lambda x: F.normalize(x, dim=1),
    "normalize into a tensor": lambda x: normalised(x.clone()),
    "householder product": reflected,
    "bag, mean": lambda x: F.embedding_bag(TOKENS, x),
    "bag, sum": lambda x: F.embedding_bag(TOKENS, x, mode="sum"),
    "bag, weighted": lambda x: F.embedding_bag(TOKENS, x, mode="sum", per_sample_weights=WEIGHTS),
    "attention": attention,
    "dropout": lambda x: F.dropout(x, 0.4),
    "dropout of a transposed tensor": lambda x: F.dropout(x.mT, 0.4),
    "dropout of three dimensions in another order": lambda x: F.dropout(x.view(4, 2, 3).permute(1, 2, 0), 0.4),
    "dropout of nothing": lambda x: F.dropout(x, 0.4, training=False),
    "dropout of everything": lambda x: F.dropout(x, 1.0),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_substitute_equals_its_operation_and_each_lane_of_a_stack(operation):
    def seeded(run, x):
        torch.manual_seed(0)
        return run(x)

    alone = torch.stack([seeded(operation, lane) for lane in LANES])
    with stackable_operations():
        written = torch.stack([seeded(operation, lane) for lane in LANES])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a slow rule of torch's warns
            stacked = seeded(vmap(operation, randomness="same"), LANES)
    torch.testing.assert_close(written, alone, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(stacked, alone, rtol=1e-12, atol=1e-13)


def test_dropout_in_place_stays_in_place():
    x = torch.ones(100)
    with stackable_operations():
        assert F.dropout(x, 0.5, inplace=True) is x
    assert not bool((x == 1).any())


@pytest.mark.parametrize("settings", [{"offsets": torch.tensor([0, 2])}, {"padding_idx": 0}, {"mode": "max"}, {"max_norm": 0.5}], ids=str)
def test_bags_of_other_kinds_are_left_to_torch(settings):
    tokens = TOKENS.flatten() if "offsets" in settings else TOKENS
    weight = LANES[0].clone()
    expected = F.embedding_bag(tokens, weight.clone(), **settings)
    with stackable_operations():
        assert torch.equal(F.embedding_bag(tokens, weight, **settings), expected)


def test_many_reflectors_are_left_to_torch():
    a = torch.randn(300, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 300
    tau = torch.full((300,), 0.5, dtype=torch.float64)
    expected = torch.linalg.householder_product(a, tau)
    with stackable_operations():
        assert torch.equal(torch.linalg.householder_product(a, tau), expected)


def test_the_callers_choice_of_attention_stays():
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    with stackable_operations():
        assert not torch.backends.cuda.flash_sdp_enabled()
        nn.MultiheadAttention(6, 2)(LANES[0].float(), LANES[0].float(), LANES[0].float())
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()) == before
