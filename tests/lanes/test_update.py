"""The lanes driver of rules gives every lane the bits of the rule run alone with Python numbers."""

from types import SimpleNamespace

import pytest
import torch

from cases import CASES
from ravine.fleet import Lane
from ravine.fleet.lanes import group_lanes
from ravine.fleet.stacking import LANE, Replicas, compute_dtype, new_slots
from ravine.fleet.stepping import propose, update_lanes
from ravine.rules import Citation, Hyper, Rule, Slot, resolve
from ravine.rules._step import Part, step_lane
from ravine.schedules import create

SHAPES = ((), (7,), (3, 5), (2, 1, 3), (0, 2))
FACTORS = (1.0, 0.3, 2.0)
STEPS, HORIZON = 50, 60


class NormScaled(Rule):
    """Gradient over its own norm plus a running norm: a rule that looks at a whole tensor."""

    name = "norm_scaled"
    citation = Citation("nobody", 2024, "a rule for tests")
    hypers = (Hyper("lr", 0.1, 0.0, 1.0, "rate"), Hyper("keep", 0.9, 0.0, 1.0, "share kept"))
    slots = (Slot("n", "norm"),)
    granularity = "tensor"

    def scalars(self, h, t):
        return {"lr": h.lr, "keep": h.keep}

    def update(self, p, g, s, c):
        n = c.keep * s.n + (g * g).sum().sqrt()
        return -c.lr * g / (n + 1e-8), {"n": n}


def case_lanes(case):
    """Three lanes of a case that differ in rate and in every hyper that may be moved without leaving its interval."""
    rule, hypers = resolve(case.name, case.settings)
    return [
        Lane(
            number,
            rule,
            hypers | {"lr": hypers["lr"] * factor} | {key: hypers[key] * 0.9**number for key in hypers if key.startswith("beta")},
            create("cosine"),
        )
        for number, factor in enumerate(FACTORS)
    ]


def is_exact(rule):
    """What looks at whole tensors sums in another order under vmap; only rules that work element by element keep their bits."""
    return rule.is_plain and rule.granularity == "element"


def compare(members, dtype, shapes=SHAPES, steps=STEPS):
    """Run the stacked and the single driver side by side and compare every bit."""
    (group,), generator = group_lanes(members), torch.Generator().manual_seed(5)
    limit = 0.0 if is_exact(group.rule) else {torch.float64: 1e-9, torch.float32: 2e-3, torch.bfloat16: 5e-2}[dtype]

    def check(found, wanted, where):
        torch.testing.assert_close(found, wanted, rtol=limit, atol=limit, msg=lambda text: f"{where}: {text}")

    stacks = {str(shape): torch.randn(len(members), *shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes}
    kinds = {str(shape): "matrix" if len(shape) > 1 else "vector" for shape in shapes}
    state = Replicas(stacks, {}, [new_slots(group, stacks, kinds)])
    alone = [{name: stack[lane.number].clone() for name, stack in stacks.items()} for lane in members]
    slots = [
        {symbol: {name: stack[lane.number].clone() for name, stack in held.items()} for symbol, held in state.slots[0].items()}
        for lane in members
    ]
    rows = group.scalars(0, steps, HORIZON)
    for step in range(steps):
        gradients = {name: torch.randn(stack.shape, generator=generator, dtype=torch.float64).to(dtype) for name, stack in stacks.items()}
        packed = {name: torch.from_numpy(values[step].copy()).to(compute_dtype(stacks[str(shapes[0])])) for name, values in rows.items()}
        state = propose([group], state, gradients, [packed], kinds=kinds, rules=[group.rule.at(step + 1, SimpleNamespace(**group.hypers))])
        for lane in members:
            rates = {"lr": lane.hypers["lr"] * lane.schedule(step, HORIZON), "peak_lr": lane.hypers["lr"]}
            scalars = lane.rule.scalars(SimpleNamespace(**lane.hypers | rates), step + 1)
            own = slots[lane.number]
            parts = [
                Part(
                    lane.rule.at(step + 1, SimpleNamespace(**lane.hypers)).part(kinds[name]),
                    p.to(compute_dtype(p)),
                    gradients[name][lane.number].to(compute_dtype(p)),
                    {symbol: held[name] for symbol, held in own.items() if name in held},
                    scalars,
                )
                for name, p in alone[lane.number].items()
            ]
            changes, after = step_lane(parts, {slot.symbol: own[slot.symbol][LANE] for slot in lane.rule.lane_slots})
            for name, part, (delta, new) in zip(list(alone[lane.number]), parts, changes, strict=True):
                alone[lane.number][name] = (part.p + delta).to(dtype)
                for symbol, value in new.items():
                    own[symbol][name] = value
            for symbol, value in after.items():
                own[symbol][LANE] = value
    moved = False
    for lane in members:
        for name, p in alone[lane.number].items():
            check(state.parameters[name][lane.number], p, f"{name}, lane {lane.number}")
            assert state.parameters[name].dtype == dtype
            moved |= not torch.equal(p, stacks[name][lane.number])
        for symbol, tensors in slots[lane.number].items():
            for name, tensor in tensors.items():
                check(state.slots[0][symbol][name][lane.number], tensor, f"{symbol} of {name}, lane {lane.number}")
    assert moved


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES if not case.rule.needs])
def test_stacked_update_has_the_bits_of_the_single_one(case, dtype):
    members = case_lanes(case)
    if is_exact(members[0].rule):
        compare(members, dtype, steps=STEPS if dtype != torch.bfloat16 else 10)
    else:
        # Square matrices: eigenvectors of a Gram that lacks rank are not unique, and any of them is right.
        compare(members, dtype, shapes=((4, 4), (3, 3)) if members[0].rule.granularity == "matrix" else ((), (7,), (4, 4)), steps=6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_rule_that_reads_a_whole_tensor_keeps_its_norms_per_lane(dtype):
    rule = NormScaled()
    members = [Lane(number, rule, {"lr": 0.1 * factor, "keep": 0.5}, create("constant")) for number, factor in enumerate(FACTORS)]
    g = torch.randn(3, 4, 5, dtype=dtype)
    c = {"lr": torch.full((3,), 0.1, dtype=dtype), "keep": torch.zeros(3, dtype=dtype)}
    delta, state = update_lanes(rule, g, g, {"n": torch.zeros(3, dtype=dtype)}, c)
    assert delta.flatten(1).norm(dim=1).tolist() == pytest.approx([0.1] * 3, rel=1e-6)
    assert state["n"].shape == (3,)
    for lane in members:
        one, own = rule.update(
            g[lane.number], g[lane.number], SimpleNamespace(n=torch.zeros((), dtype=dtype)), SimpleNamespace(lr=0.1, keep=0.0)
        )
        torch.testing.assert_close(delta[lane.number], one, rtol=1e-6, atol=0)
        torch.testing.assert_close(state["n"][lane.number], own["n"], rtol=1e-6, atol=0)


def test_a_float32_parameter_beside_a_float64_one_keeps_its_dtype_and_bits():
    rule, hypers = resolve("adam", {})
    (group,) = group_lanes([Lane(number, rule, hypers, create("constant")) for number in range(2)])
    narrow, wide = torch.randn(2, 6), torch.randn(2, 6, dtype=torch.float64)
    scalars = {name: torch.from_numpy(values[0].copy()) for name, values in group.scalars(0, 1, 10).items()}

    def step(parameters, packed):
        gradients = {name: torch.ones_like(p) for name, p in parameters.items()}
        kinds = dict.fromkeys(parameters, "vector")
        return propose([group], Replicas(parameters, {}, [new_slots(group, parameters, kinds)]), gradients, [packed], kinds=kinds)

    mixed = step({"narrow": narrow, "wide": wide}, scalars)
    alone = step({"narrow": narrow}, {name: value.float() for name, value in scalars.items()})
    assert mixed.slots[0]["m"]["narrow"].dtype == torch.float32
    assert torch.equal(mixed.parameters["narrow"], alone.parameters["narrow"])
