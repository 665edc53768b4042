"""Clipping by the history of norms, ZClip: Kumar, Owen, Chowdhury and Guera (2025), section 3."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ravine.rules._rule import Citation, Hyper, Scalar, Slot, State, Tensors
from ravine.rules._wrapping import Wrapper, kept_where_skipped, squares

INFINITY = float("inf")


class ClipHistory(Wrapper):
    """The core with gradients cut back where their norm stands out from those before.

        n = norm(g)                                 over all tensors of the model
        z = (n - mean) / (sqrt(variance) + 1e-6)
        n' = mean + sqrt(variance) bound^2 / z      if z > bound,   n otherwise
        g <- g n' / n
        mean <- keep mean + (1 - keep) n',   variance <- keep variance + (1 - keep) (n' - mean)^2

    During the first `warmup` steps nothing is clipped; mean and variance are those of the norms so far. Nothing changes
    at all where the norm is infinite or NaN.

    State: of the model, `skipped_steps`, `norm_count`, `norm_mean`, `norm_variance`.

    Departures. From the paper and the authors' code: 1e-6 is also added to n in n' / n, as they do where they clip; a
    norm that is not finite skips the step. Their code has further modes, and a fixed bound beside this one.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, one = get("sgd+clip_history").rule(), torch.tensor(1.0)
        >>> o = N(clip_history_skipped=0 * one, clip_history_count=25 * one, clip_history_mean=one, clip_history_variance=one)
        >>> c = N(clip_history_bound=2.0, clip_history_keep=0.9, clip_history_take=0.1, clip_history_warmup=25.0)
        >>> rule.conclude(N(clip_history_total=25 * one), o, c)[1]["clip_history_factor"]
        tensor(0.4000)
    """

    name = "clip_history"
    citation = Citation("Kumar, Owen, Chowdhury, Guera", 2025, "ZClip: adaptive spike mitigation for LLM pre-training", "arXiv:2504.02507")
    hypers = (
        Hyper("clip_history_bound", 2.5, 0.0, INFINITY, "standard deviations above the mean at which clipping begins"),
        Hyper("clip_history_keep", 0.97, 0.0, 1.0, "share of mean and variance kept at each step", open_above=True),
        Hyper("clip_history_warmup", 25.0, 1.0, INFINITY, "steps before the first clipping"),
    )
    slots = (
        Slot("clip_history_skipped", "skipped_steps", of_lane=True),
        Slot("clip_history_count", "norm_count", of_lane=True),
        Slot("clip_history_mean", "norm_mean", of_lane=True),
        Slot("clip_history_variance", "norm_variance", of_lane=True),
    )
    refuses: ClassVar[Mapping[str, str]] = {"measure": "it measures the whole gradient before this could clip it"}

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {
            "clip_history_bound": h.clip_history_bound,
            "clip_history_keep": h.clip_history_keep,
            "clip_history_take": 1.0 - h.clip_history_keep,
            "clip_history_warmup": h.clip_history_warmup,
        }

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        return {"clip_history_total": squares(g)}, {}

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        norm, count, mean, variance = sums.clip_history_total.sqrt(), o.clip_history_count, o.clip_history_mean, o.clip_history_variance
        taken, deviation = norm < INFINITY, variance.sqrt()
        z = (norm - mean) / (deviation + 1e-6)
        stands_out = (z > c.clip_history_bound) & (count >= c.clip_history_warmup)
        target = (mean + deviation * (c.clip_history_bound * c.clip_history_bound / z)).where(stands_out, norm)
        factor = (target / (norm + 1e-6)).where(stands_out, norm * 0.0 + 1.0)

        running = c.clip_history_keep * mean + c.clip_history_take * target
        spread = c.clip_history_keep * variance + c.clip_history_take * (target - running) * (target - running)
        first = mean + (norm - mean) / (count + 1.0)
        first_spread = (count * variance + (norm - mean) * (norm - first)) / (count + 1.0)
        is_early = count < c.clip_history_warmup
        state = {
            "clip_history_skipped": o.clip_history_skipped + 1.0 * ~taken,
            "clip_history_count": count + 1.0 * taken,
            "clip_history_mean": first.where(is_early, running).where(taken, mean),
            "clip_history_variance": first_spread.where(is_early, spread).where(taken, variance),
        }
        return state, {"clip_history_factor": factor, "clip_history_taken": 1.0 * taken}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        return kept_where_skipped(c.clip_history_taken, s, *self.core.update(p, g * c.clip_history_factor, s, c))
