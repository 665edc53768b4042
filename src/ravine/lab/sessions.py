"""A session of the race page: its setting, the process that trains, and what it has seen."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from ravine.base.errors import InputError, RavineError, TaskError
from ravine.lab.answers import Busy
from ravine.lab.history import History, numbers
from ravine.lab.links import Link
from ravine.lab.pace import Pace
from ravine.lab.protocol import Diverged, End, Evaluation, Failure, Setting, State, Status
from ravine.lab.race_worker import Advance, Answered, Ask, Failed, Made, Make, Possible, Ready, Refused, Taken
from ravine.lab.wishes import ANSWER_S, Wish, Wishes

TICK_S = 1 / 60
"""Seconds between looks at what is owed to a speed."""

KILLED = "the process that trained ended by itself or was killed, perhaps for want of memory"

BUILDING = "identical copies of the network are being made"
FINDING = "each optimiser's best rate is being looked for"

AT_FIRST = "Lower its rate, warm up, or clip gradients. The cause is being looked for."
"""What is said of a lane's end before it was looked into."""


def _nothing(session: "Session", ended: Diverged) -> None:
    del session, ended


def _unheard(*message: object) -> None:
    del message


async def _no_rates(session: "Session", make: Make) -> dict[str, float]:
    del session
    return make.rates


class Session:
    """One race of the page; everything in it happens on the event loop's thread.

    Args:
        name: of the session.
        start: starts a process, or hands over a warm one.
        diverged: told of every lane's end, to find out why.
        find_rates: finds the rates of a race whose rates are open; it may `tell_progress`.
        answer_s: seconds that `prepare` waits for the process.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Link],
        diverged: Callable[["Session", Diverged], None] = _nothing,
        find_rates: Callable[["Session", Make], Awaitable[dict[str, float]]] = _no_rates,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.name, self._start, self._diverged, self._find_rates = name, start, diverged, find_rates
        self.revision, self.edition, self.message, self.facts = 0, 0, "", dict[str, Any]()
        self.state: State = "preparing"
        self.make: Make | None = None
        self.history, self.pace = History(), Pace()
        self.watchers, self.is_ended = 0, False
        self._news, self._numbers = asyncio.Event(), itertools.count()
        self._link: Link | None = None
        self._wishes = Wishes(self._ask_for, answer_s)
        self._finding: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""

    @property
    def setting(self) -> Setting | None:
        """Of the race that is there."""
        return None if self.make is None else cast(Setting, self.make.setting)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._link is None else self._link.pid

    async def prepare(self, make: Make) -> None:
        """Prepare another race; the one before stays where it is not possible, and of several that are wanted the last one is prepared.

        Returns when the process has said that it is possible, or after a while: what it says later is told to the tabs.

        Args:
            make: of the next revision, whichever it says; without rates, those are found first.

        Raises:
            InputError: it is not possible.
        """
        if self._link is not None and self._link.has_ended:
            # What it owes is told first, and what is wanted now does not go to it.
            self._link.receive, self._link.lost = _unheard, _unheard
            self._lose()
        await self._wishes.want(make)

    def tell_progress(self, words: str) -> None:
        """Say how far the preparation is."""
        self.message = words
        self._tell()

    def play(self) -> None:
        """Train on."""
        if self.state in ("done", "failed"):
            raise Busy("the race is over: reset it first.")
        self.pace.play()
        self._tell()
        self._pump()

    def pause(self) -> None:
        """Train no further."""
        self.pace.stop()
        self._tell()

    def step(self, steps: int) -> None:
        """Take so many steps, and wait."""
        if self.state in ("done", "failed"):
            raise Busy("the race is over: reset it first.")
        self.pace.stop()
        self.pace.due = steps
        self._tell()
        self._pump()

    def set_speed(self, speed: float | None) -> None:
        """Steps a second from now on; None for as many as possible."""
        self.pace.speed = speed
        self._tell()
        self._pump()

    def end(self) -> Link | None:
        """End the session; its process, where it can serve another one."""
        self.is_ended = True
        self.pace.stop()
        link, self._link = self._link, None
        is_idle = link is not None and link.waiting_since is None
        if link is not None and not is_idle:
            link.close()
        self._stop_finding()
        gone = TaskError("the session was ended.")
        self._wishes.give_up(gone)
        for future in self._answers.values():
            if not future.done():
                future.set_exception(gone)
        self.notify()
        return link if is_idle else None

    async def ask(self, what: str, settings: dict[str, Any]) -> Any:
        """Ask the process something about the race.

        Raises:
            InputError: what it had to say.
        """
        if self._link is None or not self.facts or self.state == "failed":
            raise Busy("no race is prepared: reset it first.")
        number, future = next(self._numbers), asyncio.get_running_loop().create_future()
        self._answers[number] = future
        self._link.send(Ask(number, what, settings))
        try:
            return await future
        finally:
            self._answers.pop(number, None)

    def tell_end(self, ended: Diverged) -> None:
        """Tell of a lane's end, or of what was found out about it since."""
        if ended["revision"] == self.revision:
            self.history.said.append(ended)
            self.notify()

    def look_after(self, patience_s: float, preparing_s: float) -> None:
        """End a process that does not answer any more."""
        allowed = preparing_s if self.state == "preparing" else patience_s
        if self._link is not None and self._link.is_overdue(allowed):
            what = "preparing the race" if self.state == "preparing" else "a step"
            self._reason = f"{what} took more than {allowed:g} s, so it was stopped. Make the model smaller, or correct it, and reset"
            self._link.kill()

    def excuse(self, seconds: float) -> None:
        """Leave out so much of the time for which its process has owed an answer: the server could not hear it."""
        if self._link is not None:
            self._link.excuse(seconds)

    async def news(self, timeout_s: float) -> bool:
        """Wait until something is new; False where nothing was for so long."""
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def notify(self) -> None:
        """Wake everyone who waits for news."""
        self._news.set()
        self._news = asyncio.Event()

    def _process(self) -> Link:
        if self._link is None:
            self._link = self._start()
            self._link.receive, self._link.lost = self._take, self._lose
        return self._link

    def _take(self, message: Any) -> None:
        match message:
            case Made() | Possible() if wish := self._wishes.of(message.revision):
                self._commit(wish)
            case Refused():
                self._refuse(message)
            case Ready() if message.revision == self.revision:
                self._ready(message.facts)
            case Taken() if message.revision == self.revision:
                self._taken(message)
            # Steps that were asked for ahead fail as well, and not for the reason.
            case Failed() if message.revision == self.revision and self.state != "failed":
                self._fail(message.sentence, restarted=False)
            case Answered() if (future := self._answers.get(message.number)) and not future.done():
                if message.error:
                    future.set_exception(InputError(message.error))
                else:
                    future.set_result(message.value)

    def _ask_for(self, make: Make) -> Make:
        """Have the process look at a race that is wanted."""
        make = replace(make, revision=self.revision + 1)
        # Before the first race is possible there is none that a tab could be told of but this one.
        self.make = self.make or make
        self._process().send(make)
        return make

    def _go_on(self) -> None:
        """Turn to what was wanted meanwhile; where that is nothing, find the rates of the race that is there if they are open."""
        is_open = self.make is not None and not self.make.rates and self.state == "preparing"
        if not self._wishes.go_on() and is_open and self._finding is None:
            self._finding = asyncio.get_running_loop().create_task(self._find())

    def _commit(self, wish: Wish) -> None:
        """A race is possible: it takes the place of the one before."""
        make = wish.make
        self._stop_finding()
        self.make, self.revision = make, make.revision
        self.history, self.facts = History(), {}
        self.state, self.message = "preparing", BUILDING if make.rates else FINDING
        self.edition += 1
        self.pace.stop()
        self.pace.forget()
        self.pace.seconds = 0.0
        wish.hear()
        self.notify()
        self._go_on()

    async def _find(self) -> None:
        """Find the rates of a race that is possible, then have its lanes built."""
        make = self.make
        assert make is not None, "rates are found for the race that is there"
        try:
            rates = await self._find_rates(self, make)
        except RavineError as error:
            self._finding = None
            self._fail(str(error), restarted=False)
            return
        self._finding, self.make = None, replace(make, rates=rates)
        self.tell_progress(BUILDING)
        self._process().send(self.make)

    def _stop_finding(self) -> None:
        if self._finding is not None:
            self._finding.cancel()
            self._finding = None

    def _refuse(self, message: Refused) -> None:
        wish = self._wishes.of(message.revision)
        if wish is None:
            if message.revision == self.revision:
                self._fail(message.sentence, restarted=False)
            return
        if not wish.hear(InputError(message.sentence)):
            self._tell_late(message.sentence)
        self._go_on()

    def _tell_late(self, sentence: str) -> None:
        """Tell the tabs that what was wanted is not possible, where whoever asked has been answered; the race before stays."""
        if self.revision == 0:
            self._fail(sentence, restarted=False)
            return
        self.history.said.append(Failure(kind="error", revision=self.revision, message=sentence, restarted=False))
        # Their controls show what was wanted: the whole state sets them right.
        self.edition += 1
        self.notify()

    def _ready(self, facts: dict[str, Any]) -> None:
        self.facts, begun = facts, facts["begun"]
        self.history.lanes = len(facts["lanes"])
        self.state, self.message = "paused", ""
        self.pace.asked += 1
        self._taken(begun)
        # Tabs have seen no lanes yet: they get the whole state once more.
        self.edition += 1
        self._tell()
        self._pump()

    def _taken(self, message: Taken) -> None:
        history = self.history
        self.pace.taken(len(message.losses))
        history.add_losses(message.losses)
        history.alive = message.alive
        for step, values in message.evaluations.items():
            history.evaluations.append(Evaluation(step=step, values={name: numbers(column) for name, column in values.items()}))
        for step, predictions, inside, keeps in message.looks:
            history.add_look(step, predictions, inside, keeps=keeps)
        for lane, step, reason in message.diverged:
            ended = Diverged(kind="diverged", revision=self.revision, lane=lane, step=step, reason=reason, remedy=AT_FIRST)
            self.tell_end(ended)
            self._diverged(self, ended)
        if message.end:
            self.pace.stop()
            self.state, self.message = "done", message.end
            history.said.append(End(kind="end", revision=self.revision, step=history.steps, reason=message.end))
            self._tell()
        self.notify()
        self._pump()

    def _pump(self) -> None:
        """Ask for steps as the pace has it."""
        if self._link is None or self.state not in ("paused", "running"):
            return
        while count := self.pace.next():
            self._link.send(Advance(self.revision, count, looks=not self.pace.is_playing and not self.pace.due))
        is_moving = self.pace.is_playing or self.pace.due > 0
        if is_moving and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        if not is_moving and self.pace.asked == 0 and self.history.last is not None and self.history.last["step"] != self.history.steps:
            self.pace.asked += 1
            self._link.send(Advance(self.revision, 0, looks=True))

    def _tick(self) -> None:
        self._timer = None
        self._pump()

    def _tell(self) -> None:
        """Say what the session does now."""
        if self.state in ("paused", "running"):
            self.state = "running" if self.pace.is_playing else "paused"
        self.history.said.append(
            Status(
                kind="status",
                revision=self.revision,
                state=self.state,
                running=self.pace.is_playing,
                speed=self.pace.speed,
                step=self.history.steps,
                message=self.message,
            )
        )
        self.notify()

    def _fail(self, sentence: str, *, restarted: bool) -> None:
        self.pace.stop()
        self.pace.forget()
        self.state, self.message = "failed", sentence
        self.history.said.append(Failure(kind="error", revision=self.revision, message=sentence, restarted=restarted))
        self._tell()

    def _lose(self) -> None:
        """The process is gone: say so, and start another one where that may help."""
        # While rates are looked for it only waits: its end is nothing that the race could have done.
        was_waiting = self._finding is not None and self._wishes.now is None
        self._link = None
        self._stop_finding()
        reason, self._reason = self._reason, ""
        wish = self._wishes.now
        was_preparing = wish is not None or (self.state == "preparing" and not was_waiting)
        for future in self._answers.values():
            if not future.done():
                future.set_exception(TaskError(f"{reason or KILLED}."))
        is_heard = wish is not None and wish.hear(TaskError(f"{reason or KILLED}: the race could not be prepared."))
        if is_heard and self.revision == 0:
            self._wishes.go_on()
            return
        # A task that ends its process while it is prepared would do so again.
        restarts = not reason and not was_preparing and self.make is not None
        what = "; it was started anew, from the first step" if restarts else ". Correct the model, or make it smaller, and reset"
        told = reason or f"{KILLED}{what}"
        self._fail(f"{told}.", restarted=restarts)
        if not self._wishes.go_on() and restarts and self.make is not None:
            self._wishes.want_again(self.make)
