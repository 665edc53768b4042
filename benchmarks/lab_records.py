"""What the lab's page waits for when it opens a record: 1,000 lanes of 2,000 steps, asked of a real server; and what that costs a writer.

The first answer is the view and the bands, from which the whole page is drawn; lanes, and a range with every step, are asked for later.

    python benchmarks/lab_records.py
    python benchmarks/lab_records.py --lanes 4000 --repeats 3
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import uvicorn

from ravine.lab.app import Lab, make_app
from ravine.lab.running import Server, door_of
from ravine.lab.serving import Address, listen
from ravine.records import LaneRow, create, resume

STEPS, ENTRANTS, EVALUATIONS = 2000, 8, 40
LIMIT_S = 1.0
"""Of the first answer: the budget of the first chart."""


def write(path, lanes):
    """A record of a race under way: curves that fall, with noise, and evaluations."""
    rng = np.random.default_rng(0)
    rows = [
        LaneRow(lane=lane, stage="tune", optimizer=f"entrant-{lane % ENTRANTS}", lr=10.0 ** -(lane % 7), schedule="constant", seed=0)
        for lane in range(lanes)
    ]
    everyone = list(range(lanes))
    with create(path) as writer:
        writer.set_meta("task", {"name": "benchmark", "rank_by": "loss", "higher_is_better": False})
        writer.set_meta("protocol", {"steps": STEPS})
        writer.set_meta("status", "running")
        writer.add_lanes(rows)
        writer.start_lanes(everyone, "loop")
        for first in range(0, STEPS, STEPS // EVALUATIONS):
            steps = np.arange(first, first + STEPS // EVALUATIONS)
            losses = (2 / np.sqrt(1 + steps))[:, None] * rng.uniform(0.7, 1.3, (len(steps), lanes))
            writer.add_losses(everyone, first, losses.astype(np.float32))
            writer.add_evaluation(everyone, int(steps[-1]) + 1, "validation", {"loss": losses[-1]})
        writer.finish_lanes(everyone, steps_done=STEPS, seconds=1.0)


@contextlib.contextmanager
def serving(folder):
    """A lab in a thread of this process, as a function that asks it."""
    listener = listen(0)
    address = Address(listener.getsockname()[1], "benchmark")
    lab = Lab(folder=folder)
    config = uvicorn.Config(make_app(lab, door_of(address)), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    ready = threading.Event()
    server = Server(config, ready.set, lab.close)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    ready.wait()
    with httpx.Client(base_url=f"http://127.0.0.1:{address.port}", headers={"x-ravine-token": address.token}, timeout=120) as client:
        try:
            yield client.get
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def asked(get, paths):
    """Seconds and bytes of answers one after the other."""
    started, size = time.perf_counter(), 0
    for path in paths:
        answer = get(path)
        assert answer.status_code == 200, answer.text
        size += len(answer.content)
    return time.perf_counter() - started, size


def longest_flush(path, seconds):
    """Seconds of the slowest of a writer's flushes."""
    worst, until = 0.0, time.perf_counter() + seconds
    with resume(path) as writer:
        number = 0
        while time.perf_counter() < until:
            number += 1
            started = time.perf_counter()
            writer.set_meta("wall_s", number)
            writer.flush()
            worst = max(worst, time.perf_counter() - started)
            time.sleep(0.01)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    found = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "lanes": given.lanes, "steps": STEPS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "race.ravine")
        write(path, given.lanes)
        found["record_bytes"] = path.stat().st_size
        with serving(Path(folder)) as get:
            base = f"/api/records/{get('/api/records').json()['records'][0]['id']}"
            own = ",".join(str(lane) for lane in range(0, given.lanes, ENTRANTS))
            cases = {
                "first answer": [base, f"{base}/bands?columns=400"],
                "lanes of one entrant": [f"{base}/curves?columns=400&lanes={own}"],
                "every step of a range": [f"{base}/curves?columns=400&lanes={own}&start=900&stop=1100"],
            }
            print(f"{'case':24} {'s':>7} {'bytes':>10}   first answer: at most {LIMIT_S:g} s")
            for name, paths in cases.items():
                runs = [asked(get, paths) for _ in range(given.repeats)]
                found[name] = {"s": statistics.median(second for second, _ in runs), "bytes": runs[0][1], "repeats": given.repeats}
                print(f"{name:24} {found[name]['s']:7.3f} {found[name]['bytes']:10,}", flush=True)
            alone = longest_flush(path, 2.0)
            reader = threading.Thread(target=lambda: [asked(get, cases["first answer"]) for _ in range(3)])
            reader.start()
            beside = longest_flush(path, 2.0)
            reader.join()
        found["slowest_flush_s"] = {"alone": alone, "while it is read": beside}
        print(f"slowest flush of a writer: {alone:.4f} s alone, {beside:.4f} s while the page reads")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
