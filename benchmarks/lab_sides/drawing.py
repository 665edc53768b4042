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

# The race's own chart, six lanes with markers and labels, given ten more points of every lane before each frame.
FRAMES = """([points, seconds]) => new Promise((done) => {
  const u = document.querySelector('.chart-host').plot;
  const columns = u.series.map((_, lane) => Array.from({ length: points }, (_, step) =>
    lane ? (0.01 * lane + Math.exp(-step / 800)) * (0.7 + 0.6 * (Math.abs(Math.sin(step * 12.9898 + lane) * 43758.5453) % 1)) : step));
  const began = performance.now();
  let frames = 0, least = Infinity;
  const draw = async (now) => {
    if (now - began > 1000 * seconds) return done({ fps: (1000 * frames) / (now - began), lanes: columns.length - 1, least });
    frames++;
    for (let more = 0; more < 10; more++)
      columns.forEach((column, lane) => column.push(lane ? column[column.length - points] : column.length));
    const before = performance.now();
    u.setData(columns);
    // uPlot draws in a microtask.
    await null;
    await null;
    least = Math.min(least, performance.now() - before);
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
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
        page.goto(lab.url)
        page.wait_for_selector(".play:not([disabled])")
        time.sleep(1)
        loads = []
        for _ in range(LOADS):
            page.reload()
            loads.append(page.evaluate(FIRST_CHART))
        drawn = page.evaluate(FRAMES, [POINTS, SECONDS])
        browser.close()
    return numbers | {
        "first chart ms": statistics.median(loads),
        f"frames/s {drawn['lanes']}x{POINTS}": drawn["fps"],
        "ms a frame, least": drawn["least"],
    }
