"""A race from plan to ranked record."""

import math
import os
import sysconfig
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

from ravine.base._checks import number
from ravine.base._seeds import derive
from ravine.base.errors import InputError, RavineError, TaskError
from ravine.fleet import EVERY_S, Choice, Evaluations, Finished, Fleet, Lane, Past, Rungs, Saved
from ravine.race.batches import Scene, Scenes
from ravine.race.entrants import Setting
from ravine.race.executors import Crew, Elsewhere, check_workers
from ravine.race.finals import Finals
from ravine.race.plan import TUNING_SEED, Plan
from ravine.race.protocol import environment, protocol
from ravine.race.recommendation import recommend
from ravine.race.resuming import Before, new_race, open_before, plan_facts, retell
from ravine.race.searching import Searching
from ravine.race.spending import Spending, within_time
from ravine.race.stage import Entry, Observer, Scribe, Silent, Trace, pace_of
from ravine.race.stopping import Stopping
from ravine.records import Ranking, Writer, create, resume
from ravine.rules import registry
from ravine.tasks import split_validation
from ravine.tasks.splits import rows

WORTH_A_WORD_S = 5.0
"""Seconds from which people want to know how long a race will take."""

Existing = Literal["keep", "replace", "resume"]
"""What to do with a record that exists: refuse, replace it, or go on with its race."""


def run_race(
    plan: Plan,
    path: Path,
    *,
    device: str = "cpu",
    workers: int | str | Elsewhere = 1,
    existing: Existing = "keep",
    observer: Observer | None = None,
    snapshot_s: float = EVERY_S,
) -> Path:
    """Run a race and write its record as it goes.

    An interrupt leaves a valid record with status "interrupted" and is raised again. A race that was interrupted,
    that failed or was killed goes on with `existing="resume"` and ends with the same bits.

    Args:
        plan: what to race.
        path: the record.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        workers: processes that share the lanes, or "auto" to decide by the forecast; or where else they run.
        existing: what to do with a record at `path`; a file that is none is never touched.
        observer: told of everything as it happens.
        snapshot_s: seconds between two snapshots of the lanes under way; infinity takes none.

    Returns:
        `path`.
    """
    if isinstance(workers, int | str):
        check_workers(workers)
    number("snapshot_s", snapshot_s, at_least=0.0)
    began = time.perf_counter()
    fleet, watching = Fleet(plan.task, race_seed=plan.race_seed, device=find_device(device)), observer or Silent()
    plan.task.check()
    splits = ranking_splits(plan)
    with Stopping() as stopping, Crew(fleet, workers) as crew:
        goes_on = existing == "resume" and os.path.lexists(path)
        plan = within_time(plan, crew, splits[0], path if goes_on else None, began)
        facts = plan_facts(plan, str(fleet.device), crew.fingerprint, fleet.first_loss())
        if existing == "resume" and not goes_on:
            watching.note(f"there is no {path} to resume, so the race starts from its beginning")
        with resume(path) if goes_on else create(path, force=existing == "replace") as writer:
            before = open_before(path, facts, snapshot_s) if goes_on else new_race(path, snapshot_s)
            if before.is_done:
                before.snapshots.clear()  # a kill between the record's last word and this leaves them behind
                watching.note(f"the race in {path} is finished: there is nothing to resume")
                return path
            before.snapshots.is_ending = stopping.is_asked
            _carry_out(Race(plan, crew, writer, watching, splits=splits, before=before, facts=facts), stopping)
    return path


def check_resumable(plan: Plan, path: Path, *, device: str = "cpu") -> None:
    """Raise now what resuming the record at `path` would raise, writing nothing; where there is none, there is nothing to raise.

    Args:
        plan: what to race.
        path: the record.
        device: as for `run_race`.

    Raises:
        InputError, RecordError: the race there was begun with other options, data or weights, or cannot be gone on with.
    """
    if not os.path.lexists(path):
        return
    began, fleet = time.perf_counter(), Fleet(plan.task, race_seed=plan.race_seed, device=find_device(device))
    with Crew(fleet) as crew, resume(path):
        plan = within_time(plan, crew, ranking_splits(plan)[0], path, began)
        open_before(path, plan_facts(plan, str(fleet.device), crew.fingerprint, fleet.first_loss()), math.inf)


def _carry_out(race: "Race", stopping: Stopping) -> None:
    try:
        race.run()
    except KeyboardInterrupt:
        race.close("interrupted")
        stopping.end()
        raise
    except BaseException as error:
        race.close("failed")
        if isinstance(error, Exception) and not isinstance(error, RavineError) and (place := users_line(error)):
            what = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
            raise TaskError(
                f"task {race.plan.task.name!r} raised {type(error).__name__} at {place} during the race: {what.rstrip('.')}. "
                f"The record {race.path} holds what was done."
            ) from error
        raise


def users_line(error: BaseException) -> str:
    """Where in the user's own code an error arose, as "line N of FILE"; empty if no frame of it is the user's."""
    others = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent), sysconfig.get_path("stdlib"), "<")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(others)]
    return f"line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""


def ranking_splits(plan: Plan) -> tuple[dict[str, Any], str]:
    """What is tuned on ("validation") and ranked on ("test"), and a note where one split had to be cut in two."""
    data = plan.task.data
    if data.test is not None:
        return {"validation": data.validation, "test": data.test}, ""
    validation, test = split_validation(data.validation, derive(plan.race_seed, "split"))
    note = "the task has no test split: its validation split was cut in two by seed, one half to tune on, one to rank on."
    return {"validation": validation, "test": test}, note


def find_device(name: str) -> str:
    """The device called `name`.

    Raises:
        InputError: an unknown device, or CUDA where there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device={name!r}: must be 'auto', 'cpu' or 'cuda'.", given=name)
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device='cuda': this PyTorch finds no CUDA device. Use 'auto' or 'cpu'.", given=name)
    return name


class Race:
    """The stages of one race.

    Args:
        plan: what to race.
        crew: who runs lanes, copies of the task's model.
        writer: the open record.
        observer: told of everything as it happens.
        splits: what is tuned and ranked on, and a note (`ranking_splits`).
        before: what an earlier process did of it.
        facts: the plan as the record keeps it (`plan_facts`).
    """

    def __init__(
        self,
        plan: Plan,
        crew: Crew,
        writer: Writer,
        observer: Observer,
        *,
        splits: tuple[dict[str, Any], str],
        before: Before,
        facts: Mapping[str, Any],
    ) -> None:
        self.plan, self.path, self._fleet = plan, writer.path, crew.fleet
        self._writer, self._observer, self._before = writer, observer, before
        self._scribe = Scribe(writer, observer, before.snapshots, plan.task.rows_per_step)
        self._started, self._next_lane, self._engine = time.perf_counter(), 0, before.engine
        self._splits, note = splits
        self._notes = list(dict.fromkeys([*plan.notes, *([note] if note else []), *before.notes]))
        self._searching = Searching(plan, self._scribe)
        self._scenes = Scenes(plan, crew, self._splits, self._engine)
        self._finals = Finals(plan, self._fleet, self._scribe, self._searching, observer)
        self._spending = Spending(plan, before.decisions, spent=lambda: sum(self.spent().values()), elapsed=self._elapsed, note=self._note)
        self._by_label = {entrant.label: entrant for entrant in plan.entrants}
        self.searches = self._searching.rates
        self._write_first(facts)

    def _write_first(self, facts: Mapping[str, Any]) -> None:
        now, before = datetime.now(UTC).isoformat(timespec="seconds"), self._before
        here = (environment(self._fleet), protocol(self, None)["versions"])
        if not before.is_resumed:
            first = {"created": now, "id": before.snapshots.race, "plan": facts, "task": self.plan.task.describe(), "environment": here[0]}
        else:
            first = {"resumed": [*before.resumed, now]}
            if before.environment != here:
                self._note("the race was resumed on another machine or with other versions, so the rest may differ in its last digits")
        for key, value in {**first, "status": "running"}.items():
            self._writer.set_meta(key, value)
        self._write_protocol(None)
        self._writer.flush()

    def run(self) -> None:
        """Tune every entrant, run the final on fresh seeds, rank, recommend."""
        with self._scenes:
            self._stages()
        self._rank()
        self.close("done")

    def _stages(self) -> None:
        if not self.plan.is_shared_lr:
            self._tune(self._searching.grids(), "tune")
            if self._spending.allows("extend", self._searching.most_more()):
                self._tune(self._searching.more(), "extend")
            if self._spending.allows("refine", self._searching.most_finer()):
                self._tune(self._searching.finer(), "refine")
        self._final()

    def close(self, status: str) -> None:
        """Write the last facts of the record."""
        if status != "done":
            self._write_protocol(None)
        self._writer.set_meta("status", status)
        self._write_progress()
        self._writer.flush()
        if status == "done":
            self._before.snapshots.clear()

    def _elapsed(self) -> float:
        return self._before.wall_s + time.perf_counter() - self._started

    def _write_progress(self) -> None:
        self._writer.set_meta("wall_s", round(self._elapsed(), 3))
        self._writer.set_meta("notes", list(self._notes))

    def _tune(self, settings: Mapping[str, Sequence[Setting]], stage: str) -> None:
        """Run settings of entrants on the tuning seed; at rungs, where it is the grid."""
        entries = [self._entry("tune", label, setting, TUNING_SEED) for label, own in settings.items() for setting in own]
        at = {"validation": frozenset(self.plan.evaluation_steps)}
        for scene, own in self._scenes.of(entries):
            rungs = [scene.pace.own(rung.step) for rung in self.plan.rungs] if stage == "tune" else []
            waits = Rungs(tuple(rungs), self._searching.judge(entries, own, scene.pace)) if rungs else None
            self._run(scene, stage, own, at, waits)
        self._searching.take(entries)

    def _final(self) -> None:
        at = {"test": frozenset(self.plan.evaluation_steps), "validation": frozenset({self.plan.steps})}
        self._finals.cut(self._spending.seeds())
        for name, seeds in self._finals.waves():
            entries = [
                self._entry("final", label, setting, seed)
                for label, chosen in self._searching.final().items()
                for setting in chosen
                for seed in seeds
            ]
            for scene, own in self._scenes.of(entries):
                self._run(scene, name, own, at)
            self._finals.settle(entries)

    def _run(self, scene: Scene, name: str, entries: Sequence[Entry], at: dict[str, frozenset[int]], rungs: Rungs | None = None) -> None:
        stage, lanes, steps = scene.stage(name), [entry.lane for entry in entries], scene.pace.own(self.plan.steps)
        evaluations = scene.evaluations(at, self._splits)
        if self._before.holds(entries):
            choice, num_workers = self._before.choice(stage)
            past = self._take_up(stage, entries, scene.crew.fleet.tiles(lanes, choice, num_workers))
        else:
            choice, num_workers = self._arrange(scene, stage, lanes, evaluations)
            past = self._begin(entries)
        left = sum(lane.number not in past.finished for lane in lanes)
        if not left:
            return
        shown = replace(choice, seconds=self._engine[stage]["forecast_s"] * left / len(lanes), num_workers=num_workers)
        self._observer.stage(stage, entries, steps, shown, self._engine[stage]["memory_bytes"])
        started = time.perf_counter()
        retell({entry.row.lane: self._scribe.traces[entry.row.lane] for entry in entries}, past, self._observer)
        waits = None if rungs is None else replace(rungs, parks=self._engine[stage].get("parks", False))
        for event in scene.crew.executor(num_workers).run(lanes, steps, evaluations, choice, past, rungs=waits):
            if isinstance(event, Finished | Saved):
                self._write_progress()
            self._scribe.take(event)
        if left == len(lanes):
            self._engine[stage]["took_s"] = round(time.perf_counter() - started, 3)

    def _arrange(self, scene: Scene, stage: str, lanes: Sequence[Lane], evaluations: Evaluations) -> tuple[Choice, int]:
        choice, num_workers, notes = scene.arranging.arrange(stage, lanes, evaluations)
        whole = self._engine[stage].get("race_s", 0.0)
        if whole >= WORTH_A_WORD_S:
            self._observer.note(f"the whole race is forecast to take about {whole:.0f} s, less where lanes diverge")
        for text in notes:
            self._note(text)
        return choice, num_workers

    def _begin(self, entries: Sequence[Entry]) -> Past:
        # With the lanes in one transaction: how they are run is what a resumed race goes by.
        self._write_protocol(None)
        self._write_progress()
        self._scribe.begin(entries)
        return Past(self._before.snapshots)

    def _take_up(self, stage: str, entries: Sequence[Entry], tiles: Sequence[Sequence[Lane]]) -> Past:
        traces, past = self._before.take_up(entries, tiles, self._writer)
        self._scribe.traces |= {entry.row.lane: traces.get(entry.row.lane) or Trace(entry.row) for entry in entries}
        ended, under_way = len(past.finished), len(traces) - len(past.finished)
        self._observer.note(f"{stage}: {ended} of {len(entries)} lanes were finished before, and {under_way} go on from a snapshot")
        return past

    def _entry(self, stage: str, label: str, setting: Setting, seed: int) -> Entry:
        number = self._next_lane
        self._next_lane += 1
        return self._by_label[label].entry(stage, number, setting, seed)

    def _rank(self) -> None:
        ranking = self._finals.rank()
        ended = [verdict.sentence for verdict in self._finals.verdicts[-1:]]
        self._notes += [*ended, *ranking.notes]
        self._writer.set_ranking(ranking.entrants)
        self._writer.set_meta("pairs", [pair.as_json() for pair in ranking.pairs])
        self._writer.set_meta("recommendation", recommend(ranking, self.plan))
        self._write_protocol(ranking)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)
            self._observer.note(text)

    def _write_protocol(self, ranking: Ranking | None) -> None:
        self._writer.set_meta("protocol", protocol(self, ranking))

    def spent(self) -> dict[str, int]:
        """Gradient evaluations spent so far, by entrant; diverged lanes count up to where they stopped."""
        steps, whole = {entrant.label: 0 for entrant in self.plan.entrants}, self.plan.task.rows_per_step
        for trace in self._scribe.traces.values():
            steps[trace.row.optimizer] += pace_of(trace.row, whole).shared(trace.steps_done)
        a_step = {entrant.label: registry.get(entrant.optimizer).rule.gradients_per_step for entrant in self.plan.entrants}
        return {label: round(count * a_step[label]) for label, count in steps.items()}

    @property
    def search(self) -> dict[str, Any]:
        """How rates were searched."""
        return self._searching.as_json()

    @property
    def decisions(self) -> dict[str, Any]:
        """What the budget left out."""
        return self._spending.decisions

    @property
    def seeds(self) -> int:
        """Fresh seeds that were begun."""
        return self._finals.seeds

    @property
    def stopping(self) -> dict[str, Any] | None:
        """How the number of seeds was found; None where it was given."""
        return self._finals.as_json()

    @property
    def engine(self) -> dict[str, Any]:
        """How each stage was run, and why."""
        return self._engine

    @property
    def split_sizes(self) -> dict[str, Any]:
        """Examples in each split as raced."""
        sizes = dict(self.plan.task.data.sizes)
        for name, tree in self._splits.items():
            sizes[name] = rows(tree)
        return sizes
