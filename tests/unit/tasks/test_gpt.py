import math

import pytest
import torch

from ravine.tasks import metrics
from ravine.tasks.chars import token_cross_entropy
from ravine.tasks.gpt import GPT
from ravine.tasks.kinds import parameter_kinds


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return GPT(11, layers=2, heads=2, width=16, context=8)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(11, (3, 8), generator=torch.Generator().manual_seed(1))


def test_no_place_sees_a_later_one(model, tokens):
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).any(-1).all()


def test_attention_is_the_formula(model):
    attention = model.blocks[0].attention
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(2))
    query, key, value = (x @ part.T for part in attention.query_key_value.weight.split(16))
    heads = []
    for head in (slice(0, 8), slice(8, 16)):
        scores = query[..., head] @ key[..., head].mT / math.sqrt(8)
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        heads.append(scores.softmax(-1) @ value[..., head])
    torch.testing.assert_close(attention(x), torch.cat(heads, -1) @ attention.out.weight.T, rtol=1e-5, atol=1e-6)


def test_a_shorter_text_gives_the_same_logits(model, tokens):
    torch.testing.assert_close(model(tokens[:, :3]), model(tokens)[:, :3], rtol=1e-5, atol=1e-6)


def test_first_weights_and_the_shared_table():
    torch.manual_seed(0)
    model = GPT(300, layers=8, heads=4, width=64, context=32)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            expected = 0.02 / 4 if name.endswith("out.weight") else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
    assert sum(kind == "lookup" for kind in parameter_kinds(model).values()) == 2
    assert not any("head" in name for name, _ in model.named_parameters())
    # Near a uniform guess, so that the first steps have nothing to unlearn.
    target = torch.randint(300, (4, 32))
    assert token_cross_entropy(model(target), target.flip(0)).item() == pytest.approx(math.log(300), rel=0.02)


def test_bits_are_the_loss_in_another_unit(model, tokens):
    output = model(tokens)
    assert metrics.bits_per_symbol(output, tokens).item() == pytest.approx(token_cross_entropy(output, tokens).item() / math.log(2))
