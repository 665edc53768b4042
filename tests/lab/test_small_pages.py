"""The small pages in a real browser: each opens without an error, can be read without eyes, by keyboard, in both themes and at 320 px."""

import re

import pytest

from lab_browser import NEEDS, WAIT_MS, playwright, stands_at, violations

pytestmark = NEEDS

PAGES = {
    "surface": ("surface?optimizers=sgd,adam&lr=0.05&steps=60", "canvas"),
    "schedules": ("schedules?schedules=cosine;one_cycle", ".chart canvas"),
    "loss-shapes": ("loss-shapes?losses=squared,focal", ".chart canvas"),
    "precision": ("precision", ".holds"),
    "depth": ("depth?depth=8&width=8&seeds=2", ".chart canvas"),
    "memory": ("memory?optimizers=lion,adamw", ".plan"),
    "doctor": ("doctor", ".ladder"),
    "lessons": ("lessons", "ol a"),
    "lesson": ("lessons/saddle", ".choices"),
}


@pytest.fixture
def opened(opened):
    """Opens a page by its name here, or any address, and waits for what it shows."""

    def open_page(name, **settings):
        address, sign = PAGES.get(name, (name, "h1"))
        page = opened(address, **settings)
        page.wait_for_selector(sign)
        return page

    return open_page


IS_IN_VIEW = """() => {
  const { left, right } = document.querySelector("nav [aria-current]").getBoundingClientRect();
  return left >= 0 && right <= innerWidth;
}"""


def holds(page, selector, text):
    playwright.expect(page.locator(selector)).to_have_text(text, timeout=WAIT_MS)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_fits_and_is_accessible(opened, name, width, scheme):
    page = opened(name, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(IS_IN_VIEW), "where one is can be seen in the navigation"
    assert violations(page) == []


def test_what_is_set_stands_in_the_address_and_the_numbers_follow(opened):
    page = opened("memory")
    last = "table tbody tr:last-child td:last-child"
    holds(page, last, "1.98 GB")
    page.select_option("label:has-text('Bits of the state') + select", "8")
    holds(page, last, "1.24 GB")
    stands_at(page, "bits=8")
    page.click("text=The same from the command line")
    assert "ravine figure memory --optimizers lion,adamw --bits 8 --json" in page.inner_text(".code pre >> nth=0")


def test_a_refused_setting_is_said_in_the_servers_words(opened):
    page = opened("schedules", is_refused=True)
    page.fill("label:has-text('Schedules, a semicolon') + input", "cosin")
    page.keyboard.press("Enter")
    assert "did you mean 'cosine'" in page.inner_text("[role=alert]")


def test_the_start_is_moved_by_keys_by_clicks_and_by_numbers(opened):
    page = opened("surface")
    page.focus("canvas.relief")
    page.keyboard.press("ArrowRight")
    stands_at(page, "start=-3.8,1")
    page.click("canvas.relief", position={"x": 300, "y": 100})
    playwright.expect(page).not_to_have_url(re.compile(re.escape("start=-3.8,1")), timeout=WAIT_MS)
    page.fill("label:has-text('Start: x') + input", "2")
    page.keyboard.press("Enter")
    stands_at(page, "start=2,")


def test_play_runs_to_the_end_and_the_scrubber_goes_back(opened):
    page = opened("surface")
    shown = ".relief-play output"
    holds(page, shown, "60")
    page.check("input[value='5']")
    page.click("button:has-text('Play')")
    holds(page, ".relief-play button.main", "Pause")
    holds(page, ".relief-play button.main", "Play")
    holds(page, shown, "60")
    page.focus(".relief-play input[type=range]")
    page.keyboard.press("Home")
    holds(page, shown, "0")
    page.click("text=One step")
    holds(page, shown, "1")


def test_a_teachers_link_hides_controls(opened):
    page = opened("loss-shapes?hide=gamma,losses")
    page.wait_for_selector(".chart canvas")
    text = page.inner_text(".figure-settings")
    assert "Focal" not in text
    assert "Huber" in text


def test_a_curve_is_read_and_its_findings_stand_beside_it(opened, tmp_path):
    file = tmp_path / "run.csv"
    file.write_text("step,loss\n" + "\n".join(f"{step},{9 if step == 30 else 1 / (step + 1)}" for step in range(60)))
    page = opened("doctor", is_refused=True)
    page.set_input_files("input[type=file]", file)
    page.wait_for_selector(".finding")
    assert "the loss spikes" in page.inner_text(".figure-body")
    file.write_text("a,b\n1,2\n")
    page.set_input_files("input[type=file]", file)
    assert "run.csv has no column for the training loss" in page.inner_text("[role=alert]")


def test_a_prediction_is_held_against_the_run(opened):
    page = opened("lessons/loss-shapes")
    page.wait_for_selector(".choices")
    page.check(".choices >> nth=0 >> input[value=fails]", force=True)
    page.check(".choices >> nth=1 >> input[value=holds]", force=True)
    page.click("text=Run the experiment")
    page.wait_for_selector("text=What the run says")
    text = page.inner_text("article")
    assert "holds, unlike your guess: cross-entropy" in text
    assert "holds, as you guessed: squared error" in text
    assert "Supported: every one of its 3 parts holds." in text


def test_a_lesson_opens_the_page_that_it_is_played_with(opened):
    page = opened("lesson")
    page.click("text=surface: saddle")
    page.wait_for_selector("canvas.relief")
    assert page.input_value("label:has-text('Steps') + input >> nth=0") == "800"


def test_forced_colours_and_little_motion_are_kept_to(opened):
    page = opened("surface", forced_colors="active", reduced_motion="reduce")
    page.click("button:has-text('Play')")
    holds(page, ".relief-play button.main", "Pause")
    holds(page, ".relief-play button.main", "Play")
    holds(page, ".relief-play output", "60")
