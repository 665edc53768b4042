"""What is known of somebody else's training loop: every loss, and what was measured at the steps that were looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ravine.doctor.evaluated import Evaluated
from ravine.doctor.looking import Flats
from ravine.doctor.probe import Activation, Reading
from ravine.doctor.sampling import Measured
from ravine.doctor.short_run import Trajectory

ENOUGH_ROWS = 512
"""Rows on which a unit must have been flat to count as dead or saturated, of batches of any size."""
SOME_ROWS = 128
"""The same in a run that ends before it has seen as many."""
FEW_LOOKS = 5
"""Below which updates, and a noise scale, are not judged."""


@dataclass(slots=True)
class Looked:
    """One step that was looked at.

    Attributes:
        step: counted from 0.
        measured: of its gradients and its update.
        lr: highest rate of the groups.
        activations: of the forward; empty where the model could not be looked into.
        asleep: modules in evaluation mode, of those that do another thing there.
        rows: examples of one backward pass; None where it is not known.
        batch: the same for the same inputs; None where they are not known.
    """

    step: int
    measured: Measured
    lr: float
    activations: Sequence[Activation] = ()
    asleep: tuple[str, ...] = ()
    rows: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Decay:
    """How an optimizer decays a parameter.

    Attributes:
        strength: of the decay.
        optimizer: its class.
        is_scaled: whether it is added to the gradient, which the optimizer then divides by its own size.
    """

    strength: float
    optimizer: str
    is_scaled: bool


@dataclass(slots=True)
class LoopLog:
    """The run so far.

    Attributes:
        names: of the parameters.
        kinds: what each is for.
        strangers: parameters that require gradients and that no optimizer has.
        decayed: biases and scales of norms that decay like matrices.
        decays: of every parameter that decays, how.
        losses: of every step.
        looks: in order.
        flats: activation functions, on the rows since they were judged last.
        units: as they were judged.
        rates: (step, highest rate), of every look and of the end.
        scales: (step, loss scale), wherever it changed.
        skipped: steps that were not taken because of it.
        validations: (step, values).
        validated_at: rate at each.
        evaluated: what of another model that was evaluated had moved on.
        edits: steps before which weights were changed by something else than the optimizer.
        broken: step whose loss or gradient was not finite first; None if there is none.
        place: where.
        curvatures: (step, largest eigenvalue, lr, momentum); momentum None where no bound is known.
        distributed: over how many processes gradients are averaged.
        has_scaler: whether a loss scaler was handed in.
        half: whether float16 is computed in.
        schedule: whatever steps the rates; None where it was not handed in.
        peak: highest rate that the schedule has in mind; None where it does not say.
    """

    names: tuple[str, ...]
    kinds: dict[str, str]
    strangers: tuple[str, ...] = ()
    decayed: tuple[str, ...] = ()
    decays: dict[str, Decay] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    looks: list[Looked] = field(default_factory=list)
    flats: dict[str, Flats] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)
    rates: list[tuple[int, float]] = field(default_factory=list)
    scales: list[tuple[int, float]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    validations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    validated_at: list[float] = field(default_factory=list)
    evaluated: list[Evaluated] = field(default_factory=list)
    edits: list[int] = field(default_factory=list)
    broken: int | None = None
    place: str = ""
    curvatures: list[tuple[int, float, float, float | None]] = field(default_factory=list)
    distributed: int = 1
    has_scaler: bool = False
    half: bool = False
    schedule: Any = None
    peak: float | None = None

    def take_flats(self, found: dict[str, Flats]) -> None:
        """Take in what activation functions gave; each is judged once it has been seen on enough rows."""
        for place, flats in found.items():
            if place in self.flats:
                self.flats[place].join(flats)
            else:
                self.flats[place] = flats
            if self.flats[place].rows >= ENOUGH_ROWS:
                self.units[place] = self.flats.pop(place).unit

    def judge_the_rest(self) -> None:
        """The run has ended: activation functions that were seen on fewer rows are judged on those."""
        self.units |= {place: flats.unit for place, flats in self.flats.items() if place not in self.units and flats.rows >= SOME_ROWS}

    @property
    def is_rising(self) -> bool:
        """Whether the rate is still on its way up."""
        values = [rate for _, rate in self.rates]
        return len(values) > 1 and values[-1] >= max(values) > values[0] and values[-1] > values[-2]

    @property
    def classes(self) -> int | None:
        """Of a loss that is a cross-entropy over the model's outputs, as its gradients show; None of another."""
        return next((look.measured.classes for look in self.looks if look.measured.classes is not None), None)

    def trajectory(self) -> Trajectory:
        """As the rungs of the ladder take it; only steps at half the highest rate or more say how far updates go."""
        top = max((look.lr for look in self.looks), default=0.0)
        evaluated, evaluations = self._evaluations()
        gradients = np.array([look.measured.gradients for look in self.looks]).reshape(-1, len(self.names))
        updates = np.array([look.measured.updates for look in self.looks if look.lr >= top / 2]).reshape(-1, len(self.names))
        losses = np.array(self.losses if self.broken is None else self.losses[: self.broken + 1], dtype=np.float64)
        steps = np.array([look.step for look in self.looks], dtype=np.int64)
        kinds, broken, place = self.kinds, self.broken, self.place
        return Trajectory(self.names, kinds, losses, gradients, updates, top, evaluated, evaluations, broken, place, steps)

    def reading(self) -> Reading:
        """The last look at activations, and units as they were judged."""
        seen = next((look.activations for look in reversed(self.looks) if look.activations), ())
        return Reading(float("nan"), tuple(seen), tuple(self.units.values()), {}, 0.0, "", (), ())

    def _evaluations(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        names = {name for _, values in self.validations for name in values}
        steps = np.array([step for step, _ in self.validations], dtype=np.int64)
        return steps, {name: np.array([values.get(name, np.nan) for _, values in self.validations]) for name in sorted(names)}


def is_lower_better(name: str) -> bool:
    """Whether a metric of this name is an error of some kind."""
    return any(word in name.lower() for word in ("loss", "error", "perplexity", "mse", "mae", "nll", "wer", "cer", "bpc", "distance"))
