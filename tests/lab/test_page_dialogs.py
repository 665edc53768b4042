"""What the race page takes in and hands out, in a real browser: one's own curves, records, links, commands, other tabs, a tab asleep."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from lab_browser import NEEDS, has_text, played, ready, stands_at
from lab_client import wait_for
from ravine.records import open_record

RACE = "race?v=1&t=curve:sine&o=sgd,adam&r=0.05&s=3&w=8&n=30&sc=constant"

pytestmark = NEEDS


def session_of(page):
    """The name of the session that a page plays."""
    return json.loads(page.evaluate("sessionStorage.getItem('ravine-race')"))[0]


def link_to(lab, page, words):
    """The address of a link, without its host and token."""
    return page.get_attribute(f"a:has-text({words!r})", "href").removeprefix(f"{lab.base}/#token={lab.address.token}&/")


def test_a_formula_of_ones_own_is_raced_and_stands_in_the_address(opened):
    page = ready(opened(RACE, is_refused=True))
    page.select_option("label:has-text('Task') + select", "curve:formula")
    page.fill("#formula", "__import__('os')")
    page.click("text=Race this formula")
    has_text(page, ".problem", "__import__.*is not known. Allowed are")
    assert page.input_value("#formula") == "__import__('os')", "what was refused stays to be mended"
    page.fill("#formula", "x^2 - 0.5")
    page.click("text=Race this formula")
    stands_at(page, "t=curve:formula")
    assert "f=x%5E2%20-%200.5" in page.url
    has_text(page, ".protocol", "fits y = x\\^2 - 0.5")
    page.reload()
    ready(page)
    assert page.input_value("#formula") == "x^2 - 0.5"


def test_points_of_ones_own_are_raced_and_a_file_of_something_else_is_refused(opened, tmp_path):
    page = ready(opened(RACE, is_refused=True))
    page.select_option("label:has-text('Task') + select", "curve:csv")
    file = tmp_path / "points.csv"
    file.write_text("name,colour\nred,blue\n")
    page.set_input_files("#points", file)
    has_text(page, ".problem", "line 2 of the CSV is 'red,blue': must be two finite numbers")
    file.write_text("x,y\n" + "\n".join(f"{place / 20 - 1},{(place % 7) / 7}" for place in range(40)))
    page.set_input_files("#points", file)
    stands_at(page, "t=curve:csv")
    has_text(page, ".protocol", "fits a curve \\(points\\)")
    page.click("text=One step")
    has_text(page, ".scrubber output", "^1 of 30")


def test_a_surface_of_ones_own_is_drawn_and_nonsense_is_refused(opened):
    page = opened("surface?optimizers=sgd,adam&lr=0.05&steps=40", is_refused=True)
    page.wait_for_selector("canvas.relief")
    page.select_option("label:has-text('Surface') + select", "=")
    stands_at(page, "name=x%5E2%20%2B%203*y%5E2")
    has_text(page, ".figure-body caption", "3")
    page.fill("label:has-text('Formula in x and y') + input", "x +")
    page.keyboard.press("Enter")
    has_text(page, "[role=alert]", "x \\+")


def test_a_race_is_kept_once_as_a_record_that_ravine_opens(opened, lab):
    page = played(opened(RACE, is_refused=True))
    page.click("summary:has-text('Keep this race')")
    page.fill("#file", "kept-by-hand.ravine")
    page.click("button:has-text('Keep')")
    has_text(page, ".protocol [role=status]", "Kept as kept-by-hand.ravine: ravine show kept-by-hand.ravine prints it.")
    with open_record(lab.lab.folder / "kept-by-hand.ravine") as record:
        losses = {lane.optimizer: record.losses(lane.lane) for lane in record.lanes()}
    assert sorted(losses) == ["adam", "sgd"]
    assert all(len(values) == 30 for values in losses.values())
    page.click("button:has-text('Keep')")
    has_text(page, ".protocol .problem", "kept-by-hand.ravine.*exists")


def test_two_tabs_on_one_race_see_the_same_and_both_steer(opened, lab):
    one = ready(opened(RACE))
    one.click("summary:has-text('Links')")
    two = ready(opened(link_to(lab, one, "Watch this race in another tab")))
    one.click("text=One step")
    has_text(two, ".scrubber output", "^1 of 30")
    two.click("text=One step")
    has_text(one, ".scrubber output", "^2 of 30")
    has_text(two, ".scrubber output", "^2 of 30")
    wait_for(lambda: one.inner_text(".standings tbody") == two.inner_text(".standings tbody"))
    two.fill("label:has-text('Seed') + input", "8")
    two.keyboard.press("Enter")
    has_text(one, ".badge", "seed 8")
    has_text(one, ".scrubber output", "^0 of 30")


def test_a_teachers_link_leaves_out_what_was_unticked(opened):
    page = ready(opened(RACE))
    page.click("summary:has-text('Links')")
    for name in ("speed", "seed", "these links"):
        page.uncheck(f".parts label:has-text('{name}') input")
    assert page.inner_text(".code:has-text('Behind the address') pre").endswith("&hide=speed,seed,links")
    with page.context.expect_page() as opening:
        page.click("text=Open that link")
    shown = ready(opening.value).inner_text("main")
    assert "Speed" not in shown
    assert "Seed" not in shown
    assert "Links" not in shown
    assert "Width" in shown


@pytest.mark.slow
def test_the_copied_command_runs_the_race_of_the_page(opened, tmp_path):
    page = ready(opened(RACE, permissions=["clipboard-read", "clipboard-write"]))
    page.click("summary:has-text('Code of this run')")
    page.click(".code:has-text('from the command line') button")
    has_text(page, ".code:has-text('from the command line') button", "Copied")
    words = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    assert words[0] == "ravine"
    subprocess.run(
        [sys.executable, "-m", *words, "--quiet", "--out", "copied.ravine"], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    with open_record(tmp_path / "copied.ravine") as record:
        raced = {lane.optimizer: (lane.lr, lane.schedule, record.losses(lane.lane)) for lane in record.lanes()}
    assert {name: (lr, schedule, len(losses)) for name, (lr, schedule, losses) in raced.items()} == {
        "sgd": (0.05, "constant", 30),
        "adam": (0.05, "constant", 30),
    }
    played(page)
    # The page holds losses as float32 and stacks its lanes, which rounds otherwise than the command.
    ends = page.evaluate("document.querySelector('.chart-host').plot.data.slice(1).map(values => values.at(-1))")
    assert ends == pytest.approx([raced["sgd"][2][-1], raced["adam"][2][-1]], rel=1e-3)


HIDE = """isHidden => {
  Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_tab_asleep_holds_no_connection_and_catches_up(opened, lab):
    page = ready(opened(RACE))
    page.click("text=One step")
    has_text(page, ".scrubber output", "^1 of 30")
    name = session_of(page)
    session = lab.lab.races.sessions[name]
    page.evaluate(HIDE, True)
    wait_for(lambda: session.watchers == 0)
    lab.control(name, "play")
    wait_for(lambda: session.state == "done")
    assert re.match("1 of 30", page.inner_text(".scrubber output"))
    page.evaluate(HIDE, False)
    has_text(page, ".scrubber output", "30 of 30")
    wait_for(lambda: page.evaluate("document.querySelector('.chart-host').plot.data[0].length") == 30)
    assert not page.evaluate("[...document.querySelector('.chart-host').plot.data[1]].includes(null)")
