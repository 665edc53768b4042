import pytest

from ravine.lab.security import MOST_BODY, Door, Refusal, new_token

DOOR = Door(80, "token", most={"/api/curves": 10**6})


def scope(method="GET", path="/api/x", query="", **headers):
    given = {"host": "localhost:80", "x-ravine-token": "token"} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": pairs}


def refused(**given):
    with pytest.raises(Refusal) as caught:
        DOOR.check(scope(**given))
    return caught.value.status


POST = {"method": "POST", "origin": "http://localhost:80", "content_type": "application/json; charset=utf-8"}


def test_what_the_page_asks_passes():
    DOOR.check(scope())
    DOOR.check(scope(path="/", x_ravine_token=""))
    DOOR.check(scope(host="127.0.0.1"))
    DOOR.check(scope(**POST, content_length=str(MOST_BODY)))
    DOOR.check(scope(path="/api/s/events", query="since=1-2&token=token", x_ravine_token=""))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"host": "evil.example:80"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"x_ravine_token": "Token"}, 403),
        ({"path": "/api/s/events", "query": "token=x", "x_ravine_token": ""}, 403),
        ({**POST, "content_type": "text/plain"}, 415),
        ({**POST, "content_length": str(MOST_BODY + 1)}, 413),
        ({**POST, "content_length": "-1"}, 400),
        ({"method": "POST", "content_type": "application/json"}, 403),
        ({"method": "PUT"}, 405),
    ],
)
def test_what_others_ask_does_not(given, status):
    assert refused(**given) == status


def test_some_bodies_may_be_larger():
    DOOR.check_size(MOST_BODY + 1, "/api/curves")
    with pytest.raises(Refusal, match="more than 64,000 bytes"):
        DOOR.check_size(MOST_BODY + 1, "/api/x")


def test_tokens_differ_and_are_long():
    assert new_token() != new_token()
    assert len(new_token()) >= 32
