"""Records in a real browser: the list, one record live and deleted, and the report that replays one from disk."""

import pathlib
import shutil

import pytest

import records_fixture
from ravine.records import create, open_record, resume
from ravine.report import bundle, report

playwright = pytest.importorskip("playwright.sync_api", reason="a browser test needs Playwright: pip install playwright")

AXE = pathlib.Path(bundle.__file__).parents[1] / "lab" / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.skipif(bundle.find() is None, reason="needs the built page: make web"),
    pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: make web"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens addresses, each in a window of its own; errors and requests to other places fail the test."""
    contexts, errors, asked = [], [], []

    def open_page(address, *, width=1280, scheme="light", **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:///", "http://127.0.0.1:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    records_fixture.write(folder / "race.ravine", seeds=3)
    with open_record(folder / "race.ravine") as record:
        return report(record, folder / "race.html").as_uri()


def assert_accessible(browser, address, scheme):
    """With the policy of the page off, for the rules are injected."""
    look = {"forced_colors": "active"} if scheme == "forced" else {"color_scheme": scheme}
    context = browser.new_context(bypass_csp=True, **look)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".standing li")
    page.add_script_tag(path=AXE)
    found = page.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
    context.close()
    assert [(one["id"], [node["html"][:90] for node in one["nodes"]][:3]) for one in found["violations"]] == []


def test_a_report_replays_from_disk_without_a_request(opened, replay):
    page = opened(replay)
    page.wait_for_selector(".standing li")
    assert page.title() == "ravine: synthetic"
    assert page.locator("#static").is_hidden()
    assert page.locator("nav").locator("visible=true").count() == 0, "one page needs no navigation"
    first = page.locator(".standing li").first.inner_text()
    slider = page.get_by_label("Step", exact=True)
    slider.focus()
    slider.press("Home")
    assert page.locator(".scrub output").inner_text() == "step 0"
    assert page.locator(".standing li").first.inner_text() != first
    slider.press("End")
    assert page.locator(".standing li").first.inner_text() == first


def test_every_point_can_be_reached_by_zoom(opened, replay):
    page = opened(replay)
    page.get_by_label("Show", exact=True).select_option(label="every lane of adam")
    page.wait_for_function("document.body.innerText.includes('lanes of adam')")
    chart = page.get_by_role("region", name="Training losses")
    shown = "host => { const u = host.plot; return u.data[0].length }"
    host = chart.locator(".chart-host")
    page.wait_for_function("host => host.plot && host.plot.series.length > 5", arg=host.element_handle())
    assert host.evaluate(shown) == 400, "every step of the fresh seeds is in the file"


def test_without_scripts_the_static_page_stands(opened, replay):
    page = opened(replay, java_script_enabled=False)
    assert page.locator("#static h1").is_visible()
    assert page.locator("#static svg").first.is_visible()
    assert page.locator("#app").is_hidden()


def test_print_is_the_static_page(opened, replay):
    page = opened(replay)
    page.wait_for_selector(".standing li")
    page.emulate_media(media="print")
    assert page.locator("#static h1").is_visible()
    assert page.locator("#app").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark", "forced"])
def test_a_report_reads_without_eyes(browser, replay, scheme):
    assert_accessible(browser, replay, scheme)


def test_a_report_reads_at_320_pixels(opened, replay):
    page = opened(replay, width=320)
    page.wait_for_selector(".standing li")
    page.get_by_label("Evaluations of", exact=True).select_option(label="every lane of adam")
    for summary in page.locator("#app details > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 320


SERIES = "host => host.plot.series.length - 1"
COLUMNS = "host => host.plot.data[0].length"


def test_every_seed_s_evaluations_can_be_seen_and_follow_the_step(opened, replay):
    page = opened(replay)
    chart = page.get_by_role("region", name="Evaluations").locator(".chart-host")
    page.get_by_label("Evaluations of", exact=True).select_option(label="every lane of adam")
    page.wait_for_function("host => host.plot.series.length === 7", arg=chart.element_handle())
    seeds = chart.evaluate("host => host.plot.series.slice(1).map((_, line) => host.plot.data[line + 1].filter(v => v != null).length)")
    assert seeds == [30] * 6, "three seeds at each of two rates, with every evaluation"
    slider = page.get_by_label("Step", exact=True)
    slider.focus()
    slider.press("Home")
    page.wait_for_function("host => host.plot.data[0].length === 1", arg=chart.element_handle())
    assert chart.evaluate(SERIES) == 6


def test_bands_grow_finer_with_the_zoom_in_a_report_that_has_every_loss(opened, replay):
    page = opened(replay)
    chart = page.get_by_role("region", name="Training losses")
    host = chart.locator(".chart-host")
    page.wait_for_function("host => host.plot?.series.length > 3", arg=host.element_handle())
    assert host.evaluate(COLUMNS) == 240
    chart.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("host => host.plot.data[0].every((x, k, all) => !k || x === all[k - 1] + 1)", arg=host.element_handle())
    assert host.evaluate(COLUMNS) > 240


def test_by_keyboard_alone_a_seed_is_chosen_and_read(opened, replay):
    page = opened(replay)
    page.wait_for_selector(".standing li")
    focused = "() => document.activeElement.labels?.[0]?.textContent ?? document.activeElement.getAttribute('aria-roledescription') ?? ''"

    def tab_to(name):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(focused).strip() == name:
                return
        pytest.fail(f"Tab never came to {name!r}")

    tab_to("Evaluations of")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("figcaption:has-text('every lane of')")
    tab_to("chart")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[aria-live]')].some(one => /seed \\d+, step \\d+: [\\d.]+/.test(one.textContent))"
    )
    tab_to("Step")


def test_a_browser_that_cannot_unpack_shows_the_still_report_and_says_so(browser, replay):
    context = browser.new_context()
    context.add_init_script("delete globalThis.DecompressionStream")
    page = context.new_page()
    page.goto(replay)
    page.wait_for_selector("text=This browser cannot unpack the interactive report")
    assert page.locator("#static h1").is_visible()
    context.close()


def test_a_record_is_opened_from_the_list_followed_and_missed(opened, lab):
    path = lab.lab.folder / "followed.ravine"
    records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2, status="running")
    (lab.lab.folder / "other.ravine").write_text("hello", encoding="utf-8")
    page = opened(f"{lab.base}/#token={lab.address.token}")
    page.wait_for_selector("nav")
    page.evaluate("location.hash = '#/records'")
    assert "is not a ravine record" in page.locator("tr", has_text="other.ravine").inner_text()
    page.get_by_role("link", name="followed.ravine").click()
    page.wait_for_selector("text=Partial: this race is still running, or was killed.")
    with resume(path) as writer:
        writer.set_meta("status", "done")
    page.wait_for_selector("text=Partial: this race", state="detached")
    path.unlink()
    page.wait_for_selector("text=followed.ravine was deleted, moved or renamed")
    assert page.get_by_role("heading", name="Rate sensitivity").is_visible(), "what was read stays"
    page.wait_for_timeout(500)
    assert page.locator("text=The server does not answer").count() == 0, "the record is gone, the server is not"
    records_fixture.write(path, optimizers=("sgd", "adam"), seeds=2)
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("[role=alert]", state="detached")
    with resume(path) as writer:
        writer.set_meta("status", "interrupted")
    page.wait_for_selector("text=Partial: this race was interrupted")


def test_a_race_that_has_just_begun_is_a_page(opened, lab):
    create(lab.lab.folder / "begun.ravine").close()
    page = opened(f"{lab.base}/#token={lab.address.token}")
    page.wait_for_selector("nav")
    page.evaluate("location.hash = '#/records'")
    page.get_by_role("link", name="begun.ravine").click()
    page.wait_for_selector("text=There is no recommendation yet")
