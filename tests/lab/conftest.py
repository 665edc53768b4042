"""One lab for all tests of a process that ask it as a page does, and one browser for those of a file that see it."""

import pytest

from lab_client import serving


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("lab")) as client:
        yield client


# Of a file and no longer: while Playwright runs, its thread has an event loop, and other tests start their own.
@pytest.fixture(scope="module")
def browser():
    from lab_browser import CHROMIUM, FLAGS, playwright

    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, lab):
    """Opens pages, each in a window of its own; afterwards none may have failed or asked another host.

    `is_refused`: the server is meant to refuse something, which browsers report as an error.
    """
    from lab_browser import WAIT_MS

    contexts, errors, asked = [], [], []

    def open_page(address, *, width=1280, scheme="light", is_refused=False, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **settings)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        known = "400 (Bad Request)" if is_refused else None
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_error(message, known) else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{lab.base}/#token={lab.address.token}&/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((lab.base, "data:"))] == []


def _is_error(message, known):
    return message.type == "error" and not (known and known in message.text)
