import pickle
from types import SimpleNamespace as N

import pytest
import torch

from ravine.base.errors import InputError
from ravine.rules import REGISTRY, Slot, get, resolve
from ravine.rules._rule import Rule
from ravine.rules._wrapping import GRAINS, Wrapper, wrap, wrap_all
from ravine.rules.cautious import Cautious
from ravine.rules.centralised import Centralised
from ravine.rules.lookahead import Lookahead
from ravine.rules.sgd import SGD


class Refreshing(Rule):
    """A rule with everything that a rule can have of its own."""

    name = "refreshing"
    citation = SGD.citation
    hypers = SGD.hypers[:1]
    flags = SGD.flags[:1]
    slots = (Slot("m", "m"), Slot("o", "o", of_lane=True))
    granularity = "matrix"

    def at(self, t, h):
        return self._with(buffered=t % 2 == 0)

    def part(self, kind):
        return self._with(buffered=kind == "matrix")

    def scalars(self, h, t):
        return {"lr": h.lr}

    def measure(self, p, g, s, c):
        return {"total": g.sum()}, {}

    def conclude(self, sums, o, c):
        return {"o": sums.total}, {"scale": sums.total}

    def update(self, p, g, s, c):
        return -c.lr * g, {"m": s.m}


def test_the_same_wrapper_and_rule_give_the_same_class():
    assert wrap(Lookahead, SGD) is wrap(Lookahead, SGD)
    assert wrap_all(SGD, [Lookahead, Cautious]).layers == (Lookahead, Cautious)


def test_what_a_core_has_of_its_own_is_handed_on_and_nothing_else():
    around = wrap(Centralised, Refreshing)()
    assert around.granularity == "matrix"
    assert around.at(2, N()).on("buffered")
    assert around.at(2, N()).core.on("buffered")
    assert not around.at(3, N()).on("buffered")
    assert around.part("matrix").on("buffered")
    assert around.conclude(N(total=3.0), N(), N()) == ({"o": 3.0}, {"scale": 3.0})
    assert [slot.symbol for slot in around.lane_slots] == ["o"]
    plain = wrap(Lookahead, SGD)()
    assert plain.is_plain
    assert not plain.is_averaging
    assert plain.at(1, N()) is plain


def test_a_core_measures_the_gradient_that_it_gets():
    g = torch.tensor([[1.0, 3.0]])
    assert wrap(Centralised, Refreshing)().measure(g, g, N(), N())[0]["total"] == 0.0


@pytest.mark.parametrize("name", ["momentum+lookahead", "adamw+clip+ema", "adam+centralised+cautious"])
def test_rules_are_pickled_with_their_flags(name):
    rule, _ = resolve(name, {"amsgrad": True} if name.startswith("adam+") else {})
    twin = pickle.loads(pickle.dumps(rule))
    assert type(twin) is type(rule)
    assert twin.key == rule.key
    assert twin.core.key == rule.core.key


def test_the_coarser_granularity_counts():
    assert wrap(Cautious, SGD).granularity == "tensor"
    assert wrap(Lookahead, wrap(Cautious, SGD)).granularity == "tensor"
    assert GRAINS[-1] == "matrix"


@pytest.mark.parametrize("name", REGISTRY)
def test_decay_apart_and_the_rest_add_up_to_the_change(name):
    """Or the mask of a cautious rule would spare or double a decay."""
    try:
        rule = resolve(f"{name}+cautious", {})[0]
    except InputError:
        return
    generator = torch.Generator().manual_seed(0)
    p, g = (torch.rand(4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    others = {"weight_decay": 0.3, "l2": 0.3, "adam_lr_ratio": 0.5}
    hypers = get(name).defaults | {key: value for key, value in others.items() if key in get(name).defaults}
    switches = {flag.name: True for flag in rule.flags if flag.of and flag.of in ("weight_decay", "l2")}
    for decoupled, kind in ((False, "matrix"), (True, "matrix"), (True, "vector")):
        flags = switches | {flag.name: decoupled for flag in rule.flags if flag.name in ("decoupled", "decoupled_weight_decay")}
        around = rule._with(**flags).part(kind)
        core = around.core
        h = N(**hypers, peak_lr=hypers["lr"])
        s = {slot.symbol: torch.rand(slot.shape_for(p.shape), generator=generator, dtype=torch.float64) for slot in core.active_slots}
        lane = {slot.symbol: torch.ones((), dtype=torch.float64) for slot in core.lane_slots}
        c = core.scalars(h, 3)
        terms, fresh = core.measure(p, g, N(**s), N(**c, **lane))
        _, extra = core.conclude(N(**terms), N(**lane), N(**c))
        s, c = N(**{**s, **fresh}, curvature=g), N(**{**c, **extra})
        delta, _ = core.update(p, g, s, c)
        rest, decay, _ = around.update_apart(p, g, s, c)
        torch.testing.assert_close(rest + decay, delta, rtol=1e-12, atol=1e-14)


def test_a_wrapper_needs_a_core():
    assert issubclass(wrap(Lookahead, SGD), Wrapper)
