import doctest
from types import SimpleNamespace as N

import torch

from ravine.rules import muon
from ravine.rules.adamw import AdamW
from ravine.rules.muon import Muon

HYPERS = {hyper.symbol: hyper.default for hyper in Muon.hypers}


def test_examples():
    result = doctest.testmod(muon)
    assert result.attempted > 0
    assert result.failed == 0


def test_only_matrices_between_layers_are_orthogonalised_in_a_race():
    assert {kind: Muon().part(kind).on("elementwise") for kind in ("matrix", "lookup", "output", "vector")} == {
        "matrix": False,
        "lookup": True,
        "output": True,
        "vector": True,
    }
    assert Muon(elementwise=True).part("matrix").on("elementwise")
    assert [len(Muon().part(kind).active_slots) for kind in ("matrix", "vector")] == [1, 2]


def test_the_other_branch_is_adamw_at_its_own_rate():
    p, g = torch.randn(5), torch.randn(5)
    rule, hypers = Muon(elementwise=True), N(**HYPERS | {"adam_lr_ratio": 0.5, "lr": 0.2})
    ours = rule.update(p, g, N(m=0 * p, v=0 * p), N(**rule.scalars(hypers, 1)))[0]
    plain = N(lr=0.1, beta1=0.9, beta2=0.95, eps=1e-10, weight_decay=0.1)
    torch.testing.assert_close(ours, AdamW().update(p, g, N(m=0 * p, v=0 * p), N(**AdamW().scalars(plain, 1)))[0])


def test_steps_do_not_depend_on_the_gradients_size():
    p, g = torch.zeros(4, 3), torch.randn(4, 3)
    c = N(**Muon().scalars(N(**HYPERS), 1))
    small, large = (Muon().update(p, factor * g, N(m=p), c)[0] for factor in (1.0, 1e4))
    torch.testing.assert_close(small, large, rtol=1e-4, atol=1e-7)


def test_decay_pulls_towards_zero():
    p = torch.ones(2, 2)
    c = N(**Muon().scalars(N(**HYPERS | {"lr": 0.5}), 1))
    torch.testing.assert_close(Muon().update(p, 0 * p, N(m=0 * p), c)[0], -0.05 * p)
