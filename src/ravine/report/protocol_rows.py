"""How a race was run, in sentences and in labelled rows: what the record keeps as keys and numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ravine.report.facts import Facts
from ravine.report.spaces import budget_text, space_rows
from ravine.report.wording import listed, rate

LABELS = {
    "steps": "Steps of every lane",
    "batch_size": "Rows of a step",
    "schedule": "Schedule of the rate",
    "seeds": "Fresh seeds of the final",
    "min_seeds": "Fresh seeds at least",
    "max_seeds": "Fresh seeds at most",
    "stopping": "Why so many seeds",
    "race_seed": "Seed of everything random",
    "tuning_seed": "Seed that was tuned on",
    "metric": "Metric that ranks",
    "shared_lr": "Shared rate",
    "budget_gradients": "Gradient evaluations spent",
    "budget": "Budget allowed",
    "split": "Splits",
    "target": "Targets",
    "search": "Search for the rate",
    "search_space": "Search space besides the rate",
    "evaluation_steps": "Evaluated after",
    "lr_grids": "Rates tried",
    "gradients_by_optimizer": "Gradient evaluations",
}
"""Keys of a protocol, in the order of the table."""

_ELSEWHERE = {"versions", "engine", "lr_grids", "gradients_by_optimizer"}
"""Keys that other tables show."""


def protocol_sentences(facts: Facts) -> list[str]:
    """The rules of the race in words; only what the record says."""
    protocol = facts.protocol
    said = []
    if facts.shared_lr is not None:
        said.append(f"Shared rate, not a fair comparison: every entrant ran at lr={rate(facts.shared_lr)}, untuned.")
    if protocol.get("steps"):
        rows = f" of {protocol['batch_size']:,} rows" if protocol.get("batch_size") else ""
        said.append(
            f"Every lane was given the same {protocol['steps']:,} steps{rows}. For one seed all entrants start from the same weights and "
            "see the same batches in the same order."
        )
    if facts.shared_lr is None and protocol.get("lr_grids"):
        said.append(
            "Each entrant searched rates around its own scale, as many as every other, on the validation split and on one seed; "
            "its best rates then ran again on fresh seeds, and those rank."
        )
    split = protocol.get("split")
    if isinstance(split, Mapping) and split.get("ranked_on"):
        said.append(f"Ranked on: {split['ranked_on']}.")
    said.append(
        "A target counts as reached when it holds at two evaluations in a row. Nothing is interpolated; never reached counts as infinite."
    )
    said.append(
        "Every two entrants are compared seed by seed, on the log of the steps and on the final value; p-values are adjusted over all "
        "pairs and both measures (Holm). What cannot be told apart is called tied."
    )
    return said


def protocol_rows(facts: Facts) -> list[tuple[str, str]]:
    """Every other entry of the protocol as a label and its text."""
    protocol = facts.protocol
    order = [*(key for key in LABELS if key in protocol), *(key for key in protocol if key not in LABELS)]
    special: dict[str, Callable[[Any], str]] = {
        "search_space": space_rows,
        "budget": budget_text,
        "stopping": _stopping,
        "split": _split,
        "target": _target,
        "search": _search,
        "evaluation_steps": _evaluations,
    }
    return [
        (LABELS.get(key, spelt(key)), special.get(key, plain)(protocol[key]))
        for key in order
        if key not in _ELSEWHERE and protocol[key] is not None
    ]


def search_rows(facts: Facts) -> list[list[str]]:
    """One row for each entrant: its rates, the refined ones, and the gradient evaluations that it spent."""
    protocol = facts.protocol
    grids, spent = (protocol.get(key) or {} for key in ("lr_grids", "gradients_by_optimizer"))
    search = protocol.get("search")
    refined = (search.get("refined") or {}) if isinstance(search, Mapping) else {}
    if not isinstance(grids, Mapping):
        return []
    return [[name, _grid(grid), ", ".join(map(rate, refined.get(name, ()))), plain(spent.get(name, ""))] for name, grid in grids.items()]


def task_rows(facts: Facts) -> list[tuple[str, str]]:
    """What was trained."""
    task = facts.task
    direction = "higher is better" if facts.higher_is_better else "lower is better"
    labels = {
        "name": "Name",
        "description": "Description",
        "reference": "Loaded from",
        "parameters": "Parameters",
        "train": "Training rows",
        "validation": "Validation rows",
        "test": "Test rows",
        "batch_size": "Rows of a step",
        "steps_per_epoch": "Steps an epoch",
        "loss": "Loss",
        "metrics": "Metrics",
        "rank_by": "Ranked by",
    }
    order = [*(key for key in labels if key in task), *(key for key in task if key not in labels and key != "higher_is_better")]
    texts = {key: plain(task[key]) for key in order if task[key] is not None}
    texts |= {"rank_by": f"{task['rank_by']} ({direction})"} if task.get("rank_by") else {}
    return [(labels.get(key, spelt(key)), text) for key, text in texts.items()]


def environment_rows(facts: Facts) -> list[tuple[str, str]]:
    """Where, when and with what it ran."""
    given = facts.meta.get("environment") or {}
    rows = [(spelt(key), plain(value)) for key, value in given.items()]
    rows += [(f"Version of {name}", plain(version)) for name, version in (facts.protocol.get("versions") or {}).items()]
    rows += [("Begun", plain(facts.meta.get("created"))), ("Resumed", plain(facts.meta.get("resumed")))]
    wall_s = facts.meta.get("wall_s")
    return [*rows, ("Took", "" if wall_s is None else f"{wall_s:,.1f} s")]


def engine_rows(facts: Facts) -> list[list[str]]:
    """One row for each stage: how its lanes were run, and why so."""
    engine = facts.protocol.get("engine")
    rows = []
    for stage, how in (engine or {}).items() if isinstance(engine, Mapping) else ():
        if isinstance(how, Mapping):
            times = ["" if how.get(key) is None else f"{how[key]:.3g}" for key in ("forecast_s", "took_s")]
            rows.append(
                [stage, plain(how.get("mode")), plain(how.get("tile")), plain(how.get("workers")), *times, plain(how.get("reason"))]
            )
    return rows


def hypers_text(hypers: Mapping[str, Any]) -> str:
    """Hypers as "beta1=0.9, beta2=0.999"; those that are off are left out."""
    return ", ".join(f"{name}={plain(value)}" for name, value in hypers.items() if value not in (0, None))


def plain(value: Any) -> str:
    """Any value of a record as text that a person reads."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "\n".join(f"{spelt(str(key))}: {plain(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(plain, value)) if len(value) <= 8 else f"{len(value)} values, {plain(value[0])} to {plain(value[-1])}"
    return str(value)


def spelt(key: str) -> str:
    """A key as words: "budget_gradients" is "Budget gradients"; names of entrants stay as they are."""
    return key.replace("_", " ").capitalize() if key.isidentifier() and key.islower() else key


def _grid(grid: Any) -> str:
    if not isinstance(grid, Sequence) or not grid:
        return ""
    if len(grid) <= 4:
        return ", ".join(map(rate, grid))
    return f"{len(grid)} from {rate(min(grid))} to {rate(max(grid))}"


def _stopping(stopping: Any) -> str:
    if not isinstance(stopping, Mapping):
        return plain(stopping)
    looks = [
        f"at {look['seeds']}, sure to {100 * look['alpha']:.2g} %: {'the end' if look['ends'] else 'went on'}" for look in stopping["looks"]
    ]
    spent = (
        f"The looks may be wrong in {100 * stopping['alpha_spent']:.2g} % of races together, of {100 * stopping['alpha']:.2g} % allowed."
    )
    return "\n".join([*([stopping["ended_because"]] if stopping["ended_because"] else []), *looks, spent])


def _split(split: Any) -> str:
    if not isinstance(split, Mapping):
        return plain(split)
    names = [name for name in ("train", "validation", "test") if isinstance(split.get(name), int)]
    sizes = [f"{split[name]:,} rows {name}" for name in names]
    said = [", ".join(sizes)] if sizes else []
    said += [f"tuned on {split['tuned_on']}"] if split.get("tuned_on") else []
    said += [f"ranked on {split['ranked_on']}"] if split.get("ranked_on") else []
    return "; ".join(said)


def _target(target: Any) -> str:
    if not isinstance(target, Mapping):
        return plain(target)
    values = [(name, target.get(name)) for name in ("tight", "medium", "loose")]
    values += [("own", target.get("used"))] if target.get("name") == "own" else []
    used = target.get("name")
    said = [f"{name} {value:.4g}{' (used)' if name == used else ''}" for name, value in values if value is not None]
    lines = [", ".join(said)] if said else ["none"]
    if target.get("initial") is not None:
        lines.append(f"value before the first step {target['initial']:.4g}")
    if target.get("reference"):
        lines.append(f"tight is the median final value of {target['reference']}; medium and loose lie 10 % and 30 % of the way back")
    return "\n".join(lines)


def _search(search: Any) -> str:
    if not isinstance(search, Mapping):
        return plain(search)
    lines = ["every rate to its end" if search.get("exhaustive") else ""]
    for rung in search.get("rungs") or ():
        share = f"at step {rung['step']:,} ({100 * rung['share']:.0f} % of the horizon)"
        kept = (
            "only broken rates ended"
            if rung["keeps_one_in"] <= 1
            else f"the best of every {rung['keeps_one_in']} and the next lower rate of each went on"
        )
        lines.append(f"{share} {kept}")
    missing = [f"{100 * share:.0f} %" for share in search.get("without_rungs_at") or ()]
    lines.append(f"no rung at {listed(missing)}: too few steps or rates" if missing else "")
    lines.append("refined by 0.2 decades around the best" if search.get("refined") else "")
    return "\n".join(line for line in lines if line)


def _evaluations(steps: Any) -> str:
    if not isinstance(steps, Sequence) or len(steps) <= 8:
        return plain(steps)
    return f"{len(steps)} steps: {', '.join(f'{step:,}' for step in steps[:6])}, ... {steps[-1]:,}"
