"""Rungs on numbers that float types cannot hold, on curvature, and on the noise of gradients."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ravine.base._seeds import derive
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.probe import Reading, untouched
from ravine.doctor.short_run import ShortRun
from ravine.doctor.signals import gradient_noise
from ravine.doctor.subject import Subject
from ravine.fleet.data import duplicate, size
from ravine.fleet.habits import coarsest_dtype
from ravine.records.findings import Finding, Severity
from ravine.tasks._randomness import isolated

PRECISION, CURVATURE, BATCH = "precision", "curvature", "batch size"
LOST, MOST = 0.05, 0.50
"""Share of the gradients' numbers that may vanish in float16, and from which next to nothing is learnt."""
SCALE = 2.0**14
"""Of the loss, by which numbers that vanish are seen: a quarter of what GradScaler begins with."""
ITERATIONS = 15
"""Of the power method: the largest eigenvalue within some 10 %."""
NOISE_BATCHES = 8
_IEEE = "IEEE 754; Micikevicius et al. (2018), arXiv:1710.03740"
_EDGE = "Cohen et al. (2021), arXiv:2103.00065; for Adam (2022), arXiv:2207.14484"
_NOISE = "McCandlish et al. (2018), arXiv:1812.06162"


def precision(subject: Subject, before: Reading, after: Reading) -> Outcome:
    """Numbers that were lost on the way: log(0), 0/0, overflow and underflow."""
    coarsest = coarsest_dtype(subject.objective(), subject.batch)
    kind = str(coarsest).removeprefix("torch.")
    lost = max(before.smallest, after.smallest, _gone(subject) if coarsest == torch.float16 else 0.0)
    found = list(_doubtful(before, after))
    if coarsest == torch.float16 and lost > LOST:
        remedy = "Scale the loss (torch.amp.GradScaler), or compute in bfloat16."
        title, threshold = "gradients vanish in float16", f"at most {LOST:.0%}"
        severity: Severity = "error" if lost > MOST else "warning"
        found.append(Finding(severity, PRECISION, title, f"{lost:.1%} of the non-zero numbers", threshold, _IEEE, "the gradients", remedy))
    return judged(PRECISION, f"computes in {kind}; {lost:.2%} of the gradients' numbers would vanish in float16", found)


def _gone(subject: Subject) -> float:
    """Share of the gradients' numbers that are zero, and are not where the loss is scaled up before it is differentiated."""
    kept = list[Tensor]()
    for scale in (1.0, SCALE):
        objective = subject.objective()
        named = [p for p in objective.parameters() if p.requires_grad]
        with isolated(0), torch.enable_grad():
            found = torch.autograd.grad(objective(duplicate(subject.batch)) * scale, named, allow_unused=True)
        kept.append(torch.cat([g.detach().flatten().float() for g in found if g is not None]))
    plain, scaled = kept
    # What overflows instead is not known to be lost.
    known = torch.isfinite(scaled) & (scaled != 0)
    return float((plain[known] == 0).float().mean()) if bool(known.any()) else 0.0


def _doubtful(*readings: Reading) -> Iterator[Finding]:
    seen = {(one.place, one.operation): one for reading in readings for one in reading.doubtful}
    for one in seen.values():
        what, where = f"{one.operation} {one.what}", one.place
        if one.is_broken:
            remedy = "Keep its argument from the edge: torch.log(x.clamp(min=1e-8)), x / (y + eps), F.log_softmax for log(softmax)."
            yield Finding("warning", PRECISION, "an operation leaves the finite numbers", what, "finite", "IEEE 754", where, remedy)
        else:
            remedy = "Sum in float32: x.float().sum()"
            yield Finding("warning", PRECISION, "a long sum in half precision", what, "2,048 terms", _IEEE, where, remedy)


def curvature(subject: Subject, run: ShortRun, lr: float) -> Outcome:
    """The largest eigenvalue of the Hessian against what the rate is stable with; for Adam's kind, preconditioned."""
    entry, momentum = (
        subject.settings.entry,
        float(subject.settings.hypers.get("momentum", subject.settings.entry.defaults.get("momentum", 0.0))),
    )
    try:
        start = largest_eigenvalue(subject.objective(), subject.batch, seed=subject.settings.seed)
        if entry.rule.name == "sgd":
            limit = 2 * (1 + momentum) / lr
            measured = f"lambda_max {start:.3g} at the start, {limit:.3g} is stable with lr={lr:.3g}"
            return judged(CURVATURE, measured, [_sharp(measured, limit, start, momentum)] if start > limit else [])
        scales = _preconditioner(run)
        late = None if scales is None else largest_eigenvalue(run.objective, subject.batch, seed=subject.settings.seed, scales=scales)
    except RuntimeError as error:
        return unknown(CURVATURE, f"the loss cannot be differentiated twice: {str(error).splitlines()[0]}")
    if late is not None:
        return judged(CURVATURE, f"lambda_max {start:.3g} at the start; preconditioned {late:.3g} at the end, 38/lr is {38 / lr:.3g}")
    return judged(CURVATURE, f"lambda_max {start:.3g} at the start; no bound is known for {entry.name}")


def _sharp(measured: str, limit: float, start: float, momentum: float) -> Finding:
    safe = 2 * (1 + momentum) / start
    title, remedy = "the loss begins steeper than the rate can follow", f"Warm up over the first steps, or use lr={safe:.1g} or less."
    return Finding("warning", CURVATURE, title, measured, f"2 (1 + momentum) / lr = {limit:.3g}", _EDGE, "the first step", remedy)


def largest_eigenvalue(objective: nn.Module, batch: Any, *, seed: int = 0, scales: Sequence[Tensor] | None = None) -> float:
    """The eigenvalue of largest size of a batch's Hessian, by the power method on Hessian-vector products.

    Args:
        objective: maps a batch to a loss.
        batch: copied.
        seed: of the first vector.
        scales: for D^(-1/2) H D^(-1/2): the numbers D^(-1/2), in the order of the parameters that require gradients.

    Raises:
        RuntimeError: something in it cannot be differentiated twice.
    """
    named = [p for p in objective.parameters() if p.requires_grad]
    # Fused attention has no second derivative: torch writes it out instead.
    written_out = sdpa_kernel(SDPBackend.MATH)
    with untouched(objective), isolated(derive(seed, "curvature")), torch.enable_grad(), written_out:
        objective.train()
        given = torch.autograd.grad(objective(duplicate(batch)), named, create_graph=True, allow_unused=True)
        kept = [
            (p, g, None if scales is None else scales[place])
            for place, (p, g) in enumerate(zip(named, given, strict=True))
            if g is not None
        ]
        vector, value = [torch.randn_like(p) for p, _, _ in kept], 0.0
        for _ in range(ITERATIONS):
            vector = _unit(vector)
            value, vector = _product(kept, vector)
    return value


def _product(kept: Sequence[tuple[Tensor, Tensor, Tensor | None]], vector: list[Tensor]) -> tuple[float, list[Tensor]]:
    """The Rayleigh quotient of a unit vector, and the matrix times it."""
    scaled = [v if s is None else v * s for v, (_, _, s) in zip(vector, kept, strict=True)]
    along = torch.stack([(g * v).sum() for (_, g, _), v in zip(kept, scaled, strict=True)]).sum()
    if not along.requires_grad:
        return 0.0, vector
    rows = torch.autograd.grad(along, [p for p, _, _ in kept], retain_graph=True, allow_unused=True)
    if all(row is None for row in rows):
        raise RuntimeError("its gradient does not lead back to the weights")
    product = [
        torch.zeros_like(v) if row is None else (row if s is None else row * s)
        for row, v, (_, _, s) in zip(rows, vector, kept, strict=True)
    ]
    return float(sum((v * row).sum() for v, row in zip(vector, product, strict=True))), product


def _unit(vector: list[Tensor]) -> list[Tensor]:
    norm = torch.stack([v.norm() for v in vector]).norm().clamp(min=1e-30)
    return [v / norm for v in vector]


def _preconditioner(run: ShortRun) -> list[Tensor] | None:
    """1 / sqrt(sqrt(v) + eps) of an optimizer that keeps a second moment."""
    scales = []
    for p in (p for p in run.objective.parameters() if p.requires_grad):
        state = run.optimizer.state.get(p, {})
        if "exp_avg_sq" not in state or not isinstance(state["exp_avg_sq"], Tensor) or state["exp_avg_sq"].shape != p.shape:
            return None
        scales.append((state["exp_avg_sq"].sqrt() + 1e-8).rsqrt())
    return scales


def batch_size(subject: Subject, run: ShortRun) -> Outcome:
    """The gradient noise scale at the end of the short training, from single batches and their mean."""
    if subject.batch_size * 2 > size(subject.train):
        return judged(BATCH, f"{subject.batch_size} rows, which are all or most that there are")
    named = [p for p in run.objective.parameters() if p.requires_grad]
    small, total = list[float](), [torch.zeros_like(p) for p in named]
    with untouched(run.objective), torch.enable_grad():
        for place, batch in enumerate(subject.batches(NOISE_BATCHES)):
            with isolated(place):
                found = torch.autograd.grad(run.objective.train()(duplicate(batch)), named, allow_unused=True)
            gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(named, found, strict=True)]
            small.append(float(sum(g.double().square().sum() for g in gradients)))
            total = [have + g / NOISE_BATCHES for have, g in zip(total, gradients, strict=True)]
    whole = float(sum(g.double().square().sum() for g in total))
    noise = gradient_noise(small, [whole], small_batch=subject.batch_size, big_batch=subject.batch_size * NOISE_BATCHES)
    if noise.scale is None or noise.scale <= 0:
        return unknown(BATCH, f"{subject.batch_size} rows; the noise scale drowns in noise")
    measured = f"{subject.batch_size} rows; gradient noise scale {noise.scale:.3g}"
    remedy = "Batches well below it are cheapest in data, well above it they save no steps."
    where = f"after {len(run.trajectory.losses)} steps"
    return judged(BATCH, measured, [Finding("information", BATCH, "the gradient noise scale", measured, "none", _NOISE, where, remedy)])
