import pytest
import torch
from torch import nn

from ravine.doctor.edits import Edits, is_edited


def followed(edit, steps=6):
    """At which steps an edit between them is seen."""
    p = nn.Parameter(torch.ones(3))
    edits, seen = Edits([p]), []
    for step in range(steps):
        if edits.found():
            seen.append(step)
        with torch.no_grad():
            p.mul_(0.9)
        edits.mark()
        edit(p, step)
    return seen


def test_nothing_is_seen_where_nothing_is_edited():
    assert followed(lambda p, step: None) == []


def scaled(p, step):
    with torch.no_grad():
        p.mul_(0.5)


def replaced(p, step):
    p.data = p.data + 1


def swapped(p, step):
    with torch.no_grad():
        kept = p.clone()
        p.zero_()
        p.copy_(kept)


@pytest.mark.parametrize("edit", [scaled, replaced])
def test_edits_are_seen_after_a_first_suspicion(edit):
    assert followed(edit) == [2, 3, 4, 5]


def test_values_that_are_swapped_back_are_no_edit():
    assert followed(swapped) == []


def test_no_parameter_is_followed_where_there_is_none():
    edits = Edits([])
    edits.mark()
    assert not edits.found()


@pytest.mark.parametrize(
    ("new", "expected"), [(torch.ones(3), False), (1.0005 * torch.ones(3), False), (1.01 * torch.ones(3), True), (torch.ones(4), True)]
)
def test_rounding_is_no_edit(new, expected):
    assert is_edited(torch.ones(3), new) is expected
