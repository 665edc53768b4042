"""Every side in turn, several times: medians, quartiles, ratios and a verdict."""

import statistics
import time
from dataclasses import asdict, dataclass, field

CHECKED_STEPS, TOLERANCE = 5, 1e-4
"""First losses of every side, from the same weights on the same batches, must agree to this."""


@dataclass
class Row:
    """One side's result; times in microseconds per lane-step."""

    side: str
    lanes: int
    us: float
    lower: float
    upper: float
    cpu_us: float
    setup_s: float
    over_loop: float = 0.0
    over_jax: float | None = None
    cpu_over_loop: float = 0.0
    cpu_over_jax: float | None = None
    note: str = ""
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)


def check_same_training(sides):
    """Compare the first losses of all sides.

    Returns:
        Largest relative difference from the eager loop, by side.
    """
    curves = {label: side.curve(CHECKED_STEPS) for label, side in sides.items()}
    reference = curves["eager loop"]
    gaps = {label: max(abs(a - b) / abs(b) for a, b in zip(curve, reference, strict=True)) for label, curve in curves.items()}
    for label, gap in gaps.items():
        if not gap <= TOLERANCE:
            raise SystemExit(f"{label} trains something else: its first losses are {curves[label]}, the eager loop's {reference}")
    return gaps


def block_of(side, seconds):
    """Steps that take about `seconds`, a multiple of the side's unit."""
    side.run(side.step_unit)
    steps, taken = side.step_unit, 0.0
    while taken < seconds / 10:
        before = time.perf_counter()
        side.run(steps)
        taken = time.perf_counter() - before
        if taken < seconds / 10:
            steps *= 4
    return max(1, round(seconds * steps / taken / side.step_unit)) * side.step_unit


def measure(sides, repeats, seconds):
    """Microseconds per lane-step, wall and CPU, of every side in turn."""
    blocks = {label: block_of(side, seconds) for label, side in sides.items()}
    times = {label: ([], []) for label in sides}
    for _ in range(repeats):
        for label, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side.run(blocks[label])
            ended = time.perf_counter(), time.process_time()
            work = blocks[label] * side.lanes / 1e6
            times[label][0].append((ended[0] - wall) / work)
            times[label][1].append((ended[1] - cpu) / work)
    return times


def quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def rows(sides, times):
    """One row a side, with its ratios to the eager loop and to JAX."""
    result = []
    for label, side in sides.items():
        lower, middle, upper = quartiles(times[label][0])
        note = getattr(side, "form", "") if getattr(side, "all_finite", True) else "a lane diverged: not the full work"
        cpu = statistics.median(times[label][1])
        result.append(
            Row(label, side.lanes, middle, lower, upper, cpu, side.setup_s, note=note, walls=times[label][0], cpus=times[label][1])
        )
    by_side = {row.side: row for row in result}
    loop, jax = by_side["eager loop"], by_side.get("JAX")
    for row in result:
        row.over_loop, row.cpu_over_loop = loop.us / row.us, loop.cpu_us / row.cpu_us
        if jax is not None:
            row.over_jax, row.cpu_over_jax = jax.us / row.us, jax.cpu_us / row.cpu_us
    return result


def show(table, bound, limit):
    head = f"{'us':>9} {'quartiles':>17} {'x loop':>7} {'x JAX':>6} {'x bound':>7} {'CPU us':>9} {'x loop':>7} {'x JAX':>6} {'set-up s':>8}"
    print(f"  {'':16} {'lanes':>5} {head}")
    for row in table:
        wall = f"{row.us:9.4g} {f'{row.lower:.4g}-{row.upper:.4g}':>17} {row.over_loop:7.2f} {_ratio(row.over_jax)} {row.us / bound:7.1f}"
        cpu = f"{row.cpu_us:9.4g} {row.cpu_over_loop:7.2f} {_ratio(row.cpu_over_jax)}"
        print(f"  {row.side:16} {row.lanes:5d} {wall} {cpu} {row.setup_s:8.1f}  {row.note}")
    print(f"  bound {bound:.3g} us ({limit})")


def _ratio(value):
    return "     -" if value is None else f"{value:6.2f}"


def verdict(workload, table, bound, chosen, by):
    """What the targets say of the side that calibration chose (the best of ravine's where it could not choose).

    Args:
        workload: its targets.
        table: its rows.
        bound: microseconds.
        chosen: label of the side.
        by: "wall" or "cpu": which time counts.

    Returns:
        Lines, each with whether it is met; and the same as data.
    """
    by_side = {row.side: row for row in table}
    ours = [row for row in table if row.side.startswith("ravine")]
    if not ours:
        return [], []

    def time_of(row):
        return row.us if by == "wall" else row.cpu_us

    best = min(ours, key=time_of)
    row, loop, jax = by_side.get(chosen, best), by_side["eager loop"], by_side.get("JAX")
    checks = [("x the eager loop", time_of(loop) / time_of(row), max(0.95, workload.targets.get("loop", 0.0)), True)]
    if jax is not None:
        checks.append(("x JAX", time_of(jax) / time_of(row), workload.targets.get("jax", 1.0), True))
    if "bound" in workload.targets:
        checks.append(("x its bound", time_of(row) / bound, workload.targets["bound"], False))
    if chosen in by_side:
        checks.append(("x the best of ravine's modes in time", time_of(row) / time_of(best), 1.1, False))
    found = [
        {
            "side": row.side,
            "by": by,
            "what": what,
            "value": value,
            "target": target,
            "met": value >= target if at_least else value <= target,
        }
        for what, value, target, at_least in checks
    ]
    words = [
        f"  {'met   ' if check['met'] else 'MISSED'} {row.side} is {check['value']:.2f} {check['what']}"
        f" (target {'at least' if at_least else 'at most'} {check['target']:g})"
        for check, (*_, at_least) in zip(found, checks, strict=True)
    ]
    return words, found


def as_data(table):
    return [asdict(row) for row in table]
