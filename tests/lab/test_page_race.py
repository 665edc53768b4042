"""The race page in a real browser: played, scrubbed, steered by keyboard, read without eyes, in every theme and at 320 px."""

import re

import pytest

from lab_browser import NEEDS, WAIT_MS, has_text, played, playwright, ready, stands_at, violations
from lab_client import wait_for

RACE = "race?v=1&t=curve:sine&o=sgd,adam&r=0.05&s=3&w=8&n=30&sc=constant"
BROKEN = "race?v=1&t=curve:sine&o=sgd,adam&r=sgd:30,adam:0.05&s=3&w=8&n=60&sc=constant"

pytestmark = NEEDS


def drawn(page, points):
    wait_for(lambda: page.evaluate("document.querySelector('.chart-host')?.plot?.data[0].length") == points)


def test_a_race_is_played_ranked_and_looked_back_at(opened):
    page = ready(opened(RACE))
    has_text(page, ".caption", "one rate of 0.05: two optimisers, as many fates")
    has_text(page, ".badge", "same weights, same batches, seed 3")
    page.check("input[type=radio][value=adam]", force=True)
    played(page)
    has_text(page, ".guess", "You said adam")
    has_text(page, ".caption", "0.0|reached|nearest")
    assert page.locator(".standings tbody tr").count() == 2
    # Every step is in the chart, not a selection.
    drawn(page, 30)
    page.evaluate("const s = document.getElementById('scrub'); s.value = 10; s.dispatchEvent(new Event('input', {bubbles: true}))")
    has_text(page, ".scrubber output", "10 of 30")
    has_text(page, "h2 .quiet", r"after step (\d|10);")
    page.click("text=To the newest")
    has_text(page, ".scrubber output", "30 of 30")


def test_one_step_is_one_step_and_reset_forgets(opened):
    page = ready(opened(RACE))
    page.click("text=One step")
    has_text(page, ".scrubber output", "^1 of 30")
    page.click("text=One step")
    has_text(page, ".scrubber output", "^2 of 30")
    page.click("text=Reset")
    has_text(page, ".scrubber output", "^0 of 30")


MOVING = "document.getAnimations().filter((one) => one.effect.target.closest('.one-step') && one.playState === 'running').length"


def test_one_step_is_shown_as_gradient_then_state_then_update(opened):
    page = ready(opened(RACE))
    page.focus("text=One step")
    page.keyboard.press("Enter")
    # Same weights and batch: at the first step, and only there, all gradients are one.
    has_text(page, ".one-step li", "The gradient comes in, alike for all: ")
    has_text(page, ".one-step li:nth-child(2)", "sgd remembers nothing")
    has_text(page, ".one-step li:nth-child(3)", "The weights move: adam furthest|The weights move: sgd furthest")
    cells = page.locator(".one-step tbody tr:first-child td").all_inner_texts()
    assert [cell.strip() != "–" for cell in cells] == [True, False, False, True]
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert page.evaluate(MOVING) == 0
    page.focus("text=Show again")
    page.keyboard.press("Enter")
    wait_for(lambda: page.evaluate(MOVING) > 0)
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert violations(page) == []
    page.click("text=One step")
    has_text(page, ".one-step h2", "^Step 2,")
    page.click(".play")
    page.wait_for_selector(".one-step", state="detached")


def test_divergence_is_a_result_with_a_cause_and_a_button_that_mends_it(opened):
    page = played(opened(BROKEN))
    has_text(page, ".broken-lanes h3", r"sgd diverged at step \d+")
    has_text(page, ".standings tbody tr:last-child", r"sgd.*diverged at \d+")
    page.click("summary:has-text('Table of values')")
    has_text(page, ".points tbody tr:last-child", "diverged at")
    # The cause says how low the rate has to be, and the button offers no more than that.
    has_text(page, ".broken-lanes", "Use lr=0.316 or less")
    page.click("text=Race again with sgd at 0.316")
    playwright.expect(page).to_have_url(re.compile("r=sgd:0.316,adam:0.05"), timeout=WAIT_MS)


def test_settings_stand_in_the_address_and_a_refusal_is_said(opened):
    page = ready(opened(RACE))
    page.fill("label:has-text('Seed') + input", "8")
    page.keyboard.press("Enter")
    playwright.expect(page).to_have_url(re.compile("s=8"), timeout=WAIT_MS)
    has_text(page, ".badge", "seed 8")
    page.fill("label:has-text('Width') + input", "many")
    page.keyboard.press("Enter")
    has_text(page, ".error", "Width is “many”; give a whole number from 1")
    page.reload()
    has_text(ready(page), ".badge", "seed 8")


def test_settings_changed_faster_than_the_server_answers_are_all_taken(opened):
    page = ready(opened(RACE))
    held = []

    def hold_two(route):
        held.append(route)
        if len(held) > 2:
            route.continue_()

    page.route("**/control", hold_two)
    page.check(".entrant:has-text('momentum') input")
    page.check(".entrant:has-text('lion') input")
    wait_for(lambda: page.evaluate("1") and len(held) == 2)
    held[0].continue_()
    playwright.expect(page.locator(".standings tbody tr")).to_have_count(3, timeout=WAIT_MS)
    assert page.is_checked(".entrant:has-text('lion') input"), "the answer to the first took back the second"
    held[1].continue_()
    page.check(".entrant:has-text('nesterov') input")
    stands_at(page, "o=sgd,momentum,nesterov,adam,lion")
    playwright.expect(page.locator(".standings tbody tr")).to_have_count(5, timeout=WAIT_MS)


def test_tuned_rates_are_looked_for_while_the_page_says_so(opened):
    page = ready(opened(RACE))
    page.click(".segments label:has-text('tuned')")
    has_text(page, ".caption", "Each optimiser's best rate is being looked for")
    assert not re.search(r"\.\s*\.", page.inner_text(".protocol p"))
    assert page.locator(".segments:visible").count() == 1, "a guess with nobody to guess at"
    has_text(ready(page), ".caption", "each at its own tuned rate")
    has_text(page, ".protocol", "12 half-decade rates|best of 12")
    assert [cell.strip() for cell in page.locator(".entrant .quiet").all_inner_texts()] == ["0.316", "0.316"]


def test_a_teachers_link_hides_controls(opened):
    page = ready(opened(f"{RACE}&hide=speed,seed,optimizers,guess"))
    shown = page.inner_text("main")
    assert "Speed" not in shown
    assert "Seed" not in shown
    assert "Optimisers" not in shown
    assert "(optional)" not in shown
    assert "Width" in shown


def test_code_and_command_of_the_run_are_shown(opened):
    page = ready(opened(RACE))
    page.click("summary:has-text('Code of this run')")
    has_text(page, ".code pre", "ravine race curve")
    has_text(page, ".code:last-of-type pre", "import torch")


def test_equations_of_the_optimisers_stand_with_their_values(opened):
    page = ready(opened(RACE, width=320))
    page.click("summary:has-text('Equations')")
    has_text(page, ".code:has(.code-head:has-text('adam')) pre", r"m <- beta1 m \+ \(1 - beta1\) g")
    has_text(page, ".code:has(.code-head:has-text('adam')) pre", "beta1 = 0.9, beta2 = 0.999, eps = 1e-8")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert violations(page) == []


def test_all_by_keyboard(opened):
    page = ready(opened(RACE))

    def tab_to(sign):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({sign!r})"):
                return
        raise AssertionError(f"{sign} cannot be reached by Tab")

    tab_to(".play")
    page.keyboard.press("Enter")
    page.wait_for_selector(".play:has-text('Play again')")
    tab_to("#scrub")
    page.keyboard.press("ArrowLeft")
    has_text(page, ".scrubber output", "29 of 30")
    tab_to(".chart-host")
    page.keyboard.press("End")
    has_text(page, ".chart .unseen", "sgd, step 29: ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    has_text(page, ".chart .unseen", "adam, step 19: ")
    page.keyboard.press("+")
    page.wait_for_selector("text=Zoom out")
    page.keyboard.press("Escape")
    assert page.evaluate("!document.activeElement.matches('.chart-host')")
    tab_to(".tile")


@pytest.mark.parametrize(
    ("scheme", "width", "forced"),
    [("light", 1280, "none"), ("dark", 1280, "none"), ("dark", 320, "none"), ("light", 320, "active")],
    ids=["light", "dark", "narrow", "forced-colours"],
)
def test_accessible_before_and_after_in_every_theme(opened, scheme, width, forced):
    page = ready(opened(BROKEN, width=width, scheme=scheme, forced_colors=forced))
    assert violations(page) == []
    page.click("text=One step")
    has_text(page, ".one-step h2", "^Step 1,")
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    played(page)
    page.wait_for_selector(".broken-lanes h3")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


GRID = """() => {
  const { plot } = document.querySelector('.chart-host');
  const pixels = document.createElement('canvas').getContext('2d');
  const lightness = colour => {
    pixels.fillStyle = colour;
    pixels.fillRect(0, 0, 1, 1);
    return pixels.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part) / 3;
  };
  const { grid, stroke } = plot.axes[1];
  return [getComputedStyle(document.body).backgroundColor, grid.stroke(plot, 1), stroke(plot, 1)].map(lightness);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_grid_lines_are_fainter_than_what_is_drawn_in_forced_colours(opened, scheme):
    page = ready(opened(RACE, scheme=scheme, forced_colors="active"))
    paper, grid, ink = page.evaluate(GRID)
    assert 0 < abs(grid - paper) < 0.4 * abs(ink - paper)


def test_with_little_motion_the_button_says_where_it_runs_to_and_nothing_moves(opened):
    page = ready(opened(RACE, reduced_motion="reduce"))
    has_text(page, ".play", "Run to step 30")
    page.click("text=One step")
    has_text(page, ".one-step h2", "^Step 1,")
    assert page.locator("text=Show again").count() == 0
    assert page.evaluate("document.getAnimations().length") == 0


SPIKE = """([smoothing]) => {
  const u = document.querySelector('.chart-host').plot;
  const x = Math.round(u.valToPos(1200, 'x', true)), y = Math.round(u.valToPos(0.9, 'y', true));
  const { data } = u.ctx.getImageData(x - 2, y, 5, 12);
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] > 60 && data[at + 2] > data[at] + 60) return true;
  return false;
}"""


SMOOTH = """at => {
  const slider = document.querySelector('.slider input');
  slider.value = at;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
}"""


@pytest.mark.parametrize("width", [320, 700, 1280])
def test_a_spike_of_one_step_is_seen_at_any_width_and_zoom_under_any_smoothing(opened, width):
    page = opened("reading", width=width)
    drawn(page, 2000)
    for smoothing in (0, 40, 100):
        page.evaluate(SMOOTH, smoothing)
        page.wait_for_timeout(200)
        assert page.evaluate(SPIKE, [smoothing]), smoothing
    page.click("text=Zoom in")
    page.wait_for_timeout(200)
    assert page.evaluate(SPIKE, [100])
