"""The page's half: how soon its first chart stands, frames a second of 6 x 5,000 points without a GPU, and the page's weight."""

import contextlib
import gzip
import shutil
import statistics
import tempfile
import time

from lab_sides.answers import Lab
from ravine.report import bundle

LOADS = 3
POINTS = 5_000
SECONDS = 4
LIMITS_MS = {"first chart ms": 1_000.0}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

FIRST_CHART = """() => new Promise((done) => {
  const look = () => document.querySelector('.chart-host')?.plot?.series.length > 1 ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""

# The page hears its server through these handlers: what is handed to them takes the way of a live race's frame.
HEAR = """(() => {
  const add = EventSource.prototype.addEventListener;
  globalThis.heard = {};
  EventSource.prototype.addEventListener = function (name, handle) {
    heard[name] = handle;
    if (name === 'hello') add.call(this, name, (event) => (globalThis.hello = JSON.parse(event.data)));
    return add.call(this, name, handle);
  };
})()"""

# Six lanes of noisy losses; then, before every picture, a frame of ten more steps with the predictions and inner quantities of a live one.
FRAMES = """([points, seconds]) => new Promise((done) => {
  const lanes = hello.lanes.length, times = [];
  let taken = 0;
  const noise = (step, lane) => 0.7 + 0.6 * (Math.abs(Math.sin(step * 12.9898 + lane) * 43758.5453) % 1);
  const loss = (step, lane) => (0.01 * (lane + 1) + Math.exp(-(step % points) / 800)) * noise(step, lane);
  const base64 = (floats) => btoa(Array.from(new Uint8Array(floats.buffer), (byte) => String.fromCharCode(byte)).join(''));
  const send = (count) => {
    const row = (place) => loss(taken + Math.floor(place / lanes), place % lanes);
    const losses = base64(Float32Array.from({ length: count * lanes }, (_, place) => row(place)));
    const data = { kind: 'frame', revision: hello.revision, first: taken, last: taken + count, losses, evaluations: [],
      snapshot: { ...hello.snapshot, step: taken + count }, alive: hello.lanes.map(() => true) };
    taken += count;
    heard.frame(new MessageEvent('frame', { data: JSON.stringify(data) }));
  };
  const draw = (now) => {
    times.push(now);
    if (now - times[0] < 1000 * seconds) {
      send(10);
      return requestAnimationFrame(draw);
    }
    const gaps = times.slice(1).map((time, place) => time - times[place]).sort((a, b) => a - b);
    const drawn = document.querySelector('.chart-host').plot.data[0].length;
    done({ fps: (1000 * gaps.length) / (now - times[0]), median: gaps[gaps.length >> 1], lanes, drawn, taken });
  };
  send(points);
  setTimeout(() => requestAnimationFrame(draw), 500);
})"""


def measure():
    """Milliseconds to the first chart, frames a second of a chart that grows, and kilobytes of the page; bytes alone without Chromium."""
    found = bundle.find()
    if found is None:
        return {"skipped: make web first": 0.0}
    weight = sum(len(gzip.compress(text.encode(), 9)) for text in (found.script, found.style))
    numbers = {"bundle KB gzip": weight / 1024}
    chromium = shutil.which("chromium")
    if chromium is None:
        return numbers | {"skipped: no Chromium": 0.0}
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Lab(folder)) as lab, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(HEAR)
        page.goto(lab.url)
        page.wait_for_selector(".play:not([disabled])")
        time.sleep(1)
        loads = []
        for _ in range(LOADS):
            page.reload()
            loads.append(page.evaluate(FIRST_CHART))
        page.wait_for_function("globalThis.hello?.snapshot")
        drawn = page.evaluate(FRAMES, [POINTS, SECONDS])
        browser.close()
    if drawn["drawn"] < POINTS:
        raise RuntimeError(f"the page drew {drawn['drawn']} of {drawn['taken']} steps that it was sent: these are no frames of a live race")
    return numbers | {
        "first chart ms": statistics.median(loads),
        f"frames/s {drawn['lanes']}x{POINTS}": drawn["fps"],
        "ms a frame, median": drawn["median"],
    }
