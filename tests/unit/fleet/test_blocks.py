"""Parameters laid end to end, and cut apart when some have no gradient."""

import pytest
import torch
from torch import nn

from ravine.fleet.blocks import lay_out, restore_blocks, save_blocks, separate
from ravine.rules import resolve


def parameters():
    return [nn.Parameter(torch.full(shape, float(index))) for index, shape in enumerate([(2, 3), (), (4,), (0, 2)])]


KINDS = ["matrix"] * 4


def test_an_element_rule_gets_one_block_and_the_parameters_are_views_of_it():
    given = parameters()
    (block,) = lay_out(given, *resolve("adam", {"lr": 0.1}), KINDS)
    assert block.members == [0, 1, 2, 3]
    block.storage.fill_(7.0)
    assert all((p == 7.0).all() for p in given)
    assert {slot.shape for slot in block.slots.values()} == {block.storage.shape}


def test_a_rule_that_looks_at_whole_tensors_gets_a_block_a_parameter():
    given = parameters()
    rule, hypers = resolve("adam", {"lr": 0.1})
    rule.granularity = "tensor"
    blocks = lay_out(given, rule, hypers, KINDS)
    assert [block.members for block in blocks] == [[0], [1], [2], [3]]
    assert [block.storage.shape for block in blocks] == [p.shape for p in given]


def test_a_block_is_cut_where_gradients_are_missing_and_keeps_values_slots_and_age():
    given = parameters()
    (block,) = lay_out(given, *resolve("adam", {"lr": 0.1}), KINDS)
    block.age = 5
    for slot in block.slots.values():
        slot.copy_(torch.arange(11.0))
    assert separate(block, given, [True] * 4) == [block]
    kept, missing = separate(block, given, [True, False, True, False])
    assert (kept.members, missing.members, kept.age, missing.age) == ([0, 2], [1, 3], 5, 5)
    assert kept.storage.tolist() == [0.0] * 6 + [2.0] * 4
    assert [slot.tolist() for slot in missing.slots.values()] == [[6.0]] * len(block.slots)
    kept.storage.fill_(9.0)
    assert [float(p.detach().sum()) for p in given] == [54.0, 1.0, 36.0, 0.0]


@pytest.mark.parametrize("granularity", ["element", "tensor"])
def test_blocks_are_restored_however_they_were_cut(granularity):
    given, fresh = parameters(), parameters()
    rule, hypers = resolve("adam", {"lr": 0.1})
    rule.granularity = granularity
    blocks = lay_out(given, rule, hypers, KINDS)
    if granularity == "element":
        blocks = separate(blocks[0], given, [True, False, True, False])
    for age, block in enumerate(blocks):
        block.storage.add_(10.0)
        block.age = age
        for slot in block.slots.values():
            slot.fill_(age + 0.5)
    saved = {name: tensor.clone() for name, tensor in save_blocks(blocks).items()}
    lay_out(fresh, rule, hypers, KINDS)
    restored = restore_blocks(fresh, rule, saved)
    assert [(block.members, block.age) for block in restored] == [(block.members, block.age) for block in blocks]
    assert all(torch.equal(p, q) for p, q in zip(given, fresh, strict=True))
    assert all(
        torch.equal(block.slots[name], slot) for old, block in zip(blocks, restored, strict=True) for name, slot in old.slots.items()
    )
    restored[0].storage.fill_(3.0)
    assert all((fresh[index] == 3.0).all() for index in restored[0].members), "the parameters are views again"
    assert float(saved["block.0.values"].max()) != 3.0
