"""Rungs that look at the loss: where it begins, whether inputs matter, and whether one batch can be learnt."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.doctor import checks_control, trials
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.reach import OVERFIT, unreached
from ravine.doctor.subject import FEWEST_STEPS, LOOKED_AT, Subject, variant
from ravine.fleet import Evaluations, Fleet
from ravine.fleet.data import duplicate, gather, size
from ravine.records.findings import Finding, Severity
from ravine.schedules import create
from ravine.tasks import Splits
from ravine.tasks._randomness import isolated
from ravine.tasks.hints import CLASS_LOSSES, name_of
from ravine.tasks.metrics import accuracy
from ravine.tasks.objective import divide
from ravine.tasks.splits import take

INITIAL, INDEPENDENT = "initial loss", "input-independent baseline"
_KARPATHY = "Karpathy (2019), A recipe for training neural networks"
_CS231N = "Stanford CS231n, Neural networks part 3"

PASSES, WARNS = 0.10, 0.50
"""Relative distance of the initial loss of class scores from what is expected."""
REGRESSION_PASSES, REGRESSION_WARNS = 3.0, 10.0
"""The same as a factor for squares, whose start has a spread of its own (decision 0019)."""

TOO_HIGH = "the loss begins too high"
NO_INPUT = "the inputs say nothing of the validation targets"
BETTER = 0.99
"""Share of the loss without inputs that the loss with them must stay below."""
CHANCE = 4.5
"""Over the rows of validation: the share of the loss that outputs gain there by luck at three standard deviations, z^2 / 2n."""

LEARNT, BEGUN = 0.01, 0.10
"""Share of the initial loss below which one batch is learnt, and below which it is on the way."""
OVERFIT_RATES = (3e-4, 3e-3, 3e-2)
OVERFIT_STEPS = 1000
FEW_ROWS = 4
TARGETS = 64
"""Most numbers to be learnt by heart."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model that knows nothing should lose.

    Attributes:
        values: name -> loss; any of them will do.
        is_square: whether it is a mean of squares.
    """

    values: dict[str, float]
    is_square: bool = False


def expected(subject: Subject, output: Any) -> Expected | None:
    """The loss that a fresh model should have; None where it is not known."""
    target, name = subject.target, name_of(subject.task.loss)
    prior = subject.task.baseline_loss()
    if not isinstance(target, Tensor) or prior is None:
        return None
    if subject.has_classes and isinstance(output, Tensor) and output.ndim > 1:
        # nll_loss and cross_entropy have classes second; who wraps them for sequences has them last.
        classes = output.shape[1] if name in CLASS_LOSSES else output.shape[-1]
        return Expected({f"ln {classes}": math.log(classes), "the entropy of the classes": prior})
    if "binary" in name or "BCE" in name:
        return Expected({"ln 2": math.log(2), "the entropy of the labels": prior})
    moment = float(target.double().square().mean())
    return Expected({"the second moment of the target": moment, "its variance": prior}, is_square=True)


def initial_loss(subject: Subject) -> Outcome:
    """The loss of fresh models, against what one that knows nothing loses."""
    losses = [_loss(subject, seed) for seed in range(subject.settings.seeds)]
    loss = float(np.median(losses))
    model = subject.model()
    output = subject.output(subject.many, model)
    if not all(map(math.isfinite, losses)):
        remedy = "Look for an overflow, the log of zero or a division by zero in the model or the loss."
        broken = Finding("error", INITIAL, "the loss is not finite before any step", f"{losses}", "finite", _KARPATHY, "", remedy)
        return judged(INITIAL, f"{losses}", [broken], stops="the loss is not finite before the first step")
    shape = [*_broadcast(subject, output), *_of_output(subject, output), *_adding_up(subject, output)]
    known = expected(subject, output)
    if known is None:
        measured = f"{loss:.4g}; what to expect is not known for {name_of(subject.task.step or subject.task.loss)}"
        return judged(INITIAL, measured, shape) if shape else unknown(INITIAL, measured)
    measured, found = _against(losses, known)
    # Where the loss computes something else, its start says nothing of the weights.
    return judged(INITIAL, measured, shape or found)


def _loss(subject: Subject, seed: int) -> float:
    objective = subject.objective(seed)
    with isolated(seed), torch.enable_grad():
        return float(objective(duplicate(subject.many)).detach())


def _against(losses: list[float], known: Expected) -> tuple[str, list[Finding]]:
    loss = float(np.median(losses))
    name, value = min(known.values.items(), key=lambda pair: abs(loss - pair[1]))
    if known.is_square:
        name, value = max(known.values.items(), key=lambda pair: pair[1])
        offs, limits = [one / value if value else 1.0 for one in losses], (REGRESSION_PASSES, REGRESSION_WARNS)
        off = float(np.median(offs))
        measured = f"{loss:.4g}, {off:.3g} times {name} ({value:.4g})"
    else:
        offs, limits = [abs(one - value) / value if value else 0.0 for one in losses], (PASSES, WARNS)
        off = abs(loss - value) / value if value else 0.0
        measured = f"{loss:.4g}, {off:.0%} from {name} ({value:.4g})"
    # A single seed may begin far off by luck, where few inputs differ.
    if off <= limits[0] or min(offs) <= limits[0]:
        return measured, []
    threshold = f"within {limits[0]:g} times, to {limits[1]:g} a warning" if known.is_square else "within 10 %, to 50 % a warning"
    title = TOO_HIGH if loss > value else "the loss begins too low"
    remedy = (
        "Scale inputs and targets to about 1, and start the last layer small: nn.init.normal_(head.weight, std=0.01); "
        "nn.init.zeros_(head.bias)"
        if loss > value
        else "Unless the weights were trained before: look for the target among the inputs, and at the loss's reduction."
    )
    severity: Severity = "error" if off > limits[1] else "warning"
    return measured, [Finding(severity, INITIAL, title, measured, threshold, f"{_KARPATHY}; PROTOCOL", "the last layer", remedy)]


def _of_output(subject: Subject, output: Any) -> Iterator[Finding]:
    """Outputs that the loss takes for something else."""
    name = name_of(subject.task.loss)
    if not isinstance(output, Tensor) or output.ndim < 2 or output.shape[1] < 2 or not output.is_floating_point():
        if "logits" in name.lower() and isinstance(output, Tensor) and bool(((output >= 0) & (output <= 1)).all()) and output.numel() > 8:
            yield _mistaken(f"all {output.numel():,} outputs lie in [0, 1]", f"{name} takes logits", "Leave out the sigmoid at the end.")
        return
    sums = output.float().sum(1)
    are_shares = bool((output >= 0).all()) and bool((sums - 1).abs().max() < 1e-3)
    if name in ("cross_entropy", "CrossEntropyLoss") and are_shares:
        yield _mistaken("outputs are positive and add up to 1", f"{name} takes logits", "Leave out the softmax at the end.")
    if name in ("nll_loss", "NLLLoss") and bool((output.float().exp().sum(1) - 1).abs().max() > 1e-2):
        remedy = "Use F.cross_entropy, or end the model with F.log_softmax(x, dim=1)."
        yield _mistaken("exp(outputs) do not add up to 1", f"{name} takes log-probabilities", remedy)


def _broadcast(subject: Subject, output: Any) -> Iterator[Finding]:
    """Whether the loss pairs every output with every target, since their shapes differ by a dimension of one."""
    if subject.task.loss is None:
        return
    target = divide(subject.many)[1]
    if not isinstance(output, Tensor) or not isinstance(target, Tensor) or output.ndim == target.ndim:
        return
    # Only where both hold the same numbers in the same order.
    if not target.is_floating_point() or [n for n in output.shape if n > 1] != [n for n in target.shape if n > 1]:
        return
    try:
        with isolated(0), torch.no_grad():
            given, paired = (float(subject.task.loss(one, target.clone())) for one in (output, output.reshape(target.shape)))
    except Exception:  # a loss of the user's own may insist on the shape that it was given, which is no fault
        return
    if abs(given - paired) > 1e-5 * max(abs(given), abs(paired)):
        shapes = f"outputs of {tuple(output.shape)}, targets of {tuple(target.shape)}"
        measured = f"{shapes}: {given:.4g}, and {paired:.4g} with each output beside its own target"
        remedy = "Give both one shape: output.squeeze(1) in the model, or target[:, None] in the data."
        if output.ndim < target.ndim:
            remedy = "Give both one shape: target.squeeze(1) in the data, or output[:, None] in the model."
        title, source = "the loss compares every output with every target", "torch's documentation: broadcasting semantics"
        yield Finding("error", INITIAL, title, measured, "one shape", source, "the loss", remedy)


def _adding_up(subject: Subject, output: Any) -> Iterator[Finding]:
    """Whether a batch given twice over loses twice as much."""
    if subject.task.loss is None or subject.batch_size < 2:
        return
    target = duplicate(divide(subject.many)[1])
    try:
        pair = pytree.tree_map(lambda leaf: torch.cat([leaf, leaf]), (output, target))
        with isolated(0), torch.no_grad():
            once, twice = float(subject.task.loss(output, target)), float(subject.task.loss(*pair))
    except Exception:  # a loss of the user's own may refuse another number of rows, which is no fault
        return
    if once and abs(twice / once - 2) < 1e-3:
        remedy = "Average instead: reduction='mean', or loss / len(target). Else the best rate depends on the batch size."
        measured = f"{once:.4g} on {size(target):,} rows, {twice:.4g} on the same rows twice"
        title, source = "the loss adds up over rows", "Goyal et al. (2017), arXiv:1706.02677, section 3"
        yield Finding("warning", INITIAL, title, measured, "the same", source, "the loss", remedy)


def _mistaken(measured: str, threshold: str, remedy: str) -> Finding:
    title = "the loss takes the output for something else"
    return Finding("error", INITIAL, title, measured, threshold, "torch's documentation of the loss", "the model's output", remedy)


def input_independent(subject: Subject) -> Outcome:
    """Whether zeroed inputs do worse, and whether rows are told apart."""
    leak = list(_across_rows(subject))
    if subject.task.step is not None:
        return (
            judged(INDEPENDENT, "inputs of a step of its own cannot be told from targets", leak)
            if leak
            else unknown(INDEPENDENT, "inputs of a step of its own cannot be told from targets")
        )
    steps, data = subject.steps, subject.task.data
    validation = take(data.validation, torch.arange(min(LOOKED_AT, size(data.validation))))
    parts = checks_control.held_out(subject)
    train, splits = (parts[0], {"validation": validation, "control": parts[1]}) if parts else (data.train, {"validation": validation})
    known = _reached(subject, train, splits, steps)
    plain = _reached(subject, _blank(train), {name: _blank(split) for name, split in splits.items()}, steps)
    with_inputs, without = known["validation"], plain["validation"]
    measured = f"validation loss {with_inputs:.4g} with inputs, {without:.4g} with zeros in their place, after {steps} steps"
    if not math.isfinite(with_inputs) or not math.isfinite(without):
        return unknown(INDEPENDENT, measured, leak)
    apart = checks_control.compared(subject, parts, known, plain) if parts else None
    if apart is not None:
        return judged(INDEPENDENT, measured, [*leak, apart])
    if with_inputs < BETTER * without or (without < 0 and with_inputs < without):
        chance = CHANCE / size(validation)
        if without > 0 and with_inputs > (1 - chance) * without:
            return unknown(INDEPENDENT, f"{measured}: on {size(validation)} rows, chance may gain {chance:.1%}", leak)
        return judged(INDEPENDENT, measured, leak)
    if steps < subject.settings.steps:
        return unknown(INDEPENDENT, f"{measured}: too few to tell", leak)
    remedy = "Compare some rows with their labels by eye, as the model gets them; look for shuffling of one without the other, for "
    remedy += "augmentation that changes the label, and for layers that see no input."
    found = Finding("error", INDEPENDENT, NO_INPUT, measured, f"below {BETTER:g} times", _KARPATHY, "inputs and labels", remedy)
    return judged(INDEPENDENT, measured, [*leak, found])


def _reached(subject: Subject, train: Any, splits: Mapping[str, Any], steps: int) -> dict[str, float]:
    """The lowest loss on every split of any rate that lasted for two evaluations, as a mean over seeds: a single one may be luck."""
    rates = [subject.settings.entry.search_lr * factor for factor in (1.0, 10.0)]
    seeds = [0, 1]
    lanes = trials.lanes_of(subject.settings.optimizer, rates, seeds)
    fleet = Fleet(subject.task, race_seed=subject.settings.seed, train=train)
    # A fleet knows validation and test by name: the control takes the place of the latter.
    names = dict(zip(splits, ("validation", "test"), strict=False))
    when = trials.marks(steps, 8)
    evaluations = Evaluations(dict.fromkeys(names.values(), when), {names[key]: split for key, split in splits.items()})
    curves = trials.train(fleet, lanes, steps, evaluations)
    found = {key: trials.best(curves, "loss" if name == "validation" else f"{name} loss", held=2) for key, name in names.items()}
    return {key: float(lows.reshape(len(rates), len(seeds)).mean(axis=1).min()) for key, lows in found.items()}


def _blank(tree: Any) -> Any:
    """The rows with zeros for everything but the target."""
    return (*pytree.tree_map(torch.zeros_like, tree[:-1]), tree[-1])


def _across_rows(subject: Subject) -> Iterator[Finding]:
    """Whether the output of one row changes with the other rows, in evaluation mode."""
    if subject.task.step is not None:
        return
    inputs = duplicate(divide(subject.batch)[0])
    if size(inputs) < 2:
        return
    # Not merely in another order, which a mean over rows would not notice.
    others = pytree.tree_map(lambda leaf: torch.cat([leaf[:1], leaf[1:2].expand_as(leaf[1:])]), inputs)
    with isolated(0), torch.enable_grad():
        first = _first_rows(subject.model().eval()(*duplicate(inputs)), size(inputs))
    with isolated(0), torch.enable_grad():
        second = _first_rows(subject.model().eval()(*duplicate(others)), size(inputs))
    moved = max((float((a - b).abs().max() / a.abs().max().clamp(min=1e-12)) for a, b in zip(first, second, strict=True)), default=0.0)
    # Rounding may depend on what else a kernel computes; a thousand times float32's resolution is beyond it.
    if moved > 1e-4:
        remedy = "Look for a softmax, mean or normalisation over dimension 0, and for view() or reshape() that mixes rows."
        measured = f"the output of row 0 moves by {moved:.2g} of its size when other rows change"
        yield Finding("error", INDEPENDENT, "rows of a batch see each other", measured, "0", _KARPATHY, "the model, in eval()", remedy)


def _first_rows(output: Any, rows: int) -> list[Tensor]:
    leaves = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return [leaf[0].detach() for leaf in leaves if leaf.ndim and len(leaf) == rows and leaf[0].numel()]


def overfit(subject: Subject) -> Outcome:
    """Whether one small batch can be learnt by heart, without regularisation, at any of three rates; else, whether a smaller one can."""
    rows = _rows(subject)
    outcome = _overfit_rows(subject, rows)
    cause = None if outcome.rung.verdict == "pass" else unreached(subject)
    if cause is not None:
        return judged(OVERFIT, outcome.rung.measured, [cause], stops=outcome.stops)
    if not outcome.findings or rows <= FEW_ROWS or outcome.stops:
        return outcome
    fewer = _overfit_rows(subject, FEW_ROWS)
    if fewer.findings:
        return outcome
    (found,) = outcome.findings
    return judged(OVERFIT, f"{fewer.rung.measured}; {outcome.rung.measured}", [replace(found, severity="information")])


def _overfit_rows(subject: Subject, rows: int) -> Outcome:
    batch, steps = gather(subject.batch, torch.arange(rows)), _overfit_steps(subject, rows)
    metrics: dict[str, Any] = {"accuracy": accuracy} if subject.has_classes else {}
    task = variant(subject.task, model=lambda: _unregularised(subject.task.model()), batch_size=None, metrics=metrics, rank_by="loss")
    task.__dict__["data"] = Splits(batch, batch)
    lanes = trials.lanes_of("adam", OVERFIT_RATES, [0], schedule=create("cosine"), is_decaying=False)
    firsts = list[float]()

    def is_learnt(values: Mapping[str, np.ndarray]) -> bool:
        firsts.append(float(values["loss"][0]))
        hits = values["loss"] <= LEARNT * abs(firsts[0])
        return bool((hits & (values["accuracy"] >= 1.0)).any() if subject.has_classes else hits.any())

    evaluations = Evaluations({"validation": trials.marks(steps, 20)}, {"validation": batch})
    curves = trials.train(Fleet(task, race_seed=subject.settings.seed), lanes, steps, evaluations, until=is_learnt)
    return _overfit_verdict(subject, curves, rows, steps)


def _overfit_steps(subject: Subject, rows: int) -> int:
    share = max(0.1, rows / subject.batch_size)
    fits = int(subject.settings.seconds / 4 / (len(OVERFIT_RATES) * share * max(subject.step_s, 1e-7)))
    return max(FEWEST_STEPS, min(OVERFIT_STEPS, fits))


def _rows(subject: Subject) -> int:
    """2 to 16 rows, with at most `TARGETS` numbers to learn."""
    target = subject.target
    each = max(1, target[0].numel()) if isinstance(target, Tensor) and subject.can_reach_zero else 4
    return min(size(subject.batch), max(2, min(16, TARGETS // each)))


def _unregularised(model: nn.Module) -> nn.Module:
    for module in model.modules():
        for name in ("p", "drop_prob", "dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


def _overfit_verdict(subject: Subject, curves: trials.Curves, rows: int, steps: int) -> Outcome:
    table = np.stack([values["loss"] for values in curves.evaluations.values()])
    first = float(table[0][np.isfinite(table[0])][0]) if np.isfinite(table[0]).any() else math.nan
    low = float(np.nanmin(table))
    hits = [float(np.nanmax(values["accuracy"])) for values in curves.evaluations.values() if "accuracy" in values]
    taken = max(curves.evaluations)
    right = f", accuracy {max(hits):.0%}" if hits else ""
    measured = f"{rows} rows: loss {first:.4g} to {low:.3g} in {taken} steps{right}"
    is_learnt = low <= LEARNT * abs(first) and (not hits or max(hits) >= 1.0)
    if is_learnt or low < 0:
        return judged(OVERFIT, measured)
    if not subject.can_reach_zero:
        return unknown(OVERFIT, f"{measured}; whether its loss can reach 0 is not known")
    if steps < OVERFIT_STEPS and low < 0.9 * first:
        return unknown(OVERFIT, f"{measured}: too few to tell")
    is_begun = low <= BEGUN * abs(first)
    remedy = (
        "Give the model more capacity, or look for equal inputs with different targets."
        if is_begun
        else "Look for outputs detached from the weights, frozen layers, dead units, a wrong target or loss; see the rungs above."
    )
    severity: Severity = "warning" if is_begun else "error"
    title = "one batch is not learnt by heart" if is_begun else "not even one batch can be learnt"
    threshold = f"below {LEARNT:.0%} of the initial loss{' and accuracy 1' if hits else ''}"
    found = Finding(severity, OVERFIT, title, measured, threshold, f"{_KARPATHY}; {_CS231N}", "", remedy)
    return judged(OVERFIT, measured, [found], stops="" if is_begun else "not even one batch can be learnt")
