"""Float64 parity with optax and timm where they agree, and with transcriptions of the papers: 60 steps, changing lr, two groups."""

import pytest

from cases import CASES
from oracles import TOLERANCE, WEIGHTS_APART, from_weights_apart, has


def rows(kind):
    return pytest.mark.parametrize("case", [case for case in CASES if getattr(case, WEIGHTS_APART[kind])], ids=lambda case: case.id)


@rows("paper")
def test_equals_the_paper(case):
    assert from_weights_apart(case, "paper") <= TOLERANCE


@rows("optax")
@pytest.mark.skipif(not (has("jax") and has("optax")), reason="jax or optax is not installed")
def test_equals_optax(case):
    assert from_weights_apart(case, "optax") <= TOLERANCE


@rows("timm")
@pytest.mark.skipif(not has("timm"), reason="timm is not installed")
def test_equals_timm(case):
    assert from_weights_apart(case, "timm") <= TOLERANCE


def test_every_rule_has_two_oracles():
    oracles = {}
    for case in CASES:
        found = {kind for kind in ("torch_class", "optax", "reference", "timm") if getattr(case, kind)} | set(case.whole)
        oracles[case.rule.name] = oracles.get(case.rule.name, set()) | found
    assert all(len(found) >= 2 for found in oracles.values()), oracles
