"""The page itself: one document, one script, one style sheet, as the wheel carries them."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ravine.report import bundle

TITLE = "ravine lab"
HOW_TO_GET_IT = "The page is not built: run `make web` in a checkout of ravine (it needs Node 20), or install ravine from its wheel."

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M3 5 13 27 29 13" fill="none" stroke="#0072B2" '
    'stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/><circle cx="29" cy="13" r="3" fill="#D55E00"/></svg>'
)

HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    f'<meta name="color-scheme" content="light dark"><title>{TITLE}</title><link rel="icon" href="/favicon.svg" type="image/svg+xml">'
)
DOCUMENT = (
    f'{HEAD}<link rel="stylesheet" href="/app.css"><script src="/app.js" defer></script></head>'
    '<body><div id="app"></div><noscript><main><p>The lab needs JavaScript. '
    "Everything it shows is also had from the command line: ravine --help.</p></main></noscript></body></html>"
)
WITHOUT = f"{HEAD}</head><body><main><h1>{TITLE}</h1><p>{HOW_TO_GET_IT}</p></main></body></html>"


def routes() -> list[Route]:
    """The page's own addresses."""
    return [
        Route("/", _document),
        Route("/app.js", _script),
        Route("/app.css", _style),
        Route("/more.js", _more_script),
        Route("/more.css", _more_style),
        Route("/favicon.svg", _icon),
    ]


async def _document(request: Request) -> Response:
    return _html(WITHOUT if bundle.find() is None else DOCUMENT)


async def _script(request: Request) -> Response:
    found = bundle.find()
    return _html(WITHOUT, 404) if found is None else Response(found.script, media_type="text/javascript")


async def _style(request: Request) -> Response:
    found = bundle.find()
    return _html(WITHOUT, 404) if found is None else Response(found.style, media_type="text/css")


async def _more_script(request: Request) -> Response:
    found = bundle.find_more()
    return _html(WITHOUT, 404) if found is None else Response(found.script, media_type="text/javascript")


async def _more_style(request: Request) -> Response:
    found = bundle.find_more()
    return _html(WITHOUT, 404) if found is None else Response(found.style, media_type="text/css")


async def _icon(request: Request) -> Response:
    return Response(ICON, media_type="image/svg+xml")


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status_code=status, media_type="text/html")
