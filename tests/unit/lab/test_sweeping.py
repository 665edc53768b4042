import asyncio
import gc

import pytest

from ravine.base.errors import TaskError
from ravine.lab.settings import PRESET
from ravine.lab.sweeping import MOST_KEPT, Sweeps


class Calls:
    """Answers when it is told to."""

    def __init__(self):
        self.asked, self.given_up, self.may_end = [], [], asyncio.Event()

    async def call(self, function, settings, tell):
        self.asked.append(settings["names"])
        tell("half of it")
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.given_up.append(settings["names"])
            raise
        if "lion" in settings["names"]:
            raise TaskError("no.")
        return {name: {"tuned": len(self.asked)} for name in settings["names"]}


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


def run(script):
    async def scripted():
        calls = Calls()
        await script(Sweeps(calls), calls)

    asyncio.run(scripted())


def test_a_sweep_that_is_under_way_is_shared_and_told_to_all_who_wait():
    async def script(sweeps, calls):
        told = []
        first = asyncio.create_task(sweeps.find(PRESET, ["sgd"], {}, told.append))
        await settled()
        second = asyncio.create_task(sweeps.find(PRESET, ["sgd", "adam"], {}))
        await settled()
        assert calls.asked == [["sgd"], ["adam"]]
        assert told == ["half of it"]
        assert sweeps.known(PRESET, ["sgd"]) is None
        calls.may_end.set()
        assert await first == {"sgd": {"tuned": 2}}
        assert list(await second) == ["sgd", "adam"]
        assert sweeps.known(PRESET, ["adam", "sgd"]) == await second
        assert list(await sweeps.find(PRESET, ["adam"], {})) == ["adam"]
        assert len(calls.asked) == 2

    run(script)


def test_what_nobody_waits_for_any_more_is_given_up_and_can_be_asked_for_again():
    async def script(sweeps, calls):
        first, second = (asyncio.create_task(sweeps.find(PRESET, ["sgd"], {})) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        assert calls.given_up == []
        second.cancel()
        third = asyncio.create_task(sweeps.find(PRESET, ["sgd"], {}))
        await settled()
        assert calls.given_up == [["sgd"]]
        calls.may_end.set()
        assert await third == {"sgd": {"tuned": 2}}

    run(script)


def test_a_sweep_that_failed_is_told_to_all_and_kept_by_none():
    async def script(sweeps, calls):
        waiting = [asyncio.create_task(sweeps.find(PRESET, ["lion"], {})) for _ in range(2)]
        calls.may_end.set()
        for one in waiting:
            with pytest.raises(TaskError, match=r"no\."):
                await one
        with pytest.raises(TaskError):
            await sweeps.find(PRESET, ["lion"], {})
        assert len(calls.asked) == 2

    run(script)


def test_only_so_many_are_kept_and_what_is_asked_for_is_always_there():
    async def script(sweeps, calls):
        calls.may_end.set()
        for seed in range(MOST_KEPT + 2):
            assert await sweeps.find({**PRESET, "seed": seed}, ["sgd"], {})
        assert sweeps.known({**PRESET, "seed": 0}, ["sgd"]) is None
        assert sweeps.known({**PRESET, "seed": MOST_KEPT + 1}, ["sgd"]) is not None

    run(script)


def test_a_sweep_that_was_given_up_and_fails_all_the_same_is_no_error_of_anybody():
    async def script(sweeps, calls):
        overlooked = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, about: overlooked.append(about["message"]))

        async def call(function, settings, tell):
            try:
                await calls.may_end.wait()
            except asyncio.CancelledError:
                raise TaskError("the lab ended.") from None

        calls.call = call
        wanted = asyncio.create_task(sweeps.find(PRESET, ["sgd"], {}))
        await settled()
        wanted.cancel()
        await settled()
        assert wanted.cancelled()
        del wanted
        gc.collect()
        assert overlooked == []

    run(script)
