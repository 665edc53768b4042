"""How far wrapped rules end up from their oracles, as `oracles` measures it for bare ones."""

import numpy as np
import torch

from oracles import STEPS, TOLERANCE, arrays, in_float64, share
from ravine import optim
from references import adam, lion, sgd, wrappers
from streams import give_gradients, parameters, rate

SOLID = ((4, 3), (5,), (2, 3, 2))
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
ASCENTS = {"sam": {"sam_rho": 0.1}, "asam": {"asam_rho": 0.3, "asam_eta": 0.02}}
WRAPPED_IN_TORCH = ("clip", "clip_value")
WRAPPED_IN_OPTAX = {"clip": 1e-6, "agc": TOLERANCE, "centralised": TOLERANCE, "lookahead": TOLERANCE}
"""Wrappers that optax has, and the tolerance: ours and torch's clipping add 1e-6 to the norm."""


def wrapped_from_paper(core, name, driver="foreach"):
    """A wrapped rule beside the transcriptions of both papers; where it averages, the averages as well."""
    (update, inner, lr), (kind, own, other) = CORES[core], WRAPPED[name]
    if core == "momentum":
        other = {key: value for key, value in other.items() if key != "weight_decay"}
    params, worst = parameters(shapes=SOLID), 0.0
    groups = [{"params": params[:2]}, {"params": params[2:], **other}]
    optimizer = optim.create(f"{core}+{name.split('-')[0]}", groups, lr=lr, driver=driver, **inner, **own)
    settings = [{**inner, **own}] * 2 + [{**inner, **own, **other}]
    weights = arrays(params)
    oracle = kind(wrappers.Core(update, settings), settings, weights)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate(step)
        give_gradients(params, step, skip=(1,) if step % 7 == 4 else ())
        weights = oracle.step(weights, [None if p.grad is None else p.grad.numpy() for p in params], [lr * rate(step)] * 3)
        optimizer.step()
        worst = max(worst, share(arrays(params), weights))
    if name.startswith("ema"):
        with optimizer.averaged():
            worst = max(worst, share(arrays(params), oracle.average))
    return worst


def ascent_from_paper(kind):
    """Two gradients a step, of a quartic, beside the transcription of the paper."""
    params, worst = parameters(shapes=SOLID), 0.0
    optimizer = optim.create(f"momentum+{kind}", params, lr=0.02, **ASCENTS[kind])
    weights = arrays(params)
    core = wrappers.Core(sgd.update, [{"momentum": 0.9}] * 3)

    def closure():
        optimizer.zero_grad()
        loss = sum((param**4).sum() / 4 for param in params)
        loss.backward()
        return loss

    for step in range(STEPS):
        lr = optimizer.param_groups[0]["lr"] = 0.02 * rate(step)
        optimizer.step(closure)
        uphill = wrappers.ascent(kind, ASCENTS[kind], weights, [w**3 for w in weights])
        weights = core.step(weights, [w**3 for w in uphill], [lr] * 3)
        worst = max(worst, share(arrays(params), weights))
    return worst


def wrapped_from_torch(name):
    """Clipping around AdamW beside torch's clipping before torch's AdamW."""
    ours, theirs, worst = parameters(), parameters(), 0.0
    mine, oracle = optim.create(f"adamw+{name}", ours, lr=0.02), torch.optim.AdamW(theirs, lr=0.02)
    for step in range(STEPS):
        for params, optimizer in ((ours, mine), (theirs, oracle)):
            optimizer.param_groups[0]["lr"] = 0.02 * rate(step)
            give_gradients(params, step, skip=(1,) if step % 7 == 4 else ())
        clip = torch.nn.utils.clip_grad_norm_ if name == "clip" else torch.nn.utils.clip_grad_value_
        clip(theirs, 1.0)
        mine.step()
        oracle.step()
        worst = max(worst, share(arrays(ours), arrays(theirs)))
    return worst


def average_from_torch():
    """The average beside that of torch's `AveragedModel`."""
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    optimizer = optim.create("sgd+ema", model.parameters(), lr=0.1, ema_decay=0.9)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    average.update_parameters(model)  # torch's first call copies
    worst = 0.0
    for step in range(STEPS):
        give_gradients(list(model.parameters()), step)
        optimizer.step()
        average.update_parameters(model)
        with optimizer.averaged():
            worst = max(worst, share(arrays(model.parameters()), arrays(average.module.parameters())))
    return worst


def wrapped_from_optax(name):
    """Around SGD with momentum, beside optax's form of the wrapper around optax's."""
    import optax

    transformations = {
        "clip": lambda: optax.clip_by_global_norm(2.0),
        "agc": lambda: optax.adaptive_grad_clip(0.3),
        "centralised": optax.centralize,
    }
    settings = {"clip": {"clip_norm": 2.0}, "agc": {"agc_bound": 0.3}, "lookahead": {"lookahead_k": 4, "lookahead_alpha": 0.3}}
    # Flax keeps the outputs of a matrix last; only optax's centring has them first, as torch has.
    turn = (lambda tensor: tensor.numpy().copy()) if name == "centralised" else (lambda tensor: tensor.numpy().T.copy())
    params, worst = parameters(shapes=((4, 3), (5,))), 0.0
    optimizer = optim.create(f"momentum+{name}", params, lr=0.05, **settings.get(name, {}))
    with in_float64():
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
            worst = max(worst, share([turn(p.detach()) for p in params], [np.asarray(w) for w in found.values()]))
    return worst
