"""What the interactive page is told of a record: the types of `record_view`, `lane_curves` and `loss_bands`, and so the page's.

Steps are the lane's own, counted from 0; the loss at step k was taken before that step's update.
"""

from typing import Any, Literal, TypeAlias, TypedDict

Floats: TypeAlias = str
"""Little-endian float32 in base64; NaN stays NaN. In a report to four digits, behind a "~" and byte by byte (`packed.in_planes`)."""

Wholes: TypeAlias = str
"""Little-endian whole numbers in base64: two bytes each where the range has at most 65,536 steps, else four."""


class Table(TypedDict):
    """A table as text: the column `heads` names the row, those of `numeric` stand right."""

    caption: str
    titles: list[str]
    rows: list[list[str]]
    heads: int
    numeric: list[int]


class Colours(TypedDict):
    """A curve's colour in each theme."""

    light: str
    dark: str


class LineStyle(TypedDict):
    """How a curve is drawn: `dash` in units of the line's width, empty if solid; `marker` by matplotlib's name."""

    colour: Colours
    dash: list[float]
    marker: str


class EntrantView(TypedDict):
    """An entrant, best first where the race is ranked; `lanes` are the fresh seeds it was ranked by."""

    name: str
    style: LineStyle
    rank: int | None
    lr: float | None
    tied_with: list[str]
    lanes: list[int]


class LaneColumns(TypedDict):
    """All lanes, column by column.

    `entrant`, `hypers` and `reason` are places in `entrants`, `hypers_texts` and `reasons`. `losses`: training losses so far.
    """

    lane: list[int]
    stage: list[str]
    entrant: list[int]
    lr: list[float]
    seed: list[int]
    status: list[str]
    ended_at: list[int | None]
    losses: list[int]
    hypers: list[int]
    hypers_texts: list[str]
    reason: list[int]
    reasons: list[str]


class MeasureBand(TypedDict):
    """An entrant's fresh seeds at the ranked setting: median, least and greatest at every evaluation.

    A seed that diverged counts as the worst, so the median ends where half have.
    """

    entrant: int
    median: Floats
    low: Floats
    high: Floats


class Measure(TypedDict):
    """One metric on one split, against the steps of the evaluations."""

    split: str
    metric: str
    steps: list[int]
    bands: list[MeasureBand]


class RatePoint(TypedDict):
    """What a rate came to: `value` is None where none is known, as of a rate that diverged."""

    lr: float
    value: float | None
    status: Literal["done", "culled", "diverged", "running"]


class EntrantRates(TypedDict):
    """The rates of one entrant, ascending; `ranked` is the one that the final settled on."""

    entrant: int
    ranked: float | None
    points: list[RatePoint]


class Rates(TypedDict):
    """What tuning found at each rate; of a race at a shared rate, the final's median."""

    split: str
    metric: str
    entrants: list[EntrantRates]


class RecordView(TypedDict):
    """Everything of a record but the losses. `summary` is what `ravine show --json` prints."""

    kind: Literal["race", "watch"]
    name: str
    status: str
    banner: str
    verdict: str
    subtitle: str
    metric: str
    split: str
    higher_is_better: bool
    target: float | None
    steps: int
    summary: dict[str, Any]
    entrants: list[EntrantView]
    lanes: LaneColumns
    measures: list[Measure]
    rates: Rates | None
    ranking: Table
    explanations: list[str]
    notes: list[str]
    protocol: list[str]
    facts: list[tuple[str, list[tuple[str, str]]]]
    tables: dict[str, Table]
    recipe: str
    recipe_note: str


class LossBand(TypedDict):
    """Training losses of an entrant's lanes together, column by column.

    `group` tells the fresh seeds at the ranked setting from all others. `low` and `high` are the least and greatest loss of any lane at any
    step of the column, `median` is over the lanes at the column's last step, lanes that diverged counted as the worst; `count`: lanes that
    still ran there.
    """

    entrant: int
    group: Literal["ranked", "other"]
    low: Floats
    high: Floats
    median: Floats
    count: list[int]


class LossBands(TypedDict):
    """Bands from step `start` to before `stop`; `steps` are the last of each column, all of them where there are no more than columns."""

    start: int
    stop: int
    steps: list[int]
    bands: list[LossBand]


class LaneCurves(TypedDict):
    """Training losses of lanes from step `start` to before `stop`, one lane behind the other.

    A lane of `is_exact` has every loss, from step `first` on; another the least and the greatest of each of `columns` columns, at `steps`
    behind `start`. `broken`: its first loss that is not finite.
    """

    start: int
    stop: int
    columns: int
    lanes: list[int]
    counts: list[int]
    first: list[int]
    is_exact: list[bool]
    broken: list[int | None]
    steps: Wholes
    values: Floats


class LaneEvaluations(TypedDict):
    """Evaluations of lanes one by one: values (lanes, steps), NaN where a lane has none."""

    lanes: list[int]
    steps: list[int]
    values: Floats


class ReplayData(TypedDict):
    """What a report carries in place of a server.

    `evaluations`: of the lanes, for each of the view's measures. `kept` says in a sentence what it has of the losses.
    """

    kind: Literal["record"]
    view: RecordView
    bands: LossBands
    curves: LaneCurves
    evaluations: list[LaneEvaluations]
    kept: str
