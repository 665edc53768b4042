"""The server's half: how soon a running lab answers controls while it trains at full speed, and how soon a race can be played."""

import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CONTROLS = 200
WARM_S = 10
LIMITS_MS = {"control p95": 50.0}


class Lab:
    """A lab in a process of its own, asked over HTTP."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "ravine", "lab", "--no-open", "--port", "0"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[1]
        self.base, self.token = re.fullmatch(r"(http://[^/]+)/#token=(\S+)", self.url).groups()
        self.headers = {"x-ravine-token": self.token, "origin": self.base, "content-type": "application/json"}

    def post(self, path, body):
        request = urllib.request.Request(f"{self.base}{path}", json.dumps(body).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def events(self, session):
        with urllib.request.urlopen(f"{self.base}/api/sessions/{session}/events?token={self.token}", timeout=120) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure():
    """Milliseconds of answers, and steps a second, of six optimisers on the page's first race."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Lab(folder)) as lab:
        # A person takes some seconds to see what there is; meanwhile the training process gets ready.
        time.sleep(WARM_S)
        began = time.perf_counter()
        session = lab.post("/api/sessions", {"steps": 50_000, "lrs": 0.01})["session"]
        events = lab.events(session)
        next(event for event in events if event["kind"] == "hello" and event["lanes"])
        ready_s = time.perf_counter() - began
        at = f"/api/sessions/{session}/control"
        lab.post(at, {"do": "play"})
        seen = {"frames": 0, "step": 0}
        thread = threading.Thread(target=watch, args=(events, seen), daemon=True)
        thread.start()
        started, times = time.perf_counter(), []
        for number in range(CONTROLS):
            before = time.perf_counter()
            lab.post(at, {"do": "speed", "speed": None if number % 2 else 1e6})
            times.append(1e3 * (time.perf_counter() - before))
            time.sleep(0.02)
        spent = time.perf_counter() - started
        pauses = []
        for _ in range(10):
            before = time.perf_counter()
            lab.post(at, {"do": "pause"})
            pauses.append(1e3 * (time.perf_counter() - before))
            lab.post(at, {"do": "play"})
        steps, frames = seen["step"], seen["frames"]
        lab.post(at, {"do": "end"})
        thread.join(10)
    return {
        "race ready s": ready_s,
        "control median ms": statistics.median(times),
        "control p95": percentile(times, 0.95),
        "pause p95": percentile(pauses, 0.95),
        "frames a second": frames / spent,
        "steps a second": steps / spent,
    }


def watch(events, seen):
    """Read a tab's events until the stream ends."""
    for event in events:
        if event["kind"] == "frame":
            seen["frames"] += 1
            seen["step"] = event["last"]
