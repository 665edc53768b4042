"""Which values a model can give at all, against those that it is asked for."""

import torch
from torch import Tensor

from ravine.doctor.subject import Subject
from ravine.records.findings import Finding
from ravine.tasks.hints import PAIRED, name_of

OVERFIT = "overfit one batch"
UNREACHED = "targets lie where no output reaches"
DRAWN, LENGTHENED = 4, 10.0
"""Models that are drawn, and the factor by which their weights are lengthened, with either sign."""
BEYOND = 0.01
"""Share of the targets that may lie outside."""


def unreached(subject: Subject) -> Finding | None:
    """What is wrong where targets lie beyond the bounds of the output; None if they do not, or there are no bounds.

    Weights of either sign, made long, drive the output of a linear last layer to both sides and far out; an activation holds it.

    Args:
        subject: of a task that runs.
    """
    target = subject.target
    is_compared = name_of(subject.task.loss) in PAIRED and "logits" not in name_of(subject.task.loss).lower()
    if not isinstance(target, Tensor) or not is_compared:
        return None
    low, high = _reached(subject)
    ends = ((0.0, 1.0), (-1.0, 1.0), (0.0, float("inf")), (float("-inf"), 0.0))
    bounds = next(((least, most) for least, most in ends if least <= low < high <= most), None)
    if bounds is None:
        return None
    outside = float(((target < bounds[0]) | (target > bounds[1])).double().mean())
    if outside < BEYOND:
        return None
    shown = {(0.0, 1.0): "within [0, 1]", (-1.0, 1.0): "within [-1, 1]", ends[2]: "0 or above", ends[3]: "0 or below"}[bounds]
    measured = f"all outputs of {2 * DRAWN} drawn models are {shown}; {outside:.0%} of the targets are not"
    remedy = "End the model with a linear layer: leave out the activation at the end, or scale the targets into its range."
    return Finding("error", OVERFIT, UNREACHED, measured, f"{BEYOND:.0%} of the targets", "", "the model's output", remedy)


def _reached(subject: Subject) -> tuple[float, float]:
    """Least and greatest output of models with long weights; infinite to both sides where that is not known."""
    least, most = float("inf"), float("-inf")
    for seed in range(DRAWN):
        for sign in (1.0, -1.0):
            model = subject.model(seed)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.mul_(sign * LENGTHENED)
            output = subject.output(subject.batch, model)
            if not isinstance(output, Tensor) or not output.is_floating_point() or bool(output.isnan().any()):
                return float("-inf"), float("inf")
            least, most = min(least, float(output.min())), max(most, float(output.max()))
    return least, most
