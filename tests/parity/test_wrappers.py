"""Wrapped rules in float64: 60 steps, changing lr, two groups, steps without a gradient, against papers, torch and optax."""

import copy

import numpy as np
import pytest
import torch

from ravine import optim
from references import adam, lion, sgd, wrappers
from streams import give_gradients, parameters, rate, same, train, values

STEPS, TOLERANCE = 60, 1e-12
SHAPES = ((4, 3), (5,), (2, 3, 2))
CORES = {
    "momentum": (sgd.update, {"momentum": 0.9}, 0.02),
    "adamw": (adam.decoupled_update, {"weight_decay": 0.3}, 0.02),
    "lion": (lion.update, {"weight_decay": 0.3}, 0.005),
}
WRAPPED = {
    "lookahead": (wrappers.Lookahead, {"lookahead_k": 4, "lookahead_alpha": 0.3}, {"lookahead_k": 3, "lookahead_alpha": 0.8}),
    "cautious": (wrappers.Cautious, {}, {"weight_decay": 0.0}),
    "centralised": (wrappers.Centralised, {}, {}),
    "ema": (wrappers.EMA, {"ema_decay": 0.9}, {"ema_decay": 0.95}),
    "ema-corrected": (wrappers.EMA, {"ema_decay": 0.9, "ema_corrected": True}, {"ema_corrected": False}),
    "ema-warmup": (wrappers.EMA, {"ema_decay": 0.99, "ema_warmup": True}, {}),
    "clip": (wrappers.Clip, {"clip_norm": 4.0}, {}),
    "clip_value": (wrappers.ClipValue, {"clip_value": 0.7}, {"clip_value": 0.2}),
    "agc": (wrappers.AGC, {"agc_bound": 0.2, "agc_eps": 1e-3}, {"agc_bound": 1.1}),
    "clip_history": (wrappers.ClipHistory, {"clip_history_bound": 0.8, "clip_history_warmup": 10, "clip_history_keep": 0.9}, {}),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
def test_equals_the_paper(core, name, driver):
    (update, inner, lr), (kind, own, other) = CORES[core], WRAPPED[name]
    if core == "momentum":
        other = {key: value for key, value in other.items() if key != "weight_decay"}
    params = parameters(shapes=SHAPES)
    groups = [{"params": params[:2]}, {"params": params[2:], **other}]
    optimizer = optim.create(f"{core}+{name.split('-')[0]}", groups, lr=lr, driver=driver, **inner, **own)
    settings = [{**inner, **own}] * 2 + [{**inner, **own, **other}]
    weights = [param.detach().numpy().copy() for param in params]
    oracle = kind(wrappers.Core(update, settings), settings, weights)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate(step)
        give_gradients(params, step, skip=(1,) if step % 7 == 4 else ())
        weights = oracle.step(weights, [None if p.grad is None else p.grad.numpy() for p in params], [lr * rate(step)] * 3)
        optimizer.step()
        assert difference(params, weights) <= TOLERANCE, f"step {step}"
    if name.startswith("ema"):
        with optimizer.averaged():
            assert difference(params, oracle.average) <= TOLERANCE


def difference(params, weights):
    return max(np.abs(p.detach().numpy() - w).max() for p, w in zip(params, weights, strict=True)) / max(np.abs(w).max() for w in weights)


@pytest.mark.parametrize("kind", ["sam", "asam"])
def test_two_gradients_equal_the_paper(kind):
    settings = {"sam_rho": 0.1} if kind == "sam" else {"asam_rho": 0.3, "asam_eta": 0.02}
    params = parameters(shapes=SHAPES)
    optimizer = optim.create(f"momentum+{kind}", params, lr=0.02, **settings)
    weights = [param.detach().numpy().copy() for param in params]
    core = wrappers.Core(sgd.update, [{"momentum": 0.9}] * 3)

    def closure():
        optimizer.zero_grad()
        loss = sum((param**4).sum() / 4 for param in params)
        loss.backward()
        return loss

    for step in range(STEPS):
        lr = optimizer.param_groups[0]["lr"] = 0.02 * rate(step)
        optimizer.step(closure)
        uphill = wrappers.ascent(kind, settings, weights, [w**3 for w in weights])
        weights = core.step(weights, [w**3 for w in uphill], [lr] * 3)
        assert difference(params, weights) <= TOLERANCE, f"step {step}"


@pytest.mark.parametrize("name", ["clip", "clip_value"])
def test_equals_torch(name):
    """torch's clipping before torch's AdamW."""
    ours, theirs = parameters(), parameters()
    mine, oracle = optim.create(f"adamw+{name}", ours, lr=0.02), torch.optim.AdamW(theirs, lr=0.02)
    for step in range(STEPS):
        for params, optimizer in ((ours, mine), (theirs, oracle)):
            optimizer.param_groups[0]["lr"] = 0.02 * rate(step)
            give_gradients(params, step, skip=(1,) if step % 7 == 4 else ())
        clip = torch.nn.utils.clip_grad_norm_ if name == "clip" else torch.nn.utils.clip_grad_value_
        clip(theirs, 1.0)
        mine.step()
        oracle.step()
        for a, b in zip(values(ours), values(theirs), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_the_average_equals_torchs():
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    optimizer = optim.create("sgd+ema", model.parameters(), lr=0.1, ema_decay=0.9)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    average.update_parameters(model)  # torch's first call copies
    for step in range(STEPS):
        give_gradients(list(model.parameters()), step)
        optimizer.step()
        average.update_parameters(model)
    with optimizer.averaged():
        for a, b in zip(model.parameters(), average.module.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["clip", "agc", "centralised", "lookahead"])
def test_equals_optax(name):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    transformations = {
        "clip": lambda: optax.clip_by_global_norm(2.0),
        "agc": lambda: optax.adaptive_grad_clip(0.3),
        "centralised": optax.centralize,
    }
    settings = {"clip": {"clip_norm": 2.0}, "agc": {"agc_bound": 0.3}, "lookahead": {"lookahead_k": 4, "lookahead_alpha": 0.3}}
    # Flax keeps the outputs of a matrix last; only optax's centring has them first, as torch has.
    turn = (lambda tensor: tensor.numpy().copy()) if name == "centralised" else (lambda tensor: tensor.numpy().T.copy())
    params = parameters(shapes=((4, 3), (5,)))
    optimizer = optim.create(f"momentum+{name}", params, lr=0.05, **settings.get(name, {}))
    with jax.enable_x64(True):
        inner = optax.sgd(0.05, 0.9)
        weights = {str(i): turn(p.detach()) for i, p in enumerate(params)}
        if name == "lookahead":
            chain, weights = optax.lookahead(inner, 4, 0.3), optax.LookaheadParams.init_synced(weights)
        else:
            chain = optax.chain(transformations[name](), inner)
        state = chain.init(weights)
        for step in range(STEPS):
            give_gradients(params, step)
            updates, state = chain.update({str(i): turn(p.grad) for i, p in enumerate(params)}, state, weights)
            weights = optax.apply_updates(weights, updates)
            optimizer.step()
            found = weights.fast if name == "lookahead" else weights
            tolerance = 1e-6 if name == "clip" else TOLERANCE  # torch adds 1e-6 to the norm
            ours = [torch.from_numpy(turn(p.detach())) for p in params]
            assert difference(ours, [np.asarray(w) for w in found.values()]) <= tolerance


NEUTRAL = {
    "lookahead": {"lookahead_alpha": 1.0},
    "clip": {"clip_norm": 1e30},
    "clip_value": {"clip_value": 1e30},
    "agc": {"agc_bound": 1e30},
    "clip_history": {"clip_history_warmup": 1000},
    "ema": {},
}


@pytest.mark.parametrize("name", NEUTRAL)
@pytest.mark.parametrize("core", ["sgd", "adamw", "lion", "adan"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_a_neutral_wrapper_keeps_every_bit(core, name, dtype):
    plain, dressed = parameters(dtype=dtype), parameters(dtype=dtype)
    train(optim.create(core, plain, lr=0.01), plain, 12, skip_at=(3,))
    train(optim.create(f"{core}+{name}", dressed, lr=0.01, **NEUTRAL[name]), dressed, 12, skip_at=(3,))
    assert same(values(plain), values(dressed))


def test_order_matters_from_the_inside_out():
    """Clipped before it is centred, or after."""
    results = []
    for name in ("sgd+centralised+clip", "sgd+clip+centralised"):
        params = parameters(shapes=((4, 3),))
        train(optim.create(name, params, lr=0.1, clip_norm=0.5), params, 1)
        results.append(values(params)[0])
    start = parameters(shapes=((4, 3),))
    give_gradients(start, 0)
    g = start[0].grad
    centred = g - g.mean(1, keepdim=True)
    for found, norm in zip(results, (g.norm(), centred.norm()), strict=True):
        torch.testing.assert_close(found, start[0].detach() - 0.1 * centred * 0.5 / (norm + 1e-6))


def test_wrappers_are_copied_with_their_settings():
    params = parameters()
    optimizer = optim.create("adamw+lookahead", params, lookahead_k=3)
    assert copy.deepcopy(optimizer).param_groups[0]["lookahead_k"] == 3
