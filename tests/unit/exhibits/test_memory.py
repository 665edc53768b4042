"""Bytes: the numbers of the papers, the settings, and a model's own."""

import json
import math

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.exhibits.memory import COMPONENTS, USUAL, Plan, counted, every_optimizer, memory_of
from ravine.rules import names

NUMBER = counted(124e6)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan("adam"), {"parameters": 4, "gradients": 4, "state": 8}),
        (Plan("sgd"), {"parameters": 4, "gradients": 4}),
        (Plan("lion"), {"parameters": 4, "gradients": 4, "state": 4}),
        # Rajbhandari et al. (2020), section 3.1: 2 + 2 + 12 bytes.
        (Plan("adam", "mixed"), {"parameters": 2, "gradients": 2, "master": 4, "state": 8}),
        (Plan("adam", "mixed", zero=1, shards=4), {"parameters": 2, "gradients": 2, "master": 1, "state": 2}),
        (Plan("adam", "mixed", zero=2, shards=4), {"parameters": 2, "gradients": 0.5, "master": 1, "state": 2}),
        (Plan("adam", "mixed", zero=3, shards=4), {"parameters": 0.5, "gradients": 0.5, "master": 1, "state": 2}),
        (Plan("adam", bits=8), {"parameters": 4, "gradients": 4, "state": 2 * (1 + 4 / 256)}),
        (Plan("adam", bits=16), {"parameters": 4, "gradients": 4, "state": 4}),
        (Plan("adam", "bf16"), {"parameters": 4, "copies": 2, "gradients": 4, "state": 8}),
        (Plan("adam", "pure_bf16"), {"parameters": 2, "gradients": 4, "master": 4, "state": 8}),
        (Plan("adam", "pure_bf16", weights="kahan"), {"parameters": 2, "gradients": 4, "master": 2, "state": 8}),
        (Plan("adam", "pure_bf16", weights="stochastic"), {"parameters": 2, "gradients": 4, "state": 8}),
        # One row and one column of each matrix of 1024 x 1024.
        (Plan("adafactor"), {"parameters": 4, "gradients": 4, "state": 8 / 1024}),
        (Plan("adamw+lookahead"), {"parameters": 4, "gradients": 4, "state": 12}),
    ],
    ids=lambda value: value.label if isinstance(value, Plan) else "",
)
def test_bytes_a_parameter(plan, expected):
    assert memory_of(NUMBER, plan).per_parameter == pytest.approx(expected)


def test_a_total_is_its_parts_and_keeps_their_order():
    found = memory_of(NUMBER, Plan("adamw", "mixed", zero=1, shards=8))
    assert found.total == 124e6 * (2 + 2 + 0.5 + 1)
    assert list(found.parts) == [name for name in COMPONENTS if name in found.parts]


def test_more_shards_never_need_more():
    for stage in (1, 2, 3):
        totals = [memory_of(NUMBER, Plan("adamw", "mixed", zero=stage, shards=shards)).total for shards in (2, 4, 64)]
        assert totals == sorted(totals, reverse=True)
    whole = memory_of(NUMBER, Plan("adamw", "mixed")).total
    assert memory_of(NUMBER, Plan("adamw", "mixed", zero=3, shards=64)).total == pytest.approx(whole / 64)


def test_every_optimiser_that_can_be_kept_so():
    assert [one.plan.optimizer for one in every_optimizer(NUMBER, Plan())] == list(names())
    narrow = {one.plan.optimizer for one in every_optimizer(NUMBER, Plan(bits=8))}
    assert {"adamw", "lion"} <= narrow
    assert "muon" not in narrow
    assert all(math.isfinite(memory_of(NUMBER, plan).total) for plan in USUAL)


def test_a_summary_is_plain():
    found = json.loads(json.dumps(memory_of(NUMBER, Plan("lion", "mixed", zero=1, shards=2)).summary(), allow_nan=False))
    assert found["bytes_per_parameter"] == {"parameters": 2, "gradients": 2, "master": 2, "state": 2, "total": 8}
    assert found["bytes"]["total"] == 124e6 * 8
    assert (found["optimizer"], found["precision"], found["bits"], found["zero"], found["shards"]) == ("lion", "mixed", 32, 1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: counted(0), r"params=0: must be at least 1 and at most 1e\+18\. Such as 124e6"),
        (lambda: counted(-5), "params=-5: must be at least 1"),
        (lambda: counted(1.5), r"params=1\.5: must be a whole number"),
        (lambda: counted(math.inf), "params=inf"),
        (lambda: counted(1e308), "params=1e\\+308: must be at least 1 and at most"),
        (lambda: Plan(bits=4), "bits=4: must be 8, 16 or 32. Leave it out for 32."),
        (lambda: Plan(bits=8, optimizer="muon"), "bits=8 for 'muon': its class keeps state in float32 and weights as they are. Give anot"),
        (lambda: Plan("soap", "mixed"), "weights='master' for 'soap': .* Give another optimizer, or give weights='plain'"),
        (
            lambda: Plan(weights="kahan"),
            "weights='kahan' with precision 'fp32': it has an effect on pure_bf16 and mixed only. Leave it out.",
        ),
        (lambda: Plan(zero=4, shards=2), "zero=4: must be 0, 1, 2 or 3"),
        (lambda: Plan(zero=1), "zero=1 with shards=1: one process has nobody to share with. Give shards=8, or leave zero out."),
        (lambda: Plan(shards=4), "shards=4 with zero=0: nothing is divided. Give zero=1, 2 or 3, or leave shards out."),
        (lambda: Plan(shards=0, zero=1), "shards=0: must be a whole number, at least 1"),
    ],
    ids=[
        *(
            "no-params",
            "negative",
            "fraction",
            "infinite",
            "beyond-all",
            "four-bits",
            "bits-of-muon",
            "master-of-soap",
            "kahan-in-fp32",
            "stage-4",
        ),
        *("one-shard", "no-stage", "no-shards"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adm"}, "no optimizer is called 'adm'"),
        ({"precision": "fp17"}, "no precision is called 'fp17'; did you mean 'fp16'"),
        ({"precision": "mixed", "weights": "mastr"}, "no way to keep weights is called 'mastr'; did you mean 'master'"),
    ],
    ids=["optimizer", "precision", "weights"],
)
def test_unknown_names(settings, message):
    with pytest.raises(UnknownNameError, match=message):
        Plan(**settings)
