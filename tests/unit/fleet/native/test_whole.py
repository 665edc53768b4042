"""A phase over many tensors: in place, piece by piece, as torch gives it."""

import pytest
import torch

from ravine.fleet.native import Places, Unsupported, WholePhase, toolchain, whole
from ravine.rules import Rule, resolve
from ravine.rules._step import Symbols

needs_compiler = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")
SHAPES = [(6, 4), (5,), (), (9001,)]


def problem(rule, dtype):
    generator = torch.Generator().manual_seed(0)
    params, grads = ([torch.randn(shape, generator=generator, dtype=dtype) for shape in SHAPES] for _ in range(2))
    slots = [[torch.rand(slot.shape_for(p.shape), generator=generator, dtype=dtype) for slot in rule.active_slots] for p in params]
    return params, grads, slots


def start(name, phase, dtype, more=(), **settings):
    rule, hypers = resolve(name, settings)
    scalars = {**rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 3), **dict.fromkeys(more, 0.5)}
    return rule, scalars, WholePhase(rule, phase, list(scalars), dtype)


def run(native, params, grads, slots, scalars):
    places = Places(params, slots)
    places.point(grads)
    forms = native.forms([p.shape for p in params])
    assert forms.all()
    return native.run(places, forms, scalars)


def own(rule, slots):
    return Symbols(**{slot.symbol: value for slot, value in zip(rule.active_slots, slots, strict=True)})


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["lars", "schedule_free_adamw"])
def test_updates_are_taken_in_place_as_by_torch(name, dtype):
    rule, scalars, native = start(name, "update", dtype)
    mine, theirs = problem(rule, dtype), problem(rule, dtype)
    assert run(native, *mine, scalars) == {}
    limit = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-13}
    for p, g, slots, after, kept in zip(*theirs, mine[0], mine[2], strict=True):
        delta, state = rule.update(p, g, own(rule, slots), Symbols(**scalars))
        torch.testing.assert_close(after, p + delta, **limit)
        for slot, value in zip(rule.active_slots, kept, strict=True):
            torch.testing.assert_close(value, state[slot.symbol], **limit)
    assert all(map(torch.equal, mine[1], theirs[1])), "gradients stay as they are"


@needs_compiler
def test_sums_are_taken_over_all_tensors_and_their_pieces():
    rule, scalars, native = start("prodigy", "measure", torch.float64, more=("d", "d_max", "r"))
    mine, theirs = problem(rule, torch.float64), problem(rule, torch.float64)
    sums = run(native, *mine, scalars)
    parts = [rule.measure(p, g, own(rule, slots), Symbols(**scalars)) for p, g, slots in zip(*theirs, strict=True)]
    for name in ("along", "size"):
        assert sums[name] == pytest.approx(float(sum(terms[name] for terms, _ in parts)), rel=1e-12)
    for (_, state), slots in zip(parts, mine[2], strict=True):
        torch.testing.assert_close(slots[0], state["m"], rtol=1e-12, atol=0)


@needs_compiler
def test_what_measures_nothing_says_so():
    assert start("lamb", "measure", torch.float32)[2].is_idle
    assert not start("lamb", "measure", torch.float32, max_grad_norm=1.0)[2].is_idle
    assert not start("lamb", "update", torch.float32)[2].is_idle


class Spread(Rule):
    """Moves every element by the one at the other end, and averages what it keeps with the number for the tensor."""

    name = "spread"
    granularity = "tensor"
    hypers = ()

    def scalars(self, h, t):
        return {"lr": 0.1}

    def update(self, p, g, s, c):
        return p.flip(0) + c.lr * g, {}


@needs_compiler
def test_what_cannot_be_written_where_it_is_read_goes_through_other_memory():
    native = WholePhase(Spread(), "update", ["lr"], torch.float32)
    p, g = torch.arange(5.0), torch.ones(5)
    run(native, [p], [g], [[]], {"lr": 0.1})
    torch.testing.assert_close(p, torch.arange(5.0) + torch.arange(4.0, -1.0, -1.0) + 0.1)


class Crooked(Spread):
    """Whose sum of the whole is not the sum of its pieces' sums, though it says that it works element by element."""

    name = "crooked"
    granularity = "element"

    def measure(self, p, g, s, c):
        return {"size": (g * g).sum().sqrt()}, {}


class Fickle(Spread):
    """Whose text runs otherwise the second time."""

    name = "fickle"
    runs = 0

    def update(self, p, g, s, c):
        type(self).runs += 1
        return p * (1.0 if self.runs > 1 else 2.0) + c.lr * g, {}


@needs_compiler
@pytest.mark.parametrize(("kind", "phase"), [(Crooked, "measure"), (Fickle, "update")], ids=["pieces", "text"])
def test_other_numbers_than_torch_are_noticed(kind, phase):
    native = WholePhase(kind(), phase, ["lr"], torch.float32)
    assert not native.forms([(5,)]).any()


class Broken(Spread):
    """Whose text cannot be run."""

    name = "broken"

    def measure(self, p, g, s, c):
        raise KeyError(self.name)

    def update(self, p, g, s, c):
        return self.measure(p, g, s, c)


@needs_compiler
@pytest.mark.parametrize("phase", ["measure", "update"])
def test_a_text_that_fails_has_no_code(phase):
    native = WholePhase(Broken(), phase, ["lr"], torch.float32)
    assert not native.is_idle
    assert not native.forms([(5,)]).any()


def failing(*given, **more):
    raise KeyError("something")


@needs_compiler
def test_a_generator_that_fails_leaves_the_step_to_torch(monkeypatch):
    monkeypatch.setattr("ravine.fleet.native.phases.generate", failing)
    assert not WholePhase(Spread(), "update", ["lr"], torch.float32).forms([(5,)]).any()


@needs_compiler
def test_a_large_shape_is_checked_on_a_smaller_one(monkeypatch):
    monkeypatch.setattr(whole, "MOST_CHECKED", 100)
    assert whole.smaller((30, 2, 5)) == (8, 2, 5)
    assert whole.smaller((50, 2)) == (50, 2)
    rule, scalars, native = start("lars", "update", torch.float64)
    p, g, m = (torch.rand(30, 10, dtype=torch.float64) for _ in range(3))
    delta, _ = rule.update(p, g, Symbols(m=m.clone()), Symbols(**scalars))
    wanted = p + delta
    run(native, [p], [g], [[m]], scalars)
    torch.testing.assert_close(p, wanted, rtol=1e-12, atol=1e-14)


def test_what_has_no_code_says_why(monkeypatch):
    rule, _ = resolve("muon", {})
    with pytest.raises(Unsupported, match="muon on float32"):
        WholePhase(rule, "update", ["lr"], torch.float32)
    with pytest.raises(Unsupported, match="lars on bfloat16"):
        start("lars", "update", torch.bfloat16)
    monkeypatch.setattr(whole, "compiler", lambda: None)
    with pytest.raises(Unsupported, match=r"no C\+\+ compiler"):
        start("lars", "update", torch.float32)


@needs_compiler
def test_more_shapes_than_have_code_are_left_alone(monkeypatch):
    monkeypatch.setattr(whole, "MOST_SHAPES", 2)
    _, _, native = start("lars", "update", torch.float32)
    with pytest.raises(Unsupported, match="more than 2 shapes"):
        native.forms([(1,), (2,), (3,)])
