"""A schedule as plain code that gives the same bits: an expression where it is short, else a function of its own."""

from typing import NamedTuple

EXPRESSIONS = {
    "constant": "",
    "linear": "1.0 - step / STEPS",
    "cosine": "(1.0 + math.cos(math.pi * (step / STEPS))) / 2.0",
    "wsd": "min((1.0 - step / STEPS) / 0.2, 1.0)",
    "polynomial": "(1.0 - step / STEPS) ** 0.9",
    "exponential": "0.01 ** (step / STEPS)",
    "inverse_time": "1.0 / (1.0 + 9.0 * (step / STEPS))",
    "rex": "(1.0 - step / STEPS) / (0.5 + 0.5 * (1.0 - step / STEPS))",
}
"""Multiplier of the rate at each step; a test holds these to `ravine.schedules`."""

BODIES = {
    "inverse_sqrt": """\
    return 1.0 / math.sqrt(1.0 + step / {scale})""",
    "step": """\
    return 0.1 ** (step // max(1, round(0.3 * length)))""",
    "multistep": """\
    return 0.1 ** sum(step >= max(1, round(share * length)) for share in (0.5, 0.75))""",
    "piecewise": """\
    passed = sum(step >= max(1, round(share * length)) for share in (1 / 3, 2 / 3, 8 / 9))
    return (1.0, 0.1, 0.01, 0.001)[passed]""",
    "cosine_restarts": """\
    # Three cycles, each twice as long as the one before.
    bounds = sorted({{0, *(round(length * (sevenths / 7)) for sevenths in (1, 3, 7))}})
    cycle = sum(step >= bound for bound in bounds[1:-1])
    share = (step - bounds[cycle]) / (bounds[cycle + 1] - bounds[cycle])
    return (1.0 + math.cos(math.pi * share)) / 2.0""",
    "cyclical": """\
    up = max(1, round(0.125 * length))
    into = step % (2 * up)
    return 0.25 + 0.75 * (into / up if into <= up else (2 * up - into) / up)""",
    "one_cycle": """\
    start, peak, last = 1.0 / 25.0, 0.3 * length - 1.0, length - 1.0
    if step <= peak:
        return 1.0 + (start - 1.0) * (1.0 + math.cos(math.pi * (step / peak))) / 2.0
    end, share = start / 1e4, min((step - peak) / (last - peak), 1.0)
    return end + (1.0 - end) * (1.0 + math.cos(math.pi * share)) / 2.0""",
}
"""The same where it takes more: lines that return it, from `step` and `length` after the warm-up."""

LATE_PEAK = ("cyclical", "one_cycle")
"""Those that do not begin at their peak: the warm-up leads to where they begin."""

FUNCTION = '''def multiplier(step):
    """The share of the peak rate at a step: {name}."""
{prelude}
{body}'''


class ScheduleText(NamedTuple):
    """A schedule in a script.

    Attributes:
        section: the function that it needs, or nothing.
        expression: what `LambdaLR` takes; empty where the rate never changes.
    """

    section: str
    expression: str


def schedule_text(name: str, *, is_warmed: bool) -> ScheduleText:
    """The multiplier at each of the `STEPS`, with a linear warm-up over `WARMUP` of them or without."""
    if name in EXPRESSIONS:
        return ScheduleText("", _expression(EXPRESSIONS[name], is_warmed=is_warmed))
    scale = "max(1, round(0.1 * length))"
    prelude = "    length = STEPS"
    if is_warmed:
        scale = "WARMUP"
        first = " * multiplier(WARMUP)" if name in LATE_PEAK else ""
        prelude = f"    if step < WARMUP:\n        return (step + 1) / WARMUP{first}\n    step, length = step - WARMUP, STEPS - WARMUP"
    body = BODIES[name].format(scale=scale)
    if "length" not in body:
        prelude = prelude.replace("step, length = step - WARMUP, STEPS - WARMUP", "step -= WARMUP")
    return ScheduleText(FUNCTION.format(name=name, prelude=prelude, body=body), "multiplier")


def _expression(text: str, *, is_warmed: bool) -> str:
    if is_warmed:
        after = (text or "1.0").replace("step / STEPS", "(step - WARMUP) / (STEPS - WARMUP)")
        text = f"(step + 1) / WARMUP if step < WARMUP else {after}"
    return f"lambda step: {text}" if text else ""
