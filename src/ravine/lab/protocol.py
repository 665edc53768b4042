"""What the server and the page say to each other: the one source of both sides' types (`_typescript` writes the page's)."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

Numbers: TypeAlias = list[float | None]
"""One number a lane; None where it is not finite."""

Floats: TypeAlias = str
"""Little-endian float32 in base64; NaN stays NaN."""

State: TypeAlias = Literal["preparing", "paused", "running", "done", "failed"]
"""Of a session: before its first step is possible; waiting; training; all steps taken or stopped by a rule; ended by an error."""

Target: TypeAlias = Literal["two-bumps", "sawtooth", "sine", "step", "noisy-line", "formula", "csv"]
"""Curves that a network of one input can be asked to fit."""


class TaskOptions(TypedDict, total=False):
    """Of a curve: which, and what the last two take."""

    target: Target
    formula: str
    curve: str


class Stop(TypedDict, total=False):
    """When a race ends before its steps are taken, looked at where it is evaluated.

    `target`: every lane that is left has a validation loss of at most this. `plateau`: for so many steps no lane's best improved by a
    thousandth.
    """

    target: float
    plateau: int


class Setting(TypedDict):
    """Everything that decides the numbers of a race of the page."""

    task: Literal["curve", "digits", "user"]
    task_options: TaskOptions
    optimizers: list[str]
    lrs: dict[str, float] | float | Literal["tuned"]
    schedule: str
    seed: int
    width: int
    batch_size: int | None
    steps: int
    stop: Stop


class Control(TypedDict):
    """A control of a session; `speed` in steps a second, None for as fast as it goes."""

    do: Literal["play", "pause", "step", "speed", "reset", "settings", "end"]
    steps: NotRequired[int]
    speed: NotRequired[float | None]
    setting: NotRequired[Setting]


class Created(TypedDict):
    """The answer to a new session."""

    session: str
    revision: int
    state: State


class Accepted(TypedDict):
    """The answer to a control: the revision that it belongs to."""

    revision: int


class Curve(TypedDict):
    """The answer to points that were sent: the name to give as `task_options.curve`, and how many there are."""

    curve: str
    points: int


class Problem(TypedDict):
    """The answer to what cannot be done: one sentence."""

    error: str


class Rate(TypedDict):
    """Where an optimiser's rate may lie."""

    low: float
    high: float
    default: float


class Colour(TypedDict):
    """A series' colour on each ground."""

    light: str
    dark: str


class Style(TypedDict):
    """How a series is drawn; markers have matplotlib's names."""

    colour: Colour
    dash: list[float]
    marker: Literal["o", "s", "^", "D", "v", "P", "X", "h"]


class Optimizer(TypedDict):
    """An optimiser that may be entered; it has its style everywhere."""

    name: str
    title: str
    summary: str
    source: str
    style: Style
    lr: Rate
    hypers: dict[str, float]
    formula: str


class Schedule(TypedDict):
    """A schedule of the rate."""

    name: str
    summary: str


class TaskEntry(TypedDict):
    """A task that may be chosen."""

    name: Literal["curve", "digits", "user"]
    title: str
    kind: Literal["curve", "digits", "user"]
    width: int | None
    batch_size: int | None
    targets: list[str]


class Limits(TypedDict):
    """What the server takes."""

    optimizers: int
    steps: int
    width: int
    batch_size: int
    points: int


class Catalogue(TypedDict):
    """What the page can offer."""

    version: str
    tasks: list[TaskEntry]
    optimizers: list[Optimizer]
    schedules: list[Schedule]
    files: list[str]
    limits: Limits
    preset: Setting


class LaneInfo(TypedDict):
    """A lane of the race."""

    lane: int
    optimizer: str
    lr: float
    hypers: dict[str, float]


class SameWeights(TypedDict):
    """Whether all lanes began with the same weights and read the same batches: compared, not assumed."""

    asserted: bool
    weights: str
    batches: str
    seed: int


class Points(TypedDict):
    """Points of a curve."""

    x: Floats
    y: Floats
    count: int


class Tuning(TypedDict):
    """How an optimiser's rates were found by a sweep."""

    default: float
    tuned: float | None
    diverges_above: float | None
    rates: list[float]
    losses: Numbers


class Landmarks(TypedDict):
    """Rates worth marking, by optimiser, and how they were found."""

    protocol: str
    steps: int
    by_optimizer: dict[str, Tuning]


class Inspector(TypedDict):
    """What goes on inside, one number a lane: norms over all weights.

    `effective_lr` is the length of the last update over that of its gradient.
    """

    gradient_norm: Numbers
    update_norm: Numbers
    m_norm: Numbers
    v_norm: Numbers
    effective_lr: Numbers
    lr: Numbers


class Snapshot(TypedDict):
    """Lanes after a step: predictions (lanes x grid), empty where the task has no curve, and what goes on inside."""

    step: int
    predictions: Floats
    inspector: Inspector


class Evaluation(TypedDict):
    """Means over the validation split after a step, by metric, one a lane."""

    step: int
    values: dict[str, Numbers]


class Hello(TypedDict):
    """The whole state; frames from step `resumes_at` follow."""

    kind: Literal["hello"]
    session: str
    revision: int
    setting: Setting
    state: State
    message: str
    running: bool
    speed: float | None
    step: int
    resumes_at: int
    lanes: list[LaneInfo]
    task: str
    metric: str
    grid: Floats
    target: Floats
    data: Points | None
    protocol: str
    same_weights: SameWeights | None
    diverged: list["Diverged"]
    evaluations: list[Evaluation]
    kept: list[int]
    snapshot: Snapshot | None


class Frame(TypedDict):
    """Steps after those that the tab has: losses (steps x lanes) before each step's update."""

    kind: Literal["frame"]
    revision: int
    first: int
    last: int
    losses: Floats
    evaluations: list[Evaluation]
    snapshot: Snapshot | None
    alive: list[bool]


class Status(TypedDict):
    """What the session does now."""

    kind: Literal["status"]
    revision: int
    state: State
    running: bool
    speed: float | None
    step: int
    message: str


class Diverged(TypedDict):
    """A lane's end, the step counted from 1."""

    kind: Literal["diverged"]
    revision: int
    lane: int
    step: int
    reason: str
    remedy: str


class End(TypedDict):
    """All steps are taken, or a rule stopped the race."""

    kind: Literal["end"]
    revision: int
    step: int
    reason: str


class Failure(TypedDict):
    """Something ended the training; `restarted` tells whether it can be played again at once."""

    kind: Literal["error"]
    revision: int
    message: str
    restarted: bool


Event: TypeAlias = Hello | Frame | Status | Diverged | End | Failure
"""What comes over the stream of a session, each under the name of its kind."""


class Code(TypedDict):
    """A run as texts to copy: a plain PyTorch script a lane, the command and the Python that race the same; empty where there is none."""

    scripts: dict[str, str]
    command: str
    python: str
    note: str


class Saved(TypedDict):
    """The record that a race was kept in."""

    file: str
