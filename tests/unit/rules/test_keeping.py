"""What can be kept narrow, held to the drop-in classes."""

import inspect

import pytest

from ravine.optim.creating import CLASSES
from ravine.optim.wrapped import Wrapped
from ravine.rules import get, names
from ravine.rules._keeping import BLOCK, SMALLEST, is_blockwise, takes_storage

CHAINS = ("adamw+clip", "muon+cautious", "lamb+lookahead")


@pytest.mark.parametrize("name", [*names(), *CHAINS])
def test_what_takes_storage_is_what_its_class_takes(name):
    kind = CLASSES.get(get(name).rule, Wrapped)
    assert takes_storage(name) == (kind is Wrapped or "storage" in inspect.signature(kind).parameters)


@pytest.mark.parametrize(
    ("numel", "expected"), [(SMALLEST, True), (SMALLEST - BLOCK, False), (SMALLEST + 1, False), (SMALLEST + BLOCK, True)]
)
def test_whole_blocks_of_tensors_that_are_worth_it(numel, expected):
    assert is_blockwise(numel) is expected
