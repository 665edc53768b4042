"""What a page elsewhere, or anybody without the token, can ask: nothing."""

import http.client
import json

import pytest

TRICKS = [b'{"steps": 5, "steps": 6}', '{"steps": 5}'.encode("utf-16")]
CONTROL = "/api/sessions/1/control"


def sent(lab, method="GET", path="/api/catalogue", body=None, **headers):
    """A request with exactly these headers, and its status, sentence and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.address.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def usual(lab, **changes):
    return {"host": f"127.0.0.1:{lab.address.port}", "x_ravine_token": lab.address.token} | changes


def posted(lab, body=b"{}", path=CONTROL, **changes):
    """A POST as the page would send it, but for some headers."""
    given = {"origin": f"http://127.0.0.1:{lab.address.port}", "content_type": "application/json", "content_length": str(len(body))}
    return sent(lab, "POST", path, body, **usual(lab, **(given | changes)))


def test_the_page_itself_is_answered(lab):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert sent(lab, **usual(lab, host=f"{host}:{lab.address.port}"))[0] == 200
    status, text, headers = sent(lab, path="/", host=usual(lab)["host"])
    assert (status, "<!doctype html>" in text) == (200, True)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:{port}", "localhost:1", "", None])
def test_a_name_that_was_bent_to_this_address_is_refused(lab, host):
    shown = None if host is None else host.format(port=lab.address.port)
    status, text, _ = sent(lab, **usual(lab, host=shown))
    # Without a host at all it is no request of HTTP/1.1.
    assert status == 400 if host is None else (status, "is not this server's" in text) == (403, True)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_is_refused_even_with_the_token(lab, origin):
    status, text, _ = posted(lab, origin=origin.format(port=lab.address.port))
    assert (status, "may not ask this server" in text) == (403, True)
    assert sent(lab, **usual(lab, origin=origin.format(port=lab.address.port)))[0] == 403


def test_a_post_without_an_origin_is_refused(lab):
    assert posted(lab, origin=None)[0] == 403


@pytest.mark.parametrize("token", [None, "", "x", "token-of-a-tes", "token-of-a-test2", "\u00fc"])
def test_without_the_token_nothing_is_told(lab, token):
    status, text, _ = sent(lab, **usual(lab, x_ravine_token=token))
    assert (status, "the token is missing" in text) == (403, True)


def test_the_address_may_hold_the_token_for_streams_only(lab):
    host = {"host": usual(lab)["host"]}
    assert sent(lab, path=f"/api/catalogue?token={lab.address.token}", **host)[0] == 403
    assert sent(lab, path=f"/api/sessions/none/events?token={lab.address.token}", **host)[0] == 404
    assert sent(lab, path="/api/sessions/none/events?token=x", **host)[0] == 403


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_read(lab, kind):
    assert posted(lab, content_type=kind)[0] == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b'{"lrs": NaN}', b"\xff\xfe", b"[" * 5000, *TRICKS])
def test_a_body_that_is_no_object_is_refused(lab, body):
    status, text, _ = posted(lab, body, path="/api/sessions")
    assert status in (400, 422)
    assert json.loads(text)["error"]


def test_a_large_body_is_refused_whatever_it_says_of_its_size(lab):
    large = b'{"do": "' + b"x" * 70_000 + b'"}'
    assert posted(lab, large)[0] == 413
    assert posted(lab, content_length="99999999")[0] == 413
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    assert posted(lab, chunks, "/api/sessions", content_length=None, transfer_encoding="chunked")[0] == 413
    points = json.dumps({"csv": "1,2\n" * 20_000}).encode()
    assert posted(lab, points, path="/api/curves")[0] == 400, "points may be more than settings"
    assert posted(lab, b" " * 1_000_001, path="/api/curves")[0] == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(lab, method):
    assert sent(lab, method, **usual(lab))[0] == 405


@pytest.mark.parametrize("path", ["/api/nothing", "/../etc/passwd", "/app.js/../../x", "/api/sessions/1/frame?step=-1", "/%2e%2e/x"])
def test_nothing_else_is_there(lab, path):
    status, text, _ = sent(lab, path=path, **usual(lab))
    assert status == 404
    assert json.loads(text)["error"]


def test_a_session_that_is_not_there_cannot_be_controlled(lab):
    refused = lab.post("/api/sessions/none/control", {"do": "play"})
    assert (refused.status_code, "there is no session" in refused.json()["error"]) == (404, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("lrs", 10**400), ("steps", 10**400), ("seed", -(10**400)), ("stop", {"target": 10**400})],
    ids=["lrs", "steps", "seed", "stop"],
)
def test_numbers_beyond_every_float_are_refused_in_a_sentence(lab, name, value):
    refused = lab.post("/api/sessions", {name: value})
    assert (refused.status_code, "must be" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize("text", [b"\\ud800", b"\xed\xa0\x80"], ids=["escaped", "raw"])
def test_half_a_character_is_no_text(lab, text):
    status, found, _ = posted(lab, b'{"name": "run.csv", "text": "' + text + b'"}', path="/api/doctor/curve")
    assert (status, "cannot be read as JSON" in found) == (400, True)


def test_a_place_of_any_length_in_what_a_job_said_is_no_defect(lab):
    assert sent(lab, path="/api/jobs/none/events?since=" + "9" * 5000, **usual(lab))[0] == 404


def test_a_sender_that_leaves_in_the_middle_leaves_no_trace(lab, caplog):
    connection = http.client.HTTPConnection("127.0.0.1", lab.address.port, timeout=30)
    connection.putrequest("POST", CONTROL, skip_host=True, skip_accept_encoding=True)
    given = {"origin": f"http://127.0.0.1:{lab.address.port}", "content-type": "application/json", "content-length": "50"}
    for name, value in (usual(lab) | given).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(b"{")
    connection.close()
    assert lab.get("/api/catalogue").status_code == 200
    assert "Exception" not in caplog.text
