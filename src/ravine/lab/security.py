"""Who may ask: every request is checked before any code of a page's sees it."""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-ravine-token"
HTTP_PORT = 80
MOST_BODY = 64_000
"""Bytes of a body: settings and a formula are far below."""

CONTENT_POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    ]
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def new_token() -> str:
    """A token for one launch."""
    return secrets.token_urlsafe(24)


class Refusal(Exception):
    """Why a request is refused.

    Args:
        status: of HTTP.
        sentence: for whoever asked.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass(frozen=True, slots=True)
class Door:
    """What a request must show.

    Attributes:
        port: of the server, on which the names of this machine are allowed.
        token: of this launch.
        most: path -> bytes of its body, where other than `MOST_BODY`.
        streams: endings of paths whose token may stand in the address, since an event stream can send no header.
    """

    port: int
    token: str
    most: Mapping[str, int] = field(default_factory=dict)
    streams: tuple[str, ...] = ("/events",)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names under which the server may be asked: any other is a page elsewhere whose name was bent to this address."""
        names = ("127.0.0.1", "localhost", "[::1]")
        # Browsers leave out the port of HTTP itself.
        return tuple(f"{name}:{self.port}" for name in names) + (names if self.port == HTTP_PORT else ())

    def check(self, scope: Scope) -> None:
        """Raise `Refusal` unless the request may pass."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        method, path, host = scope["method"], scope["path"], headers.get("host", "")
        if host not in self.hosts:
            raise Refusal(403, f"the host {host!r} is not this server's: open http://127.0.0.1:{self.port}/ instead.")
        if method not in ("GET", "HEAD", "POST"):
            raise Refusal(405, f"{method} is not known here: must be GET or POST.")
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            raise Refusal(403, f"a page of {origin!r} may not ask this server. Open http://{host}/ instead.")
        if method == "POST":
            self._check_post(headers, path, host)
        if path.startswith("/api/"):
            self._check_token(headers, scope)

    def _check_post(self, headers: Mapping[str, str], path: str, host: str) -> None:
        if "origin" not in headers:
            raise Refusal(403, f"a POST without an Origin is refused: ask from the page at http://{host}/.")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, f"the content type {kind!r} is not known here: must be application/json.")
        length = headers.get("content-length", "")
        if length and not (length.isascii() and length.isdigit()):
            raise Refusal(400, f"the content length {length!r} is no number of bytes.")
        self.check_size(int(length or 0), path)

    def check_size(self, size: int, path: str) -> None:
        """Raise `Refusal` where a body is too large."""
        most = self.most.get(path, MOST_BODY)
        if size > most:
            raise Refusal(413, f"the request has more than {most:,} bytes, which is the most allowed here. Send less.")

    def _check_token(self, headers: Mapping[str, str], scope: Scope) -> None:
        given = headers.get(TOKEN_HEADER, "")
        if not given and scope["path"].endswith(self.streams):
            pairs = (pair.partition("=") for pair in scope["query_string"].decode("latin-1").split("&"))
            given = next((value for name, _, value in pairs if name == "token"), "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refusal(403, "the token is missing or of an earlier launch: open the address that `ravine lab` printed.")


class Guard:
    """ASGI middleware: nothing passes that the door refuses, and every answer carries the headers of `HEADERS`.

    Args:
        app: what is guarded.
        door: what a request must show.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        received = 0
        begun = False

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # A body sent in pieces need not say how long it is.
            self._door.check_size(received, scope["path"])
            return message

        async def sealed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                known = {name.lower() for name, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(pair for pair in HEADERS if pair[0] not in known)]
            await send(message)

        try:
            self._door.check(scope)
            await self._app(scope, limited, sealed)
        except Refusal as refusal:
            if begun:
                raise
            await _refuse(sealed, refusal)


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
