"""Settings of the lab's figures: what their pages may ask for, and the command and the Python that give the same numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from ravine.base.errors import InputError
from ravine.lab.reading_settings import Settings, command_line, limited, listed, option
from ravine.schedules import Schedule
from ravine.schedules.reading import read

MOST_WEIGHTS = 40_000_000
"""Of one deep network in all its draws, each of eight bytes and with a gradient beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceSettings(Settings):
    """A race on a function of two numbers.

    Attributes:
        name: of the function with its settings, or a formula.
        optimizers: who enters.
        lr: a rate that all share, or rates to tune on; the usual grid if empty.
        steps: of each path.
        start: where paths begin, (x, y); the surface's own place if empty.
        domain: what is drawn, (x, x, y, y); the surface's own if empty.
        noise: standard deviation on gradients.
        seed: of the noise.
    """

    name: str = "ravine"
    optimizers: tuple[str, ...] = ("sgd", "momentum", "rmsprop", "adam", "lion")
    lr: tuple[float, ...] = ()
    steps: int = limited(200, at_most=5000)
    start: tuple[float, ...] = ()
    domain: tuple[float, ...] = ()
    noise: float = limited(0.0, at_least=0)
    seed: int = limited(0, at_least=0)

    words: ClassVar[tuple[str, ...]] = ("surface",)

    def __post_init__(self) -> None:
        for name, values, wanted, example in (("start", self.start, 2, "-3,2"), ("domain", self.domain, 4, "-5,5,-5,5")):
            if values and len(values) != wanted:
                raise InputError(f"{name} has {len(values)} numbers: must have {wanted}. Write it like {example}.", given=values)
        listed("optimizers", self.optimizers, 12)
        listed("lr", self.lr, 60)

    def commands(self) -> list[str]:
        """Command lines that print the same numbers."""
        return [command_line([*self.words, self.name, *self.options("name"), "--json"])]

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        made = [repr(self.name)]
        made += [f"start={self.start}"] if self.start else []
        made += [f"domain={(self.domain[:2], self.domain[2:])}"] if self.domain else []
        raced = ["surface", repr(list(self.optimizers))]
        raced += [f"lr={list(self.lr)}"] if self.lr else []
        raced += [f"steps={self.steps}"]
        raced += [f"noise={self.noise}"] if self.noise else []
        raced += [f"seeds=({self.seed},)"] if self.seed else []
        first = f"surface = ravine.surfaces.create({', '.join(made)})"
        return f"import ravine\n\n{first}\nfound = ravine.surfaces.race({', '.join(raced)}).summary()\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesSettings(Settings):
    """Schedules side by side.

    Attributes:
        schedules: names, each with its settings after a colon, semicolons between them.
        horizon: number of steps.
        warmup: steps of a warm-up of all of them, or a share of the horizon.
        lr: the peak rate.
    """

    schedules: str = "cosine;linear;one_cycle"
    horizon: int = limited(400, at_least=2, at_most=5000)
    warmup: float = limited(0.0, at_least=0)
    lr: float = limited(1e-3, above=0)

    words: ClassVar[tuple[str, ...]] = ("schedule",)

    def __post_init__(self) -> None:
        listed("schedules", self.texts, 8)
        if not self.texts:
            raise InputError("schedules is empty: must name at least one. Write it like cosine;one_cycle:pct_start=0.2.")

    @property
    def texts(self) -> tuple[str, ...]:
        """Every schedule as text."""
        return tuple(part.strip() for part in self.schedules.split(";") if part.strip())

    def made(self) -> list[Schedule]:
        """The schedules.

        Raises:
            UnknownNameError: no such schedule or setting.
            InputError: a setting outside its interval, or a schedule that looks at a metric.
        """
        length = int(self.warmup) if self.warmup.is_integer() else self.warmup
        found = []
        for text in self.texts:
            one = read(text)
            if not isinstance(one, Schedule):
                raise InputError(f"{text!r} looks at a metric and is no function of the step: it has no curve. Give another.", given=text)
            placed = dataclasses.replace(one, horizon=self.horizon)
            found.append(placed.warmup(length) if length else placed)
        return found

    def commands(self) -> list[str]:
        """Command lines that print the same numbers, one a schedule."""
        return [self._command(one) for one in self.made()]

    def _command(self, one: Schedule) -> str:
        settings = {key: value for key, value in one.settings.items() if key != "horizon"}
        warmup = settings.pop("warmup", 0)
        words = [*self.words, one.name, *option("--horizon", self.horizon), *(option("--warmup", warmup) if warmup else ())]
        for key, value in settings.items():
            words += option("--set", f"{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
        return command_line([*words, *option("--lr", self.lr), "--json"])

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        lines = [f"    ravine.schedules.create({', '.join([repr(one.name), *_keywords(one.settings)])})," for one in self.made()]
        last = f"found = [{self.lr!r} * schedule(np.arange({self.horizon})) for schedule in schedules]"
        return "\n".join(["import numpy as np", "import ravine", "", "schedules = [", *lines, "]", last, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings(Settings):
    """Losses over the probability of the true class.

    Attributes:
        losses: which; all if empty.
        gamma: of the focal loss.
        delta: of the Huber loss.
        smoothing: share of the label that is spread.
        classes: number of classes.
    """

    losses: tuple[str, ...] = ()
    gamma: float = 2.0
    delta: float = 0.5
    smoothing: float = 0.1
    classes: int = limited(2, at_most=100_000)

    words: ClassVar[tuple[str, ...]] = ("figure", "loss-shapes")

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        settings = f"LossSettings({self.gamma}, {self.delta}, {self.smoothing}, {self.classes})"
        last = f"found = losses_at(None, {list(self.losses) or None}, {settings}).summary()"
        return f"from ravine.exhibits import LossSettings, losses_at\n\n{last}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionSettings(Settings):
    """Gradients in narrow formats.

    Attributes:
        gradients: not 0.
        formats: which; all if empty.
        scales: on the loss.
    """

    gradients: tuple[float, ...] = (1e-3, 2e-5, 5e-7, 4e-8, 9e-9)
    formats: tuple[str, ...] = ()
    scales: tuple[float, ...] = limited((1.0, 32768.0), above=0)

    words: ClassVar[tuple[str, ...]] = ("figure", "loss-scaling")

    def __post_init__(self) -> None:
        listed("gradients", self.gradients, 40)
        listed("scales", self.scales, 6)

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        source = ", source='as given'" if self.gradients != type(self)().gradients else ""
        arguments = f"{list(self.gradients)}, {list(self.formats) or None}, {list(self.scales)}{source}"
        return f"from ravine.exhibits import cast_gradients\n\nfound = cast_gradients({arguments}).summary()\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSettings(Settings):
    """Deep networks before training.

    Attributes:
        depth: layers.
        activations, initialisations, normalisations: parts, of which every combination is built; a selection of networks if none is given.
        residual: whether each layer is added to what it was given.
        width: features of a layer.
        seeds: draws.
        seed: of everything random.
    """

    depth: int = limited(50, at_most=200)
    activations: tuple[str, ...] = ()
    initialisations: tuple[str, ...] = ()
    normalisations: tuple[str, ...] = ()
    residual: bool = False
    width: int = limited(64, at_least=2, at_most=256)
    seeds: int = limited(5, at_most=10)
    seed: int = limited(0, at_least=0)

    words: ClassVar[tuple[str, ...]] = ("figure", "depth")

    def __post_init__(self) -> None:
        weights = self.depth * self.width**2 * self.seeds
        if weights > MOST_WEIGHTS:
            given = f"{self.seeds} draws of {self.depth} layers of width {self.width} have {weights:,} weights"
            raise InputError(f"{given}: at most {MOST_WEIGHTS:,}. Take fewer layers or draws, or less width.", given=weights)
        if self.parts is not None:
            many = len(self.parts[0]) * len(self.parts[1]) * len(self.parts[2])
            if many > 8:
                raise InputError(f"{many} networks: a page has room for 8. Name fewer parts.", given=many)

    @property
    def parts(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[bool]] | None:
        """Parts to combine; None for the usual selection."""
        if not (self.activations or self.initialisations or self.normalisations or self.residual):
            return None
        return self.activations or ("relu",), self.initialisations or ("he",), self.normalisations or ("none",), (self.residual,)

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        networks = "USUAL" if self.parts is None else f"crossed{self.parts}"
        rest = f"{self.depth}, width={self.width}, seeds={self.seeds}, seed={self.seed}"
        imported = f"from ravine.exhibits.depth import {networks.partition('(')[0]}, depth_study"
        return f"{imported}\n\nfound = depth_study({networks}, {rest}).summary()\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings(Settings):
    """What training takes in memory.

    Attributes:
        task: whose model it is; a bare number of parameters if empty.
        params: that number.
        optimizers: a bar for each; a selection of plans if empty.
        precision: of weights and gradients.
        bits: of the optimiser's state.
        weights: how narrow weights are kept; the usual way if empty.
        zero: ZeRO's stage.
        shards: processes that share.
        batch_size: rows of the batch that activations are measured on; the task's own if 0.
    """

    task: str = ""
    params: float = limited(124e6, above=0)
    optimizers: tuple[str, ...] = ()
    precision: str = "fp32"
    bits: int = 32
    weights: str = ""
    zero: int = limited(0, at_least=0)
    shards: int = 1
    batch_size: int = limited(0, at_least=0)

    words: ClassVar[tuple[str, ...]] = ("figure", "memory")

    def __post_init__(self) -> None:
        listed("optimizers", self.optimizers, 40)
        if not self.optimizers and self.plan != ("fp32", 32, None, 0, 1):
            given = "precision, bits, weights, zero and shards have no effect without optimizers"
            raise InputError(f"{given}. Name some, such as adamw.", given=self.plan)
        if self.batch_size and not self.task:
            raise InputError(
                "batch_size has no effect on a bare number of parameters. Leave it out, or choose a task.", given=self.batch_size
            )

    @property
    def plan(self) -> tuple[str, int, str | None, int, int]:
        """What every optimiser is planned with."""
        return self.precision, self.bits, self.weights or None, self.zero, self.shards

    def commands(self) -> list[str]:
        """Command lines that print the same numbers."""
        ours = self.options("task", "params") if self.task else self.options("task")
        return [command_line([*self.words, *([self.task] if self.task else []), *ours, "--json"])]

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        plans = f"tuple(Plan(name, *{self.plan}) for name in {list(self.optimizers)})" if self.optimizers else "USUAL"
        lines = [f"from ravine.exhibits import Plan, {'measured' if self.task else 'counted'}, memory_of"]
        lines += [] if self.optimizers else ["from ravine.exhibits.memory import USUAL"]
        lines += ["from ravine.report.memory_exhibits import memory_summary"] + (["from ravine.tasks import load"] if self.task else [])
        made = f"counted({self.params})"
        if self.task:
            made = f"measured(load({self.task!r}), tuple(dict.fromkeys(plan.precision for plan in plans)), rows={self.batch_size or None})"
        lines += ["", f"plans = {plans}", f"model = {made}", "found = memory_summary([memory_of(model, plan) for plan in plans])", ""]
        return "\n".join(lines)


def _keywords(settings: Mapping[str, object]) -> Sequence[str]:
    return [f"{key}={value!r}" for key, value in settings.items()]


FIGURES: Mapping[str, type[Settings]] = MappingProxyType(
    {
        "surface": SurfaceSettings,
        "schedules": SchedulesSettings,
        "loss-shapes": LossSettings,
        "precision": PrecisionSettings,
        "depth": DepthSettings,
        "memory": MemorySettings,
    }
)
"""Every figure of the lab by its name, and what it may be asked for."""
