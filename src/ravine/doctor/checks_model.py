"""The lowest rung, on the model alone: units that start as copies of each other, and an evaluation that draws random numbers."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.doctor import structure
from ravine.doctor.subject import Subject
from ravine.fleet.data import duplicate
from ravine.records.findings import Finding, Severity
from ravine.tasks._randomness import isolated
from ravine.tasks.objective import divide

LOADING = "loading"
SYMMETRIC, RANDOM_EVALUATION = "units of a layer start as copies of each other", "evaluation depends on the random seed"
CROWDED = "one id holds nearly all places"
EQUAL = 1e-4
"""Difference between rows of a gradient, relative to its largest number, up to which they are equal."""
MOVED = 1e-3
"""Share of its size by which an output may move with the seed: a thousand times what the order of a sum does in float32."""
HELD, IDS, TABLE = 0.8, 8, 16
"""Of ids: the share of places that one may hold, the fewest different ones, and the fewest rows of the table they are looked up in."""
ELSEWHERE = 0.01
"""Share of the places between the ends of rows that an id which pads them may hold."""
_GOODFELLOW = "Goodfellow, Bengio and Courville (2016), Deep learning, section 8.4"
_DROPOUT = "torch's documentation of dropout: training=True by default"
_VOCABULARY = "Jurafsky and Martin, Speech and language processing, chapter 3; decision 0019"


def model(subject: Subject) -> Iterator[Finding]:
    """What is wrong with the model, whatever it is trained on.

    Args:
        subject: of a task that runs.
    """
    yield from _symmetric(subject)
    yield from _random(subject)
    yield from _crowded(subject)


def _symmetric(subject: Subject) -> Iterator[Finding]:
    """Matrices whose rows are equal, and whose gradient's rows are: no step ever tells these units apart."""
    objective = subject.objective()
    alike = {name: p for name, p in objective.model.named_parameters() if p.requires_grad and _are_equal(p.detach(), 0.0)}
    if not alike:
        return
    with isolated(0), torch.enable_grad():
        found = torch.autograd.grad(objective(duplicate(subject.batch)), list(alike.values()), allow_unused=True)
    # Without a gradient at all, a gate may be shut on purpose; a head of zeros has another gradient in every row.
    stuck = [name for name, grad in zip(alike, found, strict=True) if grad is not None and bool(grad.any()) and _are_equal(grad, EQUAL)]
    if stuck:
        rows = ", ".join(str(len(alike[name])) for name in stuck[:3])
        measured = f"all {rows} rows are equal in {len(stuck)} of the weights, and so are those of their gradients"
        remedy = "Draw weights at random, as torch does by default: nn.init.kaiming_uniform_(weight), not nn.init.constant_."
        yield Finding("error", LOADING, SYMMETRIC, measured, "rows that differ", _GOODFELLOW, structure.few(stuck), remedy)


def _are_equal(matrix: Tensor, tolerance: float) -> bool:
    if matrix.ndim < 2 or len(matrix) < 2 or not matrix.numel():
        return False
    return bool((matrix - matrix[:1]).abs().max() <= tolerance * matrix.abs().max())


def _random(subject: Subject) -> Iterator[Finding]:
    """Whether the output for the same rows moves with the seed in evaluation mode."""
    first, second = (_evaluated(subject, seed) for seed in (0, 1))
    moved = max((float((a - b).abs().max() / a.abs().max().clamp(min=1e-12)) for a, b in zip(first, second, strict=True)), default=0.0)
    if not moved > MOVED:
        return
    is_own = subject.task.step is not None or len(first) > 1
    severity: Severity = "information" if is_own else "warning"
    remedy = "F.dropout(x, p, training=self.training): by itself it drops in evaluation too. Draw other noise if self.training alone."
    if is_own:
        remedy += " Nothing, where the model is meant to draw, as a variational autoencoder does."
    what = "loss" if subject.task.step is not None else "output"
    measured = f"in eval(), the {what} for the same rows moves by {moved:.2g} of its size from one seed to another"
    yield Finding(severity, LOADING, RANDOM_EVALUATION, measured, "0", _DROPOUT, "the model, in eval()", remedy)


def _evaluated(subject: Subject, seed: int) -> list[Tensor]:
    objective = subject.objective().eval()
    # With gradients, since a loss may take one of its own.
    with isolated(seed), torch.enable_grad():
        given = duplicate(subject.batch)
        output = objective(given) if subject.task.step is not None else objective.model(*divide(given)[0])
    return [leaf.detach() for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel()]


def _crowded(subject: Subject) -> Iterator[Finding]:
    """Whether a table is asked for the same row nearly everywhere, padding aside."""
    objective, asked = subject.objective(), dict[str, Tensor]()
    tables = {name: part for name, part in objective.model.named_modules() if type(part) is nn.Embedding and part.num_embeddings >= TABLE}
    if not tables:
        return
    for name, part in tables.items():
        part.register_forward_pre_hook(_noting(name, asked))
    with isolated(0), torch.enable_grad():
        objective(duplicate(subject.many))
    for name, ids in asked.items():
        share, most = _most(ids)
        if share >= HELD:
            measured = f"id {most} holds {share:.0%} of the places, padding aside"
            remedy = "Split, lower-case and normalise text as the vocabulary was made; count how often unknown words come out."
            yield Finding("warning", LOADING, CROWDED, measured, f"{HELD:.0%}", _VOCABULARY, name, remedy)


def _noting(name: str, asked: dict[str, Tensor]) -> Any:
    def note(module: nn.Module, given: Any) -> None:
        if given and isinstance(given[0], Tensor) and given[0].ndim >= 2:
            asked.setdefault(name, given[0].detach())

    return note


def _most(ids: Tensor) -> tuple[float, int]:
    """Share of the places that the most frequent id holds, and which it is; an id that only pads rows at either end is left out."""
    values, counts = torch.unique(ids, return_counts=True)
    if len(values) < IDS:
        return 0.0, int(values[0])
    most = values[counts.argmax()]
    rows = ids.reshape(-1, ids.shape[-1]) == most
    between = rows[~(_begun(rows) | _begun(rows.flip(1)).flip(1))]
    if float(between.double().mean()) <= ELSEWHERE:
        values, counts = values[values != most], counts[values != most]
        most = values[counts.argmax()]
    return float(counts.max() / counts.sum()), int(most)


def _begun(rows: Tensor) -> Tensor:
    """The run of True that each row begins with."""
    return rows.long().cumprod(1).bool()
