"""What the browser tests of the lab share: when they can run, and how a page is looked at."""

import pathlib
import re
import shutil

import pytest

from ravine.report import bundle

playwright = pytest.importorskip("playwright.sync_api", reason="a browser test needs Playwright: pip install playwright")

AXE = pathlib.Path(bundle.__file__).parents[1] / "lab" / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WAIT_MS = 60_000

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

NEEDS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.skipif(bundle.find() is None or bundle.find_more() is None, reason="needs the built page: make web"),
    pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: make web"),
]


def ready(page):
    """A race page that can be played."""
    page.wait_for_selector(".play:not([disabled])")
    return page


def played(page):
    """A race page that ran to its end."""
    ready(page).click(".play")
    page.wait_for_selector(".play:has-text('Play again')")
    return page


def has_text(page, selector, text):
    """The first element comes to hold what the pattern says."""
    playwright.expect(page.locator(selector).first).to_have_text(re.compile(text), timeout=WAIT_MS)


def stands_at(page, settings):
    """The address comes to hold these settings."""
    playwright.expect(page).to_have_url(re.compile(re.escape(settings)), timeout=WAIT_MS)


def violations(page):
    """What axe-core finds against the guidelines."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(f"axe.run(document, {{runOnly: {RULES}}})")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
