import math

import pytest
import torch

from cases import CASES
from ravine.race._optimizer_text import TERMS, TORCH_CLASSES, optimizer_text
from ravine.race._source_text import import_block
from ravine.rules import resolve
from ravine.rules._terms import choose, decay_between, momentum_product, power, rectification, root

BY_ID = {case.id: case for case in CASES}


def weights(dtype=torch.float32):
    stream = torch.Generator().manual_seed(3)
    return [torch.nn.Parameter(torch.randn(shape, generator=stream).to(dtype)) for shape in ((3, 2), (4,))]


def train(optimizer, parameters):
    stream = torch.Generator().manual_seed(4)
    for _ in range(6):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=stream).to(parameter.dtype)
        optimizer.step()
    return parameters


class Model:
    def __init__(self, parameters):
        self.parameters = lambda: parameters


def built(text, parameters, lr):
    names = {"model": Model(parameters), "LR": lr}
    body = "\n\n\n".join([*text.sections, text.expression])
    exec(import_block(text.imports, body) + "\n" + "\n\n".join(text.sections), names)
    return eval(text.expression, names)


def test_torch_s_classes_are_those_that_the_parity_tests_hold():
    assert {type(case.rule).__name__ for case in CASES if case.torch_class is not None} == TORCH_CLASSES


@pytest.mark.parametrize("id_", BY_ID)
def test_the_expression_steps_as_the_rule_does(id_):
    case = BY_ID[id_]
    rule, hypers = resolve(case.name, case.settings)
    text = optimizer_text(rule, hypers)
    assert (text.sections == ()) == (case.torch_class is not None)
    expected, found = weights(), weights()
    train(case.build(expected, driver="per_tensor"), expected)
    train(built(text, found, hypers["lr"]), found)
    for ours, theirs in zip(expected, found, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("id_", BY_ID)
def test_the_carried_class_is_the_rule_to_the_bit_in_bfloat16(id_):
    case = BY_ID[id_]
    rule, hypers = resolve(case.name, case.settings)
    expected, found = weights(torch.bfloat16), weights(torch.bfloat16)
    train(case.build(expected, driver="per_tensor"), expected)
    text = optimizer_text(rule, hypers, is_narrow=True)
    assert text.sections[-1].startswith(f"class {type(rule).__name__}(torch.optim.Optimizer)")
    train(built(text, found, hypers["lr"]), found)
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


def test_the_terms_are_the_rules_terms():
    names = {}
    exec("\n\n".join(TERMS.values()), names)
    for base, exponent in ((0.9, 1), (0.999, 1234), (0.0, 3)):
        assert names["power"](base, exponent) == power(base, exponent)
    assert names["root"](0.3) == root(0.3) == math.sqrt(0.3)
    assert [names["choose"](condition, 1, 2) for condition in (True, False)] == [choose(condition, 1, 2) for condition in (True, False)]
    for t in (1, 2, 5, 6, 40, 9000):
        assert names["rectification"](0.999, t) == rectification(0.999, t)
        assert names["rectification"](0.5, t) == rectification(0.5, t) == 0.0
        assert names["momentum_product"](0.9, 4e-3, t) == momentum_product(0.9, 4e-3, t)
        assert names["decay_between"](0.9, 0.9999, t / 40) == decay_between(0.9, 0.9999, t / 40)
        assert names["decay_between"](0.0, 0.9999, t / 40) == decay_between(0.0, 0.9999, t / 40)


def test_the_state_starts_as_the_rule_says_and_the_text_is_wide_enough():
    rule, hypers = resolve("adagrad", {"initial": 0.5})
    text = optimizer_text(rule, hypers, is_narrow=True)
    assert 'torch.full_like(p, group["initial"], dtype=torch.float32)' in text.sections[-1]
    for case in CASES:
        text = optimizer_text(*resolve(case.name, case.settings), is_narrow=True)
        assert max(map(len, "\n".join(text.sections).splitlines())) <= 140
