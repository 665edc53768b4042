import pytest
import torch

from ravine.optim import _drivers, _narrow
from ravine.rules.adam import Adam
from ravine.rules.sgd import SGD
from ravine.rules.soap import SOAP

SCALARS = {"lr": 0.5, "l2": 0.0, "momentum": 0.0, "gain": 1.0}


def test_loops_take_a_bucket_at_a_time_and_the_others_everything(monkeypatch):
    monkeypatch.setattr(_drivers, "BUCKET_ELEMENTS", 4)
    params = [torch.zeros(size) for size in (3, 3, 1)]
    for name, rule in (("auto", SGD()), ("foreach", SGD()), ("per_tensor", SOAP())):
        assert list(_narrow.pieces(name, rule, params)) == [slice(0, 1), slice(1, 3)]
    for name in ("compiled", "native", "stacked"):
        assert list(_narrow.pieces(name, SGD(), params)) == [slice(0, 3)]


@pytest.mark.parametrize("name", ["per_tensor", "foreach", pytest.param("compiled", marks=pytest.mark.compile)])
def test_a_master_takes_the_step_and_the_parameter_follows(name):
    param, grad = torch.ones(3, dtype=torch.bfloat16), torch.full((3,), 2**-11, dtype=torch.bfloat16)
    kept = {"master": torch.ones(3)}
    for _ in range(4):
        (kept,) = _narrow.run(name, SGD(), SCALARS, [param], [grad], kept=[kept])
    assert kept["master"].tolist() == [1 - 4 * 2**-12] * 3
    assert param.tolist() == [1.0 if 4 * 2**-12 < 2**-9 else 1 - 2**-8] * 3


def test_what_is_plain_goes_to_the_driver_itself():
    param = torch.ones(2)
    assert _narrow.run("foreach", SGD(), SCALARS, [param], [torch.ones(2)], kept=[{}]) == [{}]
    assert param.tolist() == [0.5, 0.5]


@pytest.mark.compile
def test_blocks_of_a_transposed_parameter_are_those_of_the_loop():
    def run(name):
        torch.manual_seed(0)
        param, grad = torch.randn(64, 64).t(), torch.randn(64, 64).t()
        kept = {symbol: torch.zeros(64, 64, dtype=kind) for symbol, kind in (("m", torch.int8), ("v", torch.uint8))}
        kept |= {"m_scale": torch.zeros(16), "v_scale": torch.zeros(16)}
        scalars = {"keep1": 0.9, "take1": 0.1, "keep2": 0.9, "take2": 0.1, "step": 0.1, "correct": 1.0, "inflate": 1.0}
        scalars |= {"eps": 1e-8, "l2": 0.0}
        for _ in range(2):
            (kept,) = _narrow.run(name, Adam(), scalars, [param], [grad], kept=[kept])
        return param, kept

    (loop, one), (fused, two) = run("per_tensor"), run("compiled")
    torch.testing.assert_close(loop, fused)
    assert torch.equal(one["m"], two["m"])
