"""Every row that has native code: within rounding of the reference, with gradients that come and go, rates that change, and resumed."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cases import CASES
from ravine import optim
from ravine.fleet.native import toolchain
from streams import give_gradients, parameters, rate, same, train, values

pytestmark = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")

LIMITS = {torch.float32: 3e-7, torch.float64: 1e-12}
SHAPES = ((4, 3), (5,), (0, 2))
USUAL = ("adamw", "lion", "lamb", "lars", "adafactor", "prodigy", "dadapt_adam", "schedule_free_adamw")
"""Rows that are built by default; every other takes seconds of a compiler on a fresh machine."""


def rows(names=USUAL):
    served = [case for case in CASES if case.rule.granularity != "matrix"]
    return [pytest.param(case, id=case.id, marks=() if case.id in names else pytest.mark.slow) for case in served]


def rows_and_dtypes(narrow=("adamw", "lamb", "prodigy")):
    """Every row in float64, where differences cannot hide; in float32 by default those of a family each."""
    for row in rows():
        (case,) = row.values
        yield pytest.param(case, torch.float64, id=f"{case.id}-float64", marks=row.marks)
        yield pytest.param(case, torch.float32, id=f"{case.id}-float32", marks=row.marks if case.id in narrow else pytest.mark.slow)


def copy_into(target, targets, source, sources):
    """Give one optimizer the weights, slots and lane of another, so that only one step's rounding separates them."""
    with torch.no_grad():
        for a, b in zip(sources, targets, strict=True):
            b.copy_(a)
            for key, value in source.state[a].items():
                target.state[b][key].copy_(value)
    for one, other in zip(source.param_groups, target.param_groups, strict=True):
        other.update({slot.key: one[slot.key].clone() for slot in source.rule.slots if slot.of_lane and slot.key in one})


def is_near(mine, theirs, limit):
    known = ~theirs.isnan()  # means over an empty matrix' rows are not numbers
    if not torch.equal(known, ~mine.isnan()):
        return False
    return not known.any() or float((mine - theirs)[known].abs().max()) <= limit * max(float(theirs[known].abs().max()), 1e-30)


@pytest.mark.parametrize(("case", "dtype"), list(rows_and_dtypes()))
def test_native_stays_within_rounding_of_the_reference(case, dtype):
    loop, native = parameters(SHAPES, dtype), parameters(SHAPES, dtype)
    pair = [(case.build(loop, driver="per_tensor"), loop), (case.build(native, driver="native"), native)]
    (reference, _), (optimizer, _) = pair
    for step in range(7):
        copy_into(optimizer, native, reference, loop)
        for one, params in pair:
            one.param_groups[0]["lr"] = case.full["lr"] * rate(step)
            give_gradients(params, step, skip=(1,) if step == 4 else ())
            given = [None if p.grad is None else p.grad.clone() for p in params]
            one.step()
            assert all(p.grad is g or torch.equal(p.grad, g) for p, g in zip(params, given, strict=True)), "gradients stay as they are"
        for a, b in zip(native, loop, strict=True):
            assert is_near(a.detach(), b.detach(), LIMITS[dtype])
            assert all(is_near(optimizer.state[a][key], value, 4 * LIMITS[dtype]) for key, value in reference.state[b].items())


@pytest.mark.parametrize("case", rows(("lamb", "prodigy", "schedule_free_adamw")))
def test_a_resumed_run_keeps_its_bits(case):
    shapes = ((4, 3), (5,))
    params, other = parameters(shapes, torch.float32), parameters(shapes, torch.float32, seed=1)
    optimizer = case.build(case.groups(params[:1], params[1:]), driver="native")
    train(optimizer, params, 4)
    resumed = case.build(case.groups(other[:1], other[1:]), driver="native")
    resumed.load_state_dict(optimizer.state_dict())
    with torch.no_grad():
        for a, b in zip(params, other, strict=True):
            b.copy_(a)
    train(optimizer, params, 4, start=4)
    train(resumed, other, 4, start=4)
    assert same(values(params), values(other))
    for a, b in zip(params, other, strict=True):
        assert same(optimizer.state[a].values(), resumed.state[b].values())


@pytest.mark.parametrize("name", ["adamw+clip", "lamb+agc", "adamw+lookahead", "sgd+centralised", "adafactor+clip+ema"])
def test_wrapped_rules_are_native_too(name):
    results = []
    for driver in ("per_tensor", "native"):
        params = parameters(((4, 3), (5,)), torch.float64)
        train(optim.create(name, params, lr=0.01, driver=driver), params, 8)
        results.append(values(params))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


class Made(TorchDispatchMode):
    """Counts the bytes of what torch's operations return."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.bytes += sum(leaf.nbytes for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        return result


@pytest.mark.parametrize("name", ["lamb", "adafactor", "prodigy", "schedule_free_adamw"])
def test_a_step_makes_no_tensors_but_numbers(name):
    params = parameters(((64, 48), (48,)), torch.float32)
    optimizer = optim.create(name, params, driver="native")
    train(optimizer, params, 3)
    places = [value.data_ptr() for param in params for value in optimizer.state[param].values()]
    with Made() as made:
        optimizer.step()
    assert made.bytes < params[1].nbytes
    assert places == [value.data_ptr() for param in params for value in optimizer.state[param].values()]
