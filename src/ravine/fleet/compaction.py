"""Lanes that have ended leave the stack, so that they cost nothing; the bits of those that stay do not change.

A lane in another place of another stack may run through other kernels: MKL's products depend on the alignment of what
they read, a convolution chooses its algorithm by the number of groups, and an element at the end of a vectorised loop
is computed by another routine than one in its middle. Most models do not notice; recurrent cells, matrices of odd
sizes and some convolutions do. Which is the case is not assumed but proven on the run itself: the smaller stack takes
`PROOF_STEPS` steps beside the whole one and takes over only if every bit of every lane agrees. So with evaluations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from ravine.fleet.assembly import Assembly, same_bits, same_state, take
from ravine.fleet.lanes import Group

Shape = tuple[tuple[Any, int], ...]
"""Rules, by key, and how many lanes of each are stacked, in the order of the stack."""

FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""Sizes, as parts of the tile, to which a stack may shrink: a bounded set of shapes, whatever lanes end and when."""

WHOLE_VECTORS = 8
"""Multiple to which sizes of larger stacks are rounded up: loops over lanes and elements then end on whole vectors."""

PROOF_STEPS = 8
"""Steps that both stacks take before the smaller one takes over, and evaluated pieces of each size that must agree.
Kernels are chosen by shape and alignment, so that one step shows most differences, in some number of the state; a
loss, one number a lane, hides many."""

MOST_KEPT = 3 / 4
"""Part of a compiled stack beyond which nothing is gained by a smaller one."""

MOST_COMPILED = 4
"""Smaller shapes that may be compiled for one make-up of tiles."""

COMPILE_SECONDS = 20.0
"""What a compiled step costs before it exists, rather too high: a stack that is not worth it stays as it is."""


@dataclass(slots=True)
class Proof:
    """How often a smaller stack has had the bits of the whole one.

    Attributes:
        shown: how often.
        has_failed: whether it once had not.
    """

    shown: int = 0
    has_failed: bool = False

    @property
    def missing(self) -> int:
        """How often it has still to be shown."""
        return max(0, PROOF_STEPS - self.shown)

    @property
    def is_complete(self) -> bool:
        """Whether it has been shown often enough."""
        return not (self.has_failed or self.missing)

    def add(self, agrees: bool, times: int = 1) -> None:
        """Take in a comparison."""
        self.shown += times
        self.has_failed = self.has_failed or not agrees


@dataclass(slots=True)
class Trial:
    """A smaller stack that has yet to prove itself.

    Attributes:
        small: the stack.
        proof: steps in which it had the bits of the whole one.
    """

    small: Assembly
    proof: Proof = field(default_factory=Proof)

    def agrees(self, whole: Assembly, large: Sequence[Tensor], small: Sequence[Tensor]) -> bool:
        """Whether losses (steps of lanes) and state are those of the whole stack, bit for bit."""
        places = [whole.positions.index(position) for position in self.small.positions]
        losses = all(same_bits(a[places], b) for a, b in zip(large, small, strict=True))
        alive = torch.equal(whole.alive_L[places], self.small.alive_L)
        return losses and alive and same_state(take(whole.groups, whole.state, places), self.small.state)


@final
class Compactor:
    """Decides which lanes of one tile stay stacked.

    Args:
        groups: of the whole tile.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._whole = shape_of(groups)
        self._refused: set[Any] = set()

    def plain(self, live: Assembly) -> list[int] | None:
        """Places in the stack to keep where any shape will do; None to keep all."""
        alive = int(live.alive_L.sum())
        for number in sizes(sum(number for _, number in self._whole)):
            if alive <= number < len(live.positions) and number not in self._refused:
                return pick(live, number)
        return None

    def compiled(self, live: Assembly, known: Iterable[Shape], step_seconds: float, steps_left: int) -> list[int] | None:
        """Places in the stack to keep where a step must be compiled for each new shape; None to keep all.

        Args:
            live: the stack.
            known: shapes that are compiled already.
            step_seconds: what a step of the stack takes.
            steps_left: how many are still to come.
        """
        full = dict(self._whole)
        smaller = [shape for shape in known if shape != self._whole and all(number <= full.get(rule, 0) for rule, number in shape)]
        found = [places for shape in smaller if shape not in self._refused and (places := pick_by_rule(live, dict(shape)))]
        wanted = quarters(live, full)
        fresh = None if tuple(wanted.items()) in self._refused else pick_by_rule(live, wanted)
        if fresh and len(smaller) < MOST_COMPILED:
            saved = step_seconds * steps_left * (1 - len(fresh) / len(live.positions))
            found += [fresh] if saved > COMPILE_SECONDS else []
        best = min(found, key=len, default=None)
        return best if best is not None and len(best) <= MOST_KEPT * len(live.positions) else None

    def refuse(self, assembly: Assembly) -> None:
        """Never propose such a stack again: its bits were others, or it could not be compiled."""
        self._refused |= {len(assembly.positions), shape_of(assembly.groups)}


def shape_of(groups: Iterable[Group]) -> Shape:
    """Rules and numbers of lanes."""
    return tuple((group.rule.key, group.size) for group in groups)


def sizes(num_lanes: int) -> list[int]:
    """Sizes to which a stack of a whole tile may shrink, ascending."""
    unit = WHOLE_VECTORS if num_lanes >= 2 * WHOLE_VECTORS else 1
    rounded = {-(-int(-(-num_lanes * part // 1)) // unit) * unit for part in FRACTIONS}
    return sorted(size for size in rounded if size < num_lanes)


def pick(assembly: Assembly, size: int) -> list[int]:
    """Places in the stack of the lanes that a stack of `size` keeps: those alive, filled up with ended ones.

    Ended lanes whose rule is still at work come first: a rule without lanes costs nothing at all.
    """
    alive = assembly.alive_L.tolist()
    busy = {place for group in assembly.groups if any(alive[group.start : group.stop]) for place in range(group.start, group.stop)}
    ended = sorted((place for place, is_alive in enumerate(alive) if not is_alive), key=lambda place: (place not in busy, place))
    kept = [place for place, is_alive in enumerate(alive) if is_alive]
    return sorted(kept + ended[: size - len(kept)])


def pick_by_rule(assembly: Assembly, wanted: Mapping[Any, int]) -> list[int] | None:
    """Places such that each rule has the wanted number of lanes; None if that leaves out a lane alive or lacks lanes."""
    alive, kept = assembly.alive_L.tolist(), []
    for group in assembly.groups:
        places = sorted(range(group.start, group.stop), key=lambda place: (not alive[place], place))
        number = wanted.get(group.rule.key, 0)
        if number > group.size or any(alive[place] for place in places[number:]):
            return None
        kept += places[:number]
    return sorted(kept) if len(kept) == sum(wanted.values()) else None


def quarters(assembly: Assembly, full: Mapping[Any, int]) -> dict[Any, int]:
    """For each rule with a lane alive the number of its lanes, rounded up to quarters of those in the tile (`full`)."""
    alive = assembly.alive_L.tolist()
    result = {}
    for group in assembly.groups:
        number = sum(alive[group.start : group.stop])
        if number:
            quarter = -(-4 * number // full[group.rule.key])
            result[group.rule.key] = min(group.size, -(-full[group.rule.key] * quarter // 4))
    return result
