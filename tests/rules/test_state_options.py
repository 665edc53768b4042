"""Every element rule under every way of keeping state and weights: same bits in every loop, resumed, copied, bounded."""

import copy
import io
import pickle

import pytest
import torch

from cases import CASES
from ravine import optim
from ravine.base.errors import InputError, UnknownNameError
from ravine.optim._storage import StateOptions
from streams import give_gradients, parameters, rate, same, train, values

SHAPES = ((64, 64), (5,), ())


def takes_options(case):
    """Whether the row's class has the keywords."""
    return "storage" in case.cls.__init__.__annotations__ and case.rule.granularity == "element" and case.rule.is_plain


ROWS = [case for case in CASES if takes_options(case)]
BF16 = torch.bfloat16
OPTIONS = [
    pytest.param(torch.float32, {"state_dtype": BF16, "seed": 3}, id="bf16 state"),
    pytest.param(torch.float32, {"state_dtype": "8bit"}, id="8-bit state"),
    pytest.param(BF16, {"weights": "stochastic", "seed": 7}, id="stochastic"),
    pytest.param(BF16, {"weights": "kahan", "state_dtype": "8bit"}, id="kahan, 8-bit state"),
    pytest.param(BF16, {"weights": "master", "state_dtype": BF16}, id="master, bf16 state"),
    pytest.param(torch.float16, {"weights": "stochastic"}, id="stochastic float16"),
]
every_row = pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
every_option = pytest.mark.parametrize(("dtype", "options"), OPTIONS)
COMPILED = {"8-bit state", "stochastic", "kahan, 8-bit state"}
"""Options that are compiled by default; every other takes seconds more."""


def test_all_element_rules_are_here():
    assert {"sgd", "adagrad", "rmsprop", "adam", "adamw", "lion", "adan", "adopt", "nadam"} <= {case.name for case in ROWS}
    assert StateOptions.__annotations__.keys() == {"state_dtype", "weights", "seed"}


@every_row
@every_option
def test_foreach_gives_the_bits_of_the_loop_and_a_resumed_run_those_of_both(case, dtype, options):
    loop, listed, other = (parameters(SHAPES, dtype) for _ in range(3))
    one, two, three = (
        case.build(params, driver=driver, **options) for params, driver in ((loop, "per_tensor"), (listed, "foreach"), (other, "foreach"))
    )
    train(one, loop, 5, skip_at=(2,))
    train(two, listed, 3, skip_at=(2,))
    file = io.BytesIO()
    torch.save((two.state_dict(), values(listed)), file)
    file.seek(0)
    state, weights = torch.load(file, weights_only=True)
    three.load_state_dict(state)
    with torch.no_grad():
        for param, weight in zip(other, weights, strict=True):
            param.copy_(weight)
    train(three, other, 2, start=3)
    assert same(values(loop), values(other))
    for a, b in zip(loop, other, strict=True):
        assert one.state[a].keys() == three.state[b].keys()
        assert same(one.state[a].values(), three.state[b].values())


@every_row
@every_option
def test_copies_go_on_alike_and_keep_dtypes(case, dtype, options):
    params = parameters(SHAPES, dtype)
    optimizer = case.build(params, **options)
    train(optimizer, params, 2)
    for duplicate in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        twin, twins = duplicate((optimizer, params))
        before = [(key, value.dtype) for param in params for key, value in optimizer.state[param].items()]
        assert before == [(key, value.dtype) for param in twins for key, value in twin.state[param].items()]
    train(optimizer, params, 2, start=2)
    train(twin, twins, 2, start=2)
    assert same(values(params), values(twins))


@every_row
@every_option
def test_compact_state_and_weights_stay_near_float32(case, dtype, options):
    start, short, exact = (parameters(((64, 64),), torch.float32) for _ in range(3))
    short = [torch.nn.Parameter(param.detach().to(dtype)) for param in short]
    with torch.no_grad():
        exact[0].copy_(short[0])
        start[0].copy_(short[0])
    one, two = case.build(short, **options), case.build(exact)
    for step in range(10):
        give_gradients(exact, step)
        short[0].grad = exact[0].grad.to(dtype)
        one.step()
        two.step()
    way, apart = (exact[0] - start[0]).abs().mean(), (short[0].float() - exact[0]).abs().mean()
    rounding = 0 if dtype == torch.float32 else torch.finfo(dtype).eps * exact[0].detach().abs().mean()
    assert apart <= 0.15 * way + rounding


@pytest.mark.parametrize(
    ("dtype", "options"),
    [pytest.param(*one.values, id=one.id, marks=() if one.id in COMPILED else pytest.mark.slow) for one in OPTIONS],
)
@pytest.mark.compile
def test_compiled_stays_within_rounding_and_never_recompiles(dtype, options):
    case = next(case for case in CASES if case.id == "adamw")
    loop, fused = parameters(SHAPES[:2], dtype), parameters(SHAPES[:2], dtype)
    one, two = case.build(loop, driver="per_tensor", **options), case.build(fused, driver="compiled", **options)
    for step in range(4):
        for params, optimizer in ((loop, one), (fused, two)):
            optimizer.param_groups[0]["lr"] = case.full["lr"] * rate(step)
            give_gradients(params, step)
        one.step()
        with torch._dynamo.config.patch(error_on_recompile=step > 0):
            two.step()
    for a, b in zip(loop, fused, strict=True):
        # Rounding of the arithmetic may tip a rounding of the weight, by one place of its dtype.
        unit = 0 if dtype == torch.float32 else torch.finfo(dtype).eps
        assert ((a - b).abs() <= 1e-5 + 2 * unit * a.abs()).all()
        assert (a == b).float().mean() > 0.9 or dtype == torch.float32


@pytest.mark.parametrize("driver", ["per_tensor", "foreach", "native"])
@pytest.mark.parametrize("weights", ["plain", "stochastic", "kahan", "master"])
def test_weights_of_one_move(weights, driver):
    """bfloat16, lr 1e-3, a gradient of 1: the nearest neighbour below 1.0 is four steps away."""
    param = torch.nn.Parameter(torch.ones(4096, dtype=BF16))
    optimizer = optim.AdamW([param], lr=1e-3, weights=weights, driver=driver)
    for _ in range(100):
        param.grad = torch.ones_like(param)
        optimizer.step()
    mean = param.detach().float().mean().item()
    assert mean == 1.0 if weights == "plain" else mean == pytest.approx(0.8990, abs=2e-3)


@pytest.mark.parametrize("weights", ["stochastic", "kahan", "master"])
def test_decay_alone_moves_them_too(weights):
    param = torch.nn.Parameter(torch.ones(4096, dtype=BF16))
    optimizer = optim.AdamW([param], lr=1e-3, weight_decay=0.5, weights=weights)
    for _ in range(100):
        param.grad = torch.zeros_like(param)
        optimizer.step()
    assert param.detach().float().mean().item() == pytest.approx((1 - 5e-4) ** 100, abs=2e-3)


def test_another_seed_rounds_otherwise():
    outcomes = []
    for seed in (0, 0, 1):
        param = torch.nn.Parameter(torch.ones(64, dtype=BF16))
        optimizer = optim.SGD([param], lr=1e-3, weights="stochastic", seed=seed)
        param.grad = torch.ones_like(param)
        optimizer.step()
        outcomes.append(param.detach())
    assert torch.equal(outcomes[0], outcomes[1])
    assert not torch.equal(outcomes[0], outcomes[2])


def test_wide_weights_and_small_tensors_need_nothing():
    params = parameters(((3,), (64, 64)), torch.float32)
    optimizer = optim.AdamW(params, weights="master", state_dtype="8bit")
    train(optimizer, params, 1)
    small, large = (optimizer.state[param] for param in params)
    assert {key: value.dtype for key, value in small.items()} == dict.fromkeys(["step", "exp_avg", "exp_avg_sq"], torch.float32)
    assert large["exp_avg"].dtype == torch.int8
    assert large["exp_avg_sq"].dtype == torch.uint8
    assert large["exp_avg_scale"].shape == (16,)


@pytest.mark.parametrize("saved", [None, BF16, "8bit"], ids=str)
@pytest.mark.parametrize("loading", [None, BF16, "8bit"], ids=str)
def test_state_is_converted_to_what_the_optimizer_was_built_with(saved, loading):
    params, others = parameters(((64, 64),), torch.float32), parameters(((64, 64),), torch.float32)
    first, second = optim.AdamW(params, state_dtype=saved), optim.AdamW(others, state_dtype=loading)
    train(first, params, 3)
    second.load_state_dict(first.state_dict())
    train(second, others, 1)
    assert second.param_groups[0]["state_dtype"] == (loading if loading != BF16 else "bfloat16")
    kinds = {None: torch.float32, BF16: torch.bfloat16, "8bit": torch.int8}
    assert second.state[others[0]]["exp_avg"].dtype == kinds[loading]
    assert second.state[others[0]]["step"] == 4


def test_torchs_own_state_is_quantised():
    params, others = parameters(((64, 64),), torch.float32), parameters(((64, 64),), torch.float32)
    theirs, ours = torch.optim.AdamW(params), optim.AdamW(others, state_dtype="8bit")
    train(theirs, params, 3)
    ours.load_state_dict(theirs.state_dict())
    state = ours.state[others[0]]
    scale = theirs.state[params[0]]["exp_avg"].view(-1, 256).abs().amax(1)
    assert torch.equal(state["exp_avg_scale"], scale)


def test_codes_in_other_blocks_are_refused():
    params = parameters(((64, 64),), torch.float32)
    optimizer = optim.AdamW(params, state_dtype="8bit")
    train(optimizer, params, 1)
    saved = optimizer.state_dict()
    saved["state"][0]["exp_avg_scale"] = torch.ones(32)
    with pytest.raises(InputError, match=r"exp_avg of parameter 0 of group 0 in the state dict has torch.int8 codes in blocks of 128\."):
        optimizer.load_state_dict(saved)
    del saved["state"][0]["exp_avg_scale"]
    with pytest.raises(InputError, match="in blocks of unknown size"):
        optimizer.load_state_dict(saved)


def test_another_optimizers_state_is_refused_even_with_the_same_settings():
    params = parameters(SHAPES[:1])
    with pytest.raises(InputError, match=r"the state dict is of 'radam' and this Adam is 'adam': another kind of optimizer saved it"):
        optim.Adam(params).load_state_dict(optim.RAdam(params).state_dict())


def test_options_that_do_not_exist_are_refused():
    params = parameters(SHAPES[:1])
    with pytest.raises(InputError, match=r"state_dtype='4bit' for AdamW: must be None, torch.bfloat16 or '8bit'"):
        optim.AdamW(params, state_dtype="4bit")
    with pytest.raises(UnknownNameError, match="did you mean 'stochastic'"):
        optim.AdamW([{"params": params, "weights": "stochastc"}])
    with pytest.raises(InputError, match=r"seed=-1 for AdamW"):
        optim.AdamW(params, seed=-1)
    with pytest.raises(UnknownNameError, match="did you mean 'state_dtype'"):
        optim.AdamW(params, state_dtyp="8bit")


def test_groups_have_their_own_options():
    first, second = parameters(((64, 64), (64, 64)), BF16)
    optimizer = optim.AdamW([{"params": [first]}, {"params": [second], "state_dtype": BF16, "weights": "kahan"}], state_dtype="8bit")
    train(optimizer, [first, second], 1)
    assert optimizer.state[first]["exp_avg"].dtype == torch.int8
    assert optimizer.state[second]["exp_avg"].dtype == BF16
    assert "compensation" in optimizer.state[second]
