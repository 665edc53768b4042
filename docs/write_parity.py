"""Write docs/parity.md: every row of the tables of the tests beside each of its oracles, with the largest difference found."""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import wrapped_oracles
from cases import CASES
from oracles import MUON_SETTINGS, TOLERANCE, WHOLE_TOLERANCE, from_torch, from_weights_apart, from_whole, muon_from_torch

PAGE = Path(__file__).with_name("parity.md")
COLUMNS = ("torch", "optax", "timm", "package", "paper")
MASK = "x"

INTRODUCTION = f"""# Parity: how far each optimiser is from its oracles

Every optimiser is compared with at least two sources that do not know of each other: its namesake in `torch.optim`, optax, timm, the
authors' package, and a literal transcription of the paper's equations in plain numpy (`tests/references`). Where libraries disagree, the
paper decides, and the others' forms are options: [which, and how](#where-libraries-disagree).

Every comparison is in float64, over 60 steps, with a learning rate that changes at every step, with parameters that have no gradient at
some steps, and with two parameter groups whose settings differ. A number is the largest difference between our weights and the oracle's
at any of the steps, as a share of the largest weight; 0 means every bit. The tests allow {TOLERANCE:.0e}, and
{WHOLE_TOLERANCE:.0e} for oracles that step the whole model at once, which sum over it in another order.

*torch*, *optax* and *timm* are the versions pinned in `constraints.txt`; *package* is prodigyopt and schedulefree, by the authors of
Prodigy and of Schedule-Free. *Second* is what differs in the second group. A dash: the row has no such oracle; the note says why
where that could surprise.

This page is written by `make parity-page`, which runs the functions that the tests run (`tests/parity`). The last digits vary with the
machine; a test compares all else.
"""

DIFFERENCES = {
    "AMSGrad": (
        "torch: the maximum of raw second moments, corrected afterwards",
        "optax: the maximum of corrected ones, `corrected_maximum=True`",
    ),
    "AdamW": (
        'torch, optax: lr multiplies the decay, `decoupled="lr"`',
        'the paper: the schedule\'s factor alone does, `decoupled="schedule"`',
    ),
    "NAdam": ("the paper, torch: momentum warms up by `momentum_decay`", "optax: Adam with constant Nesterov momentum, another algorithm"),
    "RAdam": ("torch, the authors' code: rectified above 5", "the paper: above 4; optax: from 5 on, eps in the uncorrected root"),
    "RMSprop": (
        "torch: eps outside the root, a start at 0",
        "optax: `eps_inside=True`; TensorFlow 1, timm: `ones=True`, `lr_in_momentum=True` besides, or the name `rmsprop_tf`",
    ),
    "AdEMAMix": (
        "the paper, optax: alpha 5, the slow momentum uncorrected; no rise of alpha and beta3 unless asked for",
        "the authors' code: alpha 2; the paper's rise: `t_alpha`, `t_beta3`",
    ),
    "Adan": (
        "the authors' code, timm: means start at 0 and are corrected, decay is proximal",
        "the paper's start: `uncorrected=True`; decay before the step: `no_prox=True`; optax weighs the change of the "
        "gradient otherwise, which is not Adan",
    ),
    "ADOPT": (
        "the paper, the authors' code, optax: clipped at t^0.25, coupled decay",
        "the paper's plain form: `unclipped=True`; decoupled decay: `decoupled=True`; timm clips at t^0.333",
    ),
    "LAMB": (
        "the paper, optax: every tensor is adapted, nothing is clipped",
        "timm: only where there is decay, `adapts_decayed_only=True`; its `trust_clip=True`; its clipping to norm 1 is `lamb+clip`",
    ),
    "LARS": (
        "the paper: lr inside the momentum, the sum of two norms, vectors too",
        "timm, optax: `lr_outside=True`; optax: `norm_of_sum=True`; LARC: `trust_clip=True`; `skips_vectors=True`",
    ),
    "Adafactor": (
        "torch: eps is a lower bound, the rate is relative to weights and steps",
        "the paper, optax: `eps_added=True`; a rate of one's own: `absolute_step=True`, `unscaled=True`; timm's momentum: `beta1`",
    ),
    "Muon": (
        "the class: the author's scale; the name `muon` in races: Moonlight's",
        "`moonlight`, or torch's `adjust_lr_fn`; torch, timm: `eps_floor=True`; optax: `corrected=True`; timm: other "
        "`ns_coefficients`, `nesterov=False`",
    ),
    "Prodigy": ("the authors: the bias is not corrected", "optax: `use_bias_correction=True`"),
    "D-Adaptation": ("the authors: no correction, coupled decay", "optax: `use_bias_correction=True`, `decouple=True`"),
    "Sophia": ("the authors: momentum uncorrected", "optax corrects it, and takes an estimate after the step"),
    "Schedule-Free": ("the authors' package", "optax: the same with `warmup_steps=None`"),
}
"""Name -> what it means here without further settings, and what it means elsewhere, with the option for that where there is one."""


@dataclass(frozen=True)
class Row:
    """One line of the page.

    Attributes:
        name: of the optimiser.
        settings: of the first group and, after "second", what differs in the second.
        cells: column -> what measures the largest difference, and the largest that the tests allow.
        note: why an oracle is missing or bent.
    """

    name: str
    settings: str
    cells: Mapping[str, tuple[Callable[[], float], float]]
    note: str = ""


def rule_rows() -> list[Row]:
    """The rows of the table of rules, by rule."""
    rows = [(case.rule.name, Row(case.name, both(case.kwargs, case.other), cells_of(case), case.note)) for case in CASES]
    for settings in MUON_SETTINGS:
        cells = {"torch": (functools.partial(muon_from_torch, settings), TOLERANCE)}
        rows.append(("muon", Row("muon", words(settings), cells, "one group of matrices; torch's text without its rounding to bfloat16")))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def cells_of(case: Any) -> dict[str, tuple[Callable[[], float], float]]:
    """Every oracle of a row of the table, in its column."""
    cells: dict[str, tuple[Callable[[], float], float]] = {}
    if case.torch_class:
        cells["torch"] = functools.partial(from_torch, case), TOLERANCE
    if case.optax:
        cells["optax"] = functools.partial(from_weights_apart, case, "optax"), TOLERANCE
    if case.timm:
        # Some rows have one of torch's classes in disguise where others have timm's.
        column = "timm" if "timm" in case.timm.__qualname__ else "torch"
        cells[column] = functools.partial(from_weights_apart, case, "timm"), TOLERANCE
    if case.reference:
        cells["paper"] = functools.partial(from_weights_apart, case, "paper"), TOLERANCE
    for name in case.whole:
        cells[name if name in COLUMNS else "package"] = functools.partial(from_whole, case, name), WHOLE_TOLERANCE
    return cells


def wrapper_rows() -> Iterator[Row]:
    """The wrappers, each around three rules."""
    for name, (_, own, other) in wrapped_oracles.WRAPPED.items():
        cells = {"paper": (functools.partial(_worst_core, name), TOLERANCE)}
        if name in wrapped_oracles.WRAPPED_IN_TORCH:
            cells["torch"] = functools.partial(wrapped_oracles.wrapped_from_torch, name), TOLERANCE
        if name == "ema":
            cells["torch"] = wrapped_oracles.average_from_torch, TOLERANCE
        if name in wrapped_oracles.WRAPPED_IN_OPTAX:
            cells["optax"] = functools.partial(wrapped_oracles.wrapped_from_optax, name), wrapped_oracles.WRAPPED_IN_OPTAX[name]
        note = "optax does not add torch's 1e-6 to the norm" if name == "clip" else ""
        yield Row(name.split("-")[0], both(own, other), cells, note)
    for name, own in wrapped_oracles.ASCENTS.items():
        measure = functools.partial(wrapped_oracles.ascent_from_paper, name)
        yield Row(name, words(own), {"paper": (measure, TOLERANCE)}, "one group, around momentum, gradients of a quartic")


def _worst_core(name: str) -> float:
    return max(wrapped_oracles.wrapped_from_paper(core, name) for core in wrapped_oracles.CORES)


def both(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Settings of two groups."""
    parts = [words(first), f"*second:* {words(second)}" if second else ""]
    return "; ".join(part for part in parts if part)


def words(settings: Mapping[str, Any]) -> str:
    """Settings as code."""
    return ", ".join(f"`{key}={value!r}`" for key, value in settings.items())


def measured(cell: tuple[Callable[[], float], float]) -> str:
    """A cell's number; the tests' tolerance beside it where that is not the usual one."""
    found, allowed = cell[0](), cell[1]
    if found > allowed:
        raise AssertionError(f"{found:.1e} is above the tolerance {allowed:.0e}: {cell}")
    return f"{found:.0e}".replace("0e+00", "0")


def masked(cell: tuple[Callable[[], float], float]) -> str:
    """What the test compares instead of a number."""
    return MASK


def table(rows: list[Row], show: Callable[[tuple[Callable[[], float], float]], str]) -> str:
    """Rows as markdown; a name is printed once."""
    head = f"| optimiser | settings | {' | '.join(COLUMNS)} | notes |\n|---|---|{'---|' * (len(COLUMNS) + 1)}\n"
    lines = []
    for name, same in itertools.groupby(rows, key=lambda row: row.name):
        for index, row in enumerate(same):
            cells = " | ".join(show(row.cells[column]) if column in row.cells else "-" for column in COLUMNS)
            lines.append(f"| {'' if index else f'`{name}`'} | {row.settings} | {cells} | {row.note} |\n")
    return head + "".join(lines)


def page(show: Callable[[tuple[Callable[[], float], float]], str] = measured) -> str:
    """The whole page, its numbers printed by `show`."""
    rules = "## Optimisers\n\n" + table(rule_rows(), show)
    wrappers = (
        "## Wrappers\n\nEach around `momentum`, `adamw` and `lion`, the largest difference of the three; "
        "beside torch around `adamw`, beside optax around `momentum`.\n\n" + table(list(wrapper_rows()), show)
    )
    return "\n".join([INTRODUCTION, rules, wrappers, disagreements()])


def disagreements() -> str:
    """The section on names with several algorithms."""
    head = "## Where libraries disagree\n\nOne name, several algorithms; options are keywords of the class and settings of a race.\n\n"
    lines = [f"| {name} | {here} | {elsewhere} |\n" for name, (here, elsewhere) in DIFFERENCES.items()]
    return head + "| name | here, unless told otherwise | elsewhere, and the option for it |\n|---|---|---|\n" + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
