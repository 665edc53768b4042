"""Several races at once: the profile of every entrant that ran in all of them, each race weighing the same."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.base.errors import InputError
from ravine.records import Interval, Record
from ravine.records.profile import WORST_RATIO, probability_of_improvement, profile, profile_scores
from ravine.records.rows import finite
from ravine.records.statistics import BOOTSTRAP_FROM
from ravine.report.facts import Facts, read_facts
from ravine.report.profiles import TAUS, Field, read_field, used_target
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import listed

AGGREGATE_SCHEMA = 1
RESAMPLES = 2000
_SEED = 20_250_103


@dataclass(frozen=True, slots=True)
class Contest:
    """One race of several.

    Attributes:
        name: of its task; of its file where two races have the same task.
        facts: what was raced.
        field: all its entrants on the seeds that each of them ran.
    """

    name: str
    facts: Facts
    field: Field

    def rows(self, names: Sequence[str]) -> list[int]:
        """Where entrants stand in `field`."""
        known = [entrant.optimizer for entrant in self.facts.ranking]
        return [known.index(name) for name in names]

    def times(self, names: Sequence[str]) -> np.ndarray:
        """Steps to each target, (entrants, seeds, targets)."""
        return self.field.times[self.rows(names)]

    def used_times(self, names: Sequence[str]) -> np.ndarray:
        """Steps to the target that the ranking used, (entrants, seeds)."""
        return self.times(names)[:, :, list(self.field.targets).index(used_target(self.facts, self.field))]

    def finals(self, names: Sequence[str]) -> np.ndarray:
        """Final metric, lower is better, (entrants, seeds)."""
        return self.field.finals[self.rows(names)]


def aggregate_summary(records: Sequence[Record]) -> dict[str, Any]:
    """Profiles, scores and chances over all races as plain values, best score first; no entrants where nothing can be compared.

    A task is one seed and one target of one race; a race's tasks weigh together as much as another's. Scores are relative to the field.
    """
    contests, left_out = _contests(records)
    names = _common(contests)
    entrants = _entrants(contests, names) if contests else []
    known = [entrant.optimizer for contest in contests for entrant in contest.facts.ranking]
    return {
        "schema": AGGREGATE_SCHEMA,
        "races": [
            {"name": contest.name, "seeds": list(contest.field.seeds), "targets": contest.field.targets, "split": contest.facts.split}
            | {"metric": contest.facts.metric, "shared_lr": contest.facts.shared_lr}
            for contest in contests
        ],
        "left_out": left_out,
        "not_in_every_race": sorted({name for name in known if name not in names}),
        "worst_ratio": WORST_RATIO,
        "relative_to": names,
        "entrants": sorted(entrants, key=lambda entrant: (-entrant["score"]["estimate"], entrant["optimizer"])),
    }


def aggregate_text(records: Sequence[Record], *, width: int = WIDTH) -> str:
    """The aggregate as a table, with what its columns mean."""
    found = aggregate_summary(records)
    lines = [textwrap.fill(line, width) for line in _explanations(found)]
    if not found["entrants"]:
        return "\n".join([*lines, ""])
    titles = ["optimiser", "score", *(race["name"] for race in found["races"]), "fastest", "in 2x", "as good as any"]
    if len(found["races"]) > MOST_COLUMNS:
        titles = ["optimiser", "score", "fastest", "in 2x", "as good as any"]
    table = empty_table(titles, numeric=range(2, len(titles) - 1))
    for entrant in found["entrants"]:
        scores = [f"{value:.2f}" for value in entrant["scores"].values()] if len(titles) > 5 else []
        shares = [f"{100 * entrant['shares'][tau]:.0f} %" for tau in ("1", "2")]
        table.add_row(entrant["optimizer"], _interval(entrant["score"]), *scores, *shares, f"{entrant['top']} of {len(found['races'])}")
    return "\n".join([rendered(table, width), *lines, ""])


MOST_COLUMNS = 4
"""Races whose scores the table shows one by one."""


def _contests(records: Sequence[Record]) -> tuple[list[Contest], list[dict[str, str]]]:
    """Races that have a profile, and why the others have none."""
    contests, left_out = [], []
    facts = [read_facts(record) for record in records]
    tasks = [str(each.task.get("name", record.path.stem)) for each, record in zip(facts, records, strict=True)]
    stems = [record.path.stem for record in records]
    names = [
        next((name for name, known in ((task, tasks), (stem, stems)) if known.count(name) == 1), str(record.path))
        for task, stem, record in zip(tasks, stems, records, strict=True)
    ]
    for name, each, record in zip(names, facts, records, strict=True):
        try:
            contests.append(Contest(name, each, read_field(record, each)))
        except InputError as error:
            left_out.append({"name": name, "because": str(error)})
    return contests, left_out


def _common(contests: Sequence[Contest]) -> list[str]:
    """Entrants of every race, in the order of the first."""
    fields = [[entrant.optimizer for entrant in contest.facts.ranking] for contest in contests]
    return [name for name in (fields[0] if fields else []) if all(name in field for field in fields)]


def _entrants(contests: Sequence[Contest], names: Sequence[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    times = [contest.times(names) for contest in contests]
    flat = [each.reshape(len(names), -1) for each in times]
    # A mean of means: three seeds of one race must not weigh less than five of another.
    shares = np.mean([profile(each, TAUS) for each in flat], axis=0)
    by_race = np.array([profile_scores(each) for each in flat])
    scores = _scores(times, by_race)
    leader = int(by_race.mean(axis=0).argmax())
    chances = {
        "faster_than_best": [contest.used_times(names) for contest in contests],
        "better_than_best": [contest.finals(names) for contest in contests],
    }
    return [
        {
            "optimizer": name,
            "score": _as_json(scores[index]),
            "scores": {contest.name: float(score) for contest, score in zip(contests, by_race[:, index], strict=True)},
            "shares": {f"{tau:g}": float(share) for tau, share in zip(TAUS, shares[index], strict=True)},
            "top": sum(_is_top(contest, name) for contest in contests),
        }
        | {kind: None if index == leader else _chance(values, index, leader) for kind, values in chances.items()}
        for index, name in enumerate(names)
    ]


def _is_top(contest: Contest, name: str) -> bool:
    """Whether an entrant is the best estimate of a race, or cannot be told apart from it; one that learnt nothing is not."""
    best = contest.facts.ranking[0]
    return best.final.mean is not None and name in (best.optimizer, *best.tied_with)


def _scores(times: Sequence[np.ndarray], by_race: np.ndarray) -> list[Interval]:
    """Mean scores, with percentile intervals from redrawing seeds within each race; none where a race has fewer than eight."""
    estimates = by_race.mean(axis=0)
    if min(each.shape[1] for each in times) < BOOTSTRAP_FROM:
        return [Interval(float(score), None, None, 0.0) for score in estimates]
    generator = np.random.default_rng(_SEED)
    redrawn = np.zeros((len(estimates), RESAMPLES))
    for each in times:
        seeds = each.shape[1]
        by_seed = np.stack([profile_scores(each[:, seed]) for seed in range(seeds)], axis=1)
        redrawn += by_seed[:, generator.integers(0, seeds, size=(RESAMPLES, seeds))].mean(axis=2) / len(times)
    low, high = np.quantile(redrawn, [0.025, 0.975], axis=1)
    return [Interval(float(score), float(a), float(b), 0.95) for score, a, b in zip(estimates, low, high, strict=True)]


def _chance(values: Sequence[np.ndarray], index: int, other: int) -> dict[str, Any]:
    """The chance that a run has a lower value than one of another entrant in the same race, a mean over races."""
    return _as_json(probability_of_improvement([each[index] for each in values], [each[other] for each in values]))


def _as_json(interval: Interval) -> dict[str, Any]:
    return {name: finite(getattr(interval, name)) for name in interval.__dataclass_fields__}


def _interval(interval: dict[str, Any]) -> str:
    estimate = f"{interval['estimate']:.2f}"
    return estimate if interval["low"] is None else f"{estimate} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _explanations(found: dict[str, Any]) -> list[str]:
    races, said = found["races"], []
    if found["entrants"]:
        counts = [f"{race['name']} {len(race['seeds'])} x {len(race['targets'])}" for race in races]
        said.append(
            f"Over {len(races)} {'race' if len(races) == 1 else 'races'} (seeds x targets: {', '.join(counts)}), each weighing the same. "
            f"Score: mean height of the performance profile from 1x to {WORST_RATIO:g}x the fastest; 1 is fastest everywhere; it has an "
            "interval from 8 seeds on. Fastest, in 2x: share at which an entrant was the fastest, or needed at most twice its steps."
        )
        said.append("As good as any: races in which it is the best estimate or cannot be told apart from it.")
        said.append("All of this is relative to the field raced: another entrant changes everybody's score.")
        shared = [race["name"] for race in races if race["shared_lr"] is not None]
        said += [f"At a shared rate, not a fair comparison: {listed(shared)}."] if shared else []
    else:
        said.append("There is no profile over these races: no entrant is ranked in all of them.")
    if found["not_in_every_race"]:
        said.append(f"Not in every race, so not compared: {listed(found['not_in_every_race'])}.")
    said += [f"Left out: {each['name']}, because {each['because']}" for each in found["left_out"]]
    return said
