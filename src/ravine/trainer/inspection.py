"""What is tried before a long run: whether the loss begins where it should, and whether one batch can be learnt at all.

The batch is the very same at every step; augmentation, decay and schedule are off, and dropout is as the model has it in
evaluation mode. Nothing of it reaches the training: the model is another one, and random streams are put back.

References:
    Karpathy (2019), A recipe for training neural networks: verify the loss at init, overfit one batch.
"""

import math

import torch

from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet.data import duplicate, gather, size, to_device
from ravine.tasks import Task
from ravine.tasks._randomness import isolated
from ravine.tasks.objective import Objective
from ravine.trainer.settings import Settings

ROWS, STEPS = 16, 200
"""Of the one batch, and the steps that it gets at each rate."""
RATES = (1e-3, 1e-2)
FAR = 1.5
"""An initial loss is remarked on where it is above this multiple of what a constant output reaches."""
LEARNT, STUCK = 0.1, 0.9
"""Share of the initial loss below which the batch is learnt, and above which nothing is."""


def inspect(task: Task, settings: Settings) -> list[str]:
    """Remarks on the initial loss and on one batch; none where all is well.

    Raises:
        TaskError: the loss is not finite, or does not fall on one batch whatever the rate.
    """
    init = derive(settings.race_seed, settings.seed, "init")
    batch = to_device(gather(task.data.train, torch.arange(min(ROWS, settings.batch_size))), settings.device)
    first, reached = math.nan, math.inf
    for lr in RATES:
        with isolated(init):
            objective = Objective(task.build(init).to(settings.device).eval(), task)
            first, last = _fit(objective, batch, lr)
        if not math.isfinite(first):
            given = f"task {task.name!r}: the loss of the first batch is {first} before any step"
            raise TaskError(f"{given}. Check the loss, and the scale of the inputs.")
        reached = min(reached, last)
        if reached <= LEARNT * abs(first):
            break
    return [*_about_start(task, first), *_about_batch(task, size(batch), first, reached)]


def _fit(objective: Objective, batch: object, lr: float) -> tuple[float, float]:
    """The loss of one batch at the start, and the lowest of some steps on it."""
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=lr)
    losses = list[float]()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = objective(duplicate(batch))
        losses.append(loss.item())
        if not math.isfinite(losses[-1]) or losses[-1] <= LEARNT * abs(losses[0]):
            break
        loss.backward()
        optimizer.step()
    return losses[0], min((loss for loss in losses if math.isfinite(loss)), default=math.inf)


def _about_start(task: Task, first: float) -> list[str]:
    baseline = task.baseline_loss()
    if baseline is None or first <= FAR * baseline:
        return []
    return [
        f"the loss begins at {first:.4g}, and a constant output reaches {baseline:.4g}: "
        "the last layer's weights begin too large, or inputs or targets are not on the scale of 1"
    ]


def _about_batch(task: Task, rows: int, first: float, reached: float) -> list[str]:
    if first <= 0.0 or reached <= LEARNT * first:
        return []
    what = f"one batch of {rows} rows goes from a loss of {first:.4g} to {reached:.4g} only, in {STEPS} steps of Adam"
    if reached > STUCK * first:
        remedy = "Look for outputs detached from the parameters, for wrong targets, or give check=False (--no-check) to train anyway"
        raise TaskError(f"task {task.name!r}: {what}, so nothing is learnt. {remedy}.")
    return [f"{what}: the model is too small to learn it, or its targets are noise"]
