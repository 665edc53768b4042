import asyncio
from dataclasses import replace

import pytest

from lab_links import make
from ravine.base.errors import InputError, TaskError
from ravine.lab.wishes import Wishes


def run(script):
    asyncio.run(script())


def wishes(answer_s=60.0):
    sent = []

    def send(wanted):
        sent.append(replace(wanted, revision=len(sent) + 1))
        return sent[-1]

    return Wishes(send, answer_s), sent


def test_one_is_looked_at_and_of_the_others_the_last_is_next():
    async def script():
        found, sent = wishes()
        tasks = [asyncio.create_task(found.want(make(seed=seed))) for seed in range(4)]
        await asyncio.sleep(0)
        assert [one.setting["seed"] for one in sent] == [0]
        assert (found.of(1), found.of(2)) == (found.now, None)
        found.now.hear()
        assert found.go_on()
        assert [one.setting["seed"] for one in sent] == [0, 3]
        found.now.hear(InputError("no."))
        assert not found.go_on()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert told[:3] == [None] * 3
        assert str(told[3]) == "no."

    run(script)


def test_nobody_waits_for_ever():
    async def script():
        found, _ = wishes(answer_s=0.01)
        await found.want(make())
        assert found.now.hear() is False, "whoever waited has been answered"
        await found.want(make())
        found.want_again(make())
        assert found.now.hear(InputError("no.")) is False

    run(script)


def test_everyone_is_told_when_nothing_comes_of_it():
    async def script():
        found, _ = wishes()
        tasks = [asyncio.create_task(found.want(make())) for _ in range(2)]
        await asyncio.sleep(0)
        found.give_up(TaskError("the session was ended."))
        assert found.now is None
        for task in tasks:
            with pytest.raises(TaskError, match="was ended"):
                await task

    run(script)
