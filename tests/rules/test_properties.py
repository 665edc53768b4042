"""Properties that hold for any shapes, dtypes and hypers inside their declared intervals."""

import math

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

from cases import CASES
from ravine import optim
from ravine.base.errors import InputError
from ravine.rules import REGISTRY, resolve
from streams import same, values

SHAPES = st.lists(st.lists(st.integers(0, 3), max_size=3).map(tuple), min_size=1, max_size=4)
MATRICES = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=3).map(tuple), min_size=1, max_size=4)
DTYPES = st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16])


@st.composite
def built(draw, name):
    """A builder of equal optimizers with hypers and flags drawn from their intervals, and what it needs."""
    rule = REGISTRY[name].rule
    settings = {}
    for hyper in rule.hypers:
        low = hyper.low if math.isfinite(hyper.low) else -1.0
        high = hyper.high if math.isfinite(hyper.high) else 2.0
        settings[hyper.symbol] = draw(st.floats(low, high, exclude_max=hyper.open_above, allow_subnormal=False))
    if name in ("momentum", "nesterov"):
        settings |= {"momentum": 0.9, "dampening": 0.0}
    for flag in rule.flags:
        if not flag.of and flag.name != "nesterov":
            settings[flag.name] = draw(st.booleans())
    try:
        resolve(name, settings)
    except InputError:
        hypothesis.reject()  # a combination that the rule does not define
    return settings, draw(SHAPES if rule.granularity != "matrix" else MATRICES), draw(DTYPES), draw(st.integers(0, 2**31))


def run(name, drawn, driver, steps=3):
    settings, shapes, dtype, seed = drawn
    generator = torch.Generator().manual_seed(seed)

    def noise(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    params = [torch.nn.Parameter(noise(shape)) for shape in shapes]
    optimizer = optim.create(name, params, driver=driver, **settings)
    for _ in range(steps):
        for param in params:
            param.grad = noise(param.shape)
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("name", list(REGISTRY))
def test_shapes_dtypes_and_bits(name):
    @hypothesis.given(built(name))
    def check(drawn):
        loop, first = run(name, drawn, "per_tensor")
        listed, second = run(name, drawn, "foreach")
        assert [param.shape for param in loop] == drawn[1]
        assert {param.dtype for param in loop} == {drawn[2]}
        assert same(values(loop), values(listed))
        for a, b in zip(loop, listed, strict=True):
            assert same(first.state[a].values(), second.state[b].values())
            shapes = {slot.key: slot.shape_for(a.shape) for slot in REGISTRY[name].rule.slots}
            assert all(value.shape == shapes[key] for key, value in first.state[a].items() if key != "step")

    check()


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.rule.granularity == "element" and not case.rule.lane_slots], ids=lambda case: case.id
)
def test_element_rules_do_not_mix_elements(case):
    @hypothesis.given(st.permutations(range(6)), st.integers(0, 2**31))
    @hypothesis.settings(max_examples=5)
    def check(order, seed):
        generator = torch.Generator().manual_seed(seed)
        weight, grads = torch.randn(6, generator=generator), torch.randn(3, 6, generator=generator)
        results = []
        for arrangement in (list(range(6)), list(order)):
            param = torch.nn.Parameter(weight[arrangement].clone())
            optimizer = case.build([param])
            for grad in grads:
                param.grad = grad[arrangement].clone()
                optimizer.step()
            results.append(param.detach())
        torch.testing.assert_close(results[0][list(order)], results[1], rtol=0, atol=0)

    check()
