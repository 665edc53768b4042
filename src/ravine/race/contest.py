"""An entrant's tuning as a whole: its rates in every configuration, and the best of all of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

from ravine.race.entrants import Entrant, Setting, Values
from ravine.race.tuning import FINAL_RATES, Outcome, RateSearch, better_at_their_rung, ordered
from ravine.records import TunedLane


@final
class EntrantSearch:
    """One entrant's settings and what became of them: a search of rates for each configuration, compared with each other.

    What follows the grid (rates that are run after all, beyond an end or close to the best) follows the best of all
    configurations, and costs as much as where there is only one.

    Args:
        entrant: whose settings.
        higher_is_better: direction of the ranking metric.
        extends: whether rates may be tried that are not on the grid.
    """

    def __init__(self, entrant: Entrant, *, higher_is_better: bool, extends: bool) -> None:
        self.entrant, self._sign = entrant, -1.0 if higher_is_better else 1.0
        grids: dict[Values, set[float]] = {}
        for configuration in entrant.tried:
            grids.setdefault(configuration.values, set()).update(configuration.grid)
        self._parts = {
            values: RateSearch(replace(entrant, grid=tuple(sorted(grid))), higher_is_better=higher_is_better, extends=extends)
            for values, grid in grids.items()
        }

    @property
    def grid(self) -> list[float]:
        """Rates on any grid, ascending, with those beyond the ends."""
        return sorted({lr for part in self._parts.values() for lr in part.grid})

    @property
    def refined(self) -> tuple[float, ...]:
        """Rates close to the best that were tried as well."""
        return tuple(lr for part in self._parts.values() for lr in part.refined)

    def add(self, outcome: Outcome) -> None:
        """Take in how a lane ended."""
        self._parts[outcome.tuned].add(outcome)

    @property
    def best(self) -> Setting | None:
        """The best setting so far; None if every lane diverged."""
        order = self._order()
        return order[0].setting if order else None

    def _outcomes(self) -> list[Outcome]:
        return [outcome for part in self._parts.values() for outcome in part.outcomes]

    def _order(self) -> list[Outcome]:
        return ordered(self._outcomes(), self._sign)

    def _at_best(self) -> tuple[RateSearch, Values, float | None]:
        """The configuration of the best setting, the first one's where nothing finished, and the best rate."""
        best = self.best
        values = next(iter(self._parts)) if best is None else best.values
        return self._parts[values], values, None if best is None else best.lr

    def rescue(self) -> list[Setting]:
        """Culled settings that must be run to the end after all; see `RateSearch.rescue`."""
        part, values, best = self._at_best()
        below = [Setting(lr, values) for lr in part.below(best)]
        better = [outcome.setting for outcome in better_at_their_rung(self._outcomes(), self._sign)]
        return sorted({*below, *better}, key=lambda setting: (setting.lr, setting.values))

    def extension(self) -> list[Setting]:
        """Two more rates beyond the end at which the best one sits; see `RateSearch.extension`."""
        part, values, best = self._at_best()
        return [Setting(lr, values) for lr in part.extend(best)]

    @property
    def sits_at_an_end(self) -> bool:
        """Whether the best rate is the first or the last of its grid, or there is none."""
        part, _, best = self._at_best()
        return best is None or best in (min(part.grid), max(part.grid))

    def refinement(self) -> list[Setting]:
        """Rates just below and just above the best; see `RateSearch.refinement`."""
        part, values, best = self._at_best()
        return [Setting(lr, values) for lr in part.refine(best)]

    def has_learnt(self, setting: Setting) -> bool:
        """Whether the lane with a setting ended away from the input-independent loss."""
        part = self._parts.get(setting.values)
        return part is not None and part.has_learnt(setting.lr)

    def silent_divergences(self) -> Mapping[Setting, int]:
        """Settings whose lane sat at the input-independent loss to the end; see `RateSearch.silent_divergences`."""
        found = {values: part.silent_divergences() for values, part in self._parts.items()}
        return {Setting(lr, values): since for values, part in found.items() for lr, since in part.items()}

    def final_settings(self) -> list[Setting]:
        """The best two, best first; fewer where others diverged. Where all did, the lowest rate of the first configuration stands in."""
        silent = self.silent_divergences()
        found = [o.setting for o in self._order() if o.setting not in silent][:FINAL_RATES]
        if found:
            return found
        part, values, _ = self._at_best()
        return [Setting(min(part.grid), values)]

    def tuned_lanes(self) -> list[TunedLane]:
        """The outcomes in the form that the ranking reads, by configuration, ascending in rate."""
        return [lane for part in self._parts.values() for lane in part.tuned_lanes()]
