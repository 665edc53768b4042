import pytest
import torch
from torch import nn

from cases import CASES
from ravine.fleet.blocks import start
from ravine.race._optimizer_text import TORCH_CLASSES, optimizer_text
from ravine.race._source_text import import_block
from ravine.rules import names, resolve
from ravine.rules._step import Part, Symbols, step_lane
from ravine.tasks.kinds import parameter_kinds

BY_ID = {case.id: case for case in CASES if case.kind is None}

CHAINS = {
    "adamw+clip+lookahead": {},
    "muon+cautious": {"weight_decay": 0.1},
    "soap+clip_history": {"clip_history_warmup": 2.0, "clip_history_bound": 0.1},
    "lamb+clip_value+ema": {"max_grad_norm": 0.1},
    "sgdw+cautious": {},
    "adafactor+centralised": {"beta1": 0.9},
    "schedule_free_adamw+agc+clip": {},
    "lamb": {"max_grad_norm": 0.1},
}
"""Names with settings that no row of the table has."""


class Net(nn.Module):
    """A matrix between layers, a table, a head, and vectors."""

    def __init__(self, dtype):
        super().__init__()
        self.table, self.kernel = nn.Embedding(3, 2), nn.Conv2d(2, 3, 2)
        self.layer, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
        self.shift = nn.Parameter(torch.tensor(0.5))
        stream = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=stream))
        self.to(dtype)


def gradients(model):
    """Six steps of them, one tensor a parameter, that lean to one side: rates that are estimated grow."""
    stream = torch.Generator().manual_seed(4)
    for _ in range(6):
        yield [(0.5 + torch.randn(p.shape, generator=stream)).to(p.dtype) for p in model.parameters()]


@torch.no_grad()
def by_rule(rule, hypers, dtype):
    """What the rule itself makes of the weights in six steps of one lane, and where it wants them evaluated."""
    model = Net(dtype)
    wide, params, kinds = torch.promote_types(dtype, torch.float32), list(model.parameters()), list(parameter_kinds(model).values())
    h = Symbols(**hypers, peak_lr=hypers["lr"])
    slots = [{slot.symbol: start(slot, p, hypers) for slot in rule.part(k).active_slots} for p, k in zip(params, kinds, strict=True)]
    lane = {slot.symbol: start(slot, params[0], hypers) for slot in rule.lane_slots}
    for t, grads in enumerate(gradients(model), 1):
        c = rule.scalars(h, t)
        parts = [
            Part(rule.at(t, h).part(kind), p.to(wide), g.to(wide), s | {"curvature": g.to(wide) ** 2}, c)
            for p, g, s, kind in zip(params, grads, slots, kinds, strict=True)
        ]
        changes, lane = step_lane(parts, lane)
        for p, part, s, (delta, new) in zip(params, parts, slots, changes, strict=True):
            p.copy_(part.p + delta)
            s.update(new)
    final = [rule.evaluate(p.to(wide), Symbols(**lane, **s), Symbols(**c)).to(dtype) for p, s in zip(params, slots, strict=True)]
    return params, final


def by_text(text, lr, dtype):
    """The same by a script's optimiser."""
    model = Net(dtype)
    scope = {"model": model, "LR": lr}
    body = "\n\n\n".join([*text.sections, text.expression])
    exec(import_block(text.imports, body) + "\n" + "\n\n".join(text.sections), scope)
    optimizer = eval(text.expression, scope)
    for grads in gradients(model):
        for p, g in zip(model.parameters(), grads, strict=True):
            p.grad = g
        optimizer.curvature = {p: p.grad.to(torch.promote_types(dtype, torch.float32)) ** 2 for p in model.parameters()}
        optimizer.step()
    trained = [p.detach().clone() for p in model.parameters()]
    if text.averages:
        optimizer.average()
    return trained, list(model.parameters())


def settings():
    """(name, settings) by test id: the rows of the table, every registry name, and some more."""
    found = {id_: (case.name, case.settings) for id_, case in BY_ID.items()}
    found |= {f"{name}, as it is": (name, {}) for name in names() if name not in found}
    return found | {f"{name}, more": (name, given) for name, given in CHAINS.items()}


SETTINGS = settings()


def test_torch_s_classes_are_those_that_the_parity_tests_hold():
    assert {type(case.rule).__name__ for case in CASES if case.torch_class is not None} == TORCH_CLASSES


@pytest.mark.parametrize("id_", SETTINGS)
def test_the_expression_steps_as_the_rule_does(id_):
    rule, hypers = resolve(*SETTINGS[id_])
    text = optimizer_text(rule, hypers)
    if id_ in BY_ID:
        assert (text.sections == ()) == (BY_ID[id_].torch_class is not None)
    assert text.averages == rule.is_averaging
    for expected, found in zip(by_rule(rule, hypers, torch.float32), by_text(text, hypers["lr"], torch.float32), strict=True):
        for ours, theirs in zip(expected, found, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("id_", SETTINGS)
def test_the_carried_class_is_the_rule_to_the_bit_in_bfloat16(id_):
    rule, hypers = resolve(*SETTINGS[id_])
    text = optimizer_text(rule, hypers, is_narrow=True)
    assert text.sections[-1].startswith(f"class {type(rule).__name__}(torch.optim.Optimizer)")
    for expected, found in zip(by_rule(rule, hypers, torch.bfloat16), by_text(text, hypers["lr"], torch.bfloat16), strict=True):
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(expected, found, strict=True))


def test_only_what_differs_from_torch_s_defaults_is_said():
    expressions = {name: optimizer_text(*resolve(name, {})).expression for name in ("sgd", "nesterov", "adam", "adamw", "rmsprop", "lion")}
    assert expressions == {
        "sgd": "torch.optim.SGD(model.parameters(), lr=LR)",
        "nesterov": "torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, nesterov=True)",
        "adam": "torch.optim.Adam(model.parameters(), lr=LR)",
        "adamw": "torch.optim.AdamW(model.parameters(), lr=LR)",
        "rmsprop": "torch.optim.RMSprop(model.parameters(), lr=LR)",
        "lion": "Lion(model.parameters(), lr=LR)",
    }
    changed = optimizer_text(*resolve("adam", {"beta2": 0.95, "l2": 0.1, "amsgrad": True})).expression
    assert changed == "torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1, amsgrad=True)"
    assert optimizer_text(*resolve("lion", {"beta2": 0.9})).expression == "Lion(model.parameters(), lr=LR, beta2=0.9)"


def test_the_state_starts_as_the_rule_says_and_the_text_is_wide_enough():
    rule, hypers = resolve("adagrad", {"initial": 0.5})
    text = optimizer_text(rule, hypers, is_narrow=True)
    assert 'torch.full_like(p, group["initial"], dtype=torch.float32)' in text.sections[-1]
    for case in CASES:
        text = optimizer_text(*resolve(case.name, case.settings), is_narrow=True)
        assert max(map(len, "\n".join(text.sections).splitlines())) <= 140
