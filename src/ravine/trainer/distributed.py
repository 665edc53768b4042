"""Processes that train one model together: who there is, what they tell one another, and how they end together.

torchrun, or whatever sets the same variables, starts the same program several times. All of them read the same task and
draw the same batches, of which each takes its rows; what decides (sums, signals, errors) is exchanged, so that every
process does the same next. One process alone exchanges nothing.

Sums are taken in float64 in the order of the processes: all get the same bits, whatever the network does.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError, RavineError, TaskError

Found = TypeVar("Found")

STRATEGIES = ("ddp", "fsdp", "zero1")
"""How a model lies over processes; "auto" is the first."""
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets and torch reads."""
START = "torchrun --nproc-per-node 2 -m ravine train TASK"
TOLD = "the first process says it"
"""Note on an error that the first process has too, so that nobody else needs to tell it."""
_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL error")
"""What torch says where a process is gone."""
MOMENT = timedelta(seconds=3)
"""Within which processes that fail for one reason do so."""
SETTLING_S = 0.1
"""How long gloo's threads have to let go of what they held, before a process ends."""


class Processes:
    """One process alone: the base of many.

    Attributes:
        rank: this process's number, from 0.
        world: how many there are.
        strategy: one of `STRATEGIES`; None alone.
        grace_s: seconds within which a second Ctrl-C is taken for the first.
    """

    rank = 0
    world = 1
    strategy: str | None = None
    grace_s = 0.0

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    @property
    def lines(self) -> tuple[str, ...]:
        """Who trains, for people; nothing where that is one process."""
        return () if self.strategy is None else (f"{self.world} processes, {self.strategy}",)

    def part(self, rows: int) -> tuple[int, int]:
        """Where this process's share of so many rows begins and ends; shares differ by at most one row."""
        return self.rank * rows // self.world, (self.rank + 1) * rows // self.world

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        return list(values)

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return value

    def largest(self, value: int) -> int:
        """The largest of all processes."""
        return value

    def gather(self, value: Found) -> list[Found]:
        """What each process gave, in their order."""
        return [value]

    def on_first(self, action: Callable[[], Found]) -> Found:
        """What the first process found by `action`, which the others do not run.

        Raises:
            OSError: it failed there; in the first process, what failed.
        """
        return action()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that fails for all processes where it fails for one; nothing may be exchanged within.

        Raises:
            RavineError: the block's own, or that of the first process that had one.
        """
        yield


ALONE = Processes()
"""One process, as most trainings have."""


class Group(Processes):
    """Several processes; torch's default group must stand.

    Args:
        strategy: one of `STRATEGIES`.
    """

    # The terminal sends Ctrl-C to all processes of the group, and torchrun once more to those that it started.
    grace_s = 2.0

    def __init__(self, strategy: str) -> None:
        from torch import distributed  # noqa: PLC0415 - only here is it in use

        self._torch: Any = distributed
        self.strategy = strategy
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()
        # Numbers on the CPU are exchanged there: a GPU would have to be waited for.
        self._group: Any = None if distributed.get_backend() == "gloo" else distributed.new_group(backend="gloo")

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        found: list[float] = self._all(values).sum(0).tolist()
        return found

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return self.total([value])[0] / self.world

    def largest(self, value: int) -> int:
        """The largest of all processes."""
        return int(self._all([value]).max())

    def gather(self, value: Found) -> list[Found]:
        """What each process gave, in their order."""
        found: list[Any] = [None] * self.world
        self._torch.all_gather_object(found, value, group=self._group)
        return found

    def on_first(self, action: Callable[[], Found]) -> Found:
        """What the first process found by `action`, which the others do not run."""
        answer: list[Any] = [None, None]
        failure: BaseException | None = None
        if self.is_first:
            try:
                answer[0] = action()
            except Exception as error:
                failure, answer[1] = error, str(error)
        self._torch.broadcast_object_list(answer, src=0, group=self._group)
        if failure is not None:
            raise failure
        if answer[1] is not None:
            raise OSError(answer[1])
        found: Found = answer[0]
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that fails for all processes where it fails for one."""
        own: BaseException | None = None
        try:
            yield
        except Exception as error:
            own = error
        said = self.gather(None if own is None else _told(own))
        if own is not None:
            raise own
        rank, told = next(((rank, told) for rank, told in enumerate(said) if told is not None), (0, None))
        if told is not None:
            raise TaskError(f"process {rank} of {self.world}: {told}")

    def is_told(self) -> bool:
        """Whether the first process failed as well, within a moment: it then says so for all."""
        store: Any = self._torch.distributed_c10d._get_default_store()
        try:
            store.set(f"ravine/failed/{self.rank}", "1")
            store.wait(["ravine/failed/0"], MOMENT)
        except RuntimeError:  # nobody set it in time
            return False
        return not self.is_first

    def _all(self, values: Sequence[float]) -> torch.Tensor:
        """Numbers of all processes, (processes, numbers)."""
        own = torch.tensor(values, dtype=torch.float64)
        found = [torch.empty_like(own) for _ in range(self.world)]
        self._torch.all_gather(found, own, group=self._group)
        return torch.stack(found)


@contextmanager
def joined(strategy: str | None = None, device: str = "cpu") -> Iterator[Processes]:
    """The processes that this one was started with, for a block; alone where there are no others.

    A group of torch's that stands already is taken as it is; one that is made here ends with the block.

    Args:
        strategy: as the caller gave it; None for "auto".
        device: "cpu", "cuda" or "auto".

    Raises:
        UnknownNameError: no such strategy.
        InputError: a strategy without other processes, variables that do not fit, or processes that cannot meet.
    """
    if strategy not in (None, "auto", *STRATEGIES):
        raise unknown_name("strategy", str(strategy), ["auto", *STRATEGIES])
    chosen = STRATEGIES[0] if strategy in (None, "auto") else str(strategy)
    is_begun = torch.distributed.is_available() and torch.distributed.is_initialized()
    world = torch.distributed.get_world_size() if is_begun else _world(os.environ)
    if world == 1:
        if strategy not in (None, "auto"):
            remedy = f"Start them with {START} --strategy {strategy}, or leave it out"
            raise InputError(f"strategy={strategy!r} with one process: it needs several. {remedy}.", given=strategy)
        yield ALONE
        return
    wants_cuda = device != "cpu" and torch.cuda.is_available()
    if not is_begun:
        _meet("cpu:gloo,cuda:nccl" if wants_cuda else "gloo", world)
    group = Group(chosen)
    try:
        if wants_cuda:
            with group.together():
                torch.cuda.set_device(own_gpu(group.rank))
        yield group
    except RavineError as error:
        if not is_told_elsewhere(error) and group.is_told():
            error.add_note(TOLD)
        raise
    except RuntimeError as error:
        sign = next((sign for sign in _LOST if sign in str(error)), None)
        if sign is None:
            raise
        given = f"process {group.rank} of {group.world} lost another one, which failed or was killed ({sign})"
        raise TaskError(f"{given}. Look at what that one says, then go on from the last checkpoint with resume (--resume).") from error
    finally:
        if not is_begun:
            torch.distributed.destroy_process_group()
            # Gloo's threads outlive the group where torch's caches hold its mesh (DTensor's do). One of them that has yet to drop the last
            # exchange's tensors when the interpreter ends is ended by it in the midst of C++, which aborts the process
            # (pytorch/pytorch#179291, as of torch 2.13). They need the interpreter's lock for it: leave it to them.
            time.sleep(SETTLING_S)


def is_told_elsewhere(error: BaseException) -> bool:
    """Whether the first process says what happened."""
    return TOLD in getattr(error, "__notes__", ())


def own_gpu(rank: int) -> int:
    """The GPU of this process, by its number on its machine.

    Raises:
        InputError: the machine has fewer GPUs than processes.
    """
    there = torch.cuda.device_count()
    local = int(os.environ.get("LOCAL_RANK", rank))
    if local >= there:
        given = f"process {rank} is number {local + 1} on its machine, where torch finds {there} GPU{'s' * (there != 1)}"
        raise InputError(f"{given}: each process needs one of its own. Give torchrun --nproc-per-node {there}, or use --device cpu.")
    return local


def _world(environment: Mapping[str, str]) -> int:
    """How many processes the variables speak of."""
    given = environment.get("WORLD_SIZE")
    if given is None:
        return 1
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"WORLD_SIZE={given!r}: must be a whole number of at least 1. Let torchrun set it: {START}.", given=given)
    missing = [name for name in VARIABLES if name not in environment]
    if int(given) > 1 and missing:
        remedy = f"Let torchrun set them ({START}), or unset WORLD_SIZE to train in one process"
        raise InputError(f"WORLD_SIZE={given} without {', '.join(missing)}: processes cannot meet by it alone. {remedy}.", given=given)
    return int(given)


def _meet(backend: str, world: int) -> None:
    """Make torch's default group."""
    if not torch.distributed.is_available():
        raise InputError(f"WORLD_SIZE={world}: this torch was built without torch.distributed. Install one with it, or unset WORLD_SIZE.")
    try:
        torch.distributed.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        given = f"process {os.environ['RANK']} of {world} cannot meet the others at {where} ({str(error).splitlines()[0].rstrip('.')})"
        raise InputError(f"{given}. Start all of them, and look whether that address can be reached from each.") from error


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, RavineError) else f"{type(error).__name__}: {error}"
