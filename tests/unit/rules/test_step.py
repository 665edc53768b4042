"""A rule that looks at the whole lane: measured on every tensor, concluded once, applied to every tensor."""

import torch

from ravine.rules import Citation, Hyper, Rule, Slot
from ravine.rules._step import Part, step_lane


class Normalised(Rule):
    """Steps of length lr over all tensors, with the largest norm so far and a count of steps a tensor."""

    name = "normalised"
    citation = Citation("nobody", 2000, "nothing")
    hypers = (Hyper("lr", 1.0, 0.0, 9.0, ""),)
    slots = (Slot("n", "n", shape=lambda shape: ()), Slot("largest", "largest", of_lane=True))

    def scalars(self, h, t):
        return {"lr": h.lr}

    def measure(self, p, g, s, c):
        return {"square": (g * g).sum()}, {"n": s.n + 1.0 + 0.0 * c.largest}

    def conclude(self, sums, o, c):
        norm = sums.square.sqrt()
        return {"largest": o.largest.maximum(norm)}, {"step": c.lr / norm}

    def update(self, p, g, s, c):
        return -c.step * g, {}


def parts():
    rule = Normalised()
    return [Part(rule, torch.zeros(2), torch.tensor(g), {"n": torch.zeros(())}, {"lr": 2.0}) for g in ([3.0, 0.0], [0.0, 4.0])]


def test_sums_run_over_all_tensors_of_the_lane():
    changes, lane = step_lane(parts(), {"largest": torch.tensor(1.0)})
    deltas = [delta.tolist() for delta, _ in changes]
    assert deltas == [[-1.2000000476837158, 0.0], [0.0, -1.600000023841858]]
    assert [state["n"].item() for _, state in changes] == [1.0, 1.0]
    assert lane["largest"].item() == 5.0


def test_the_lanes_own_state_is_carried_on():
    assert step_lane(parts(), {"largest": torch.tensor(7.0)})[1]["largest"].item() == 7.0
    assert step_lane([], {"largest": torch.tensor(7.0)}) == ([], {"largest": torch.tensor(7.0)})


def test_what_a_rule_overrides_tells_the_drivers_what_it_needs():
    rule = Normalised()
    assert not rule.is_plain
    assert not rule.is_averaging
    assert [slot.symbol for slot in rule.active_slots] == ["n"]
    assert [slot.symbol for slot in rule.lane_slots] == ["largest"]
    assert rule.at(3, None) is rule
    assert rule.part("matrix") is rule
