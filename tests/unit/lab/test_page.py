import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ravine.lab import page
from ravine.report.bundle import Bundle


@pytest.fixture
def client():
    return TestClient(Starlette(routes=page.routes()))


def test_the_page_is_the_bundle(client, monkeypatch):
    monkeypatch.setattr(page.bundle, "find", lambda: Bundle("let a;", "b{}"))
    assert 'src="/app.js"' in client.get("/").text
    assert (client.get("/app.js").text, client.get("/app.css").text) == ("let a;", "b{}")
    assert client.get("/app.js").headers["content-type"].startswith("text/javascript")


def test_without_the_bundle_one_sentence_says_how_to_get_it(client, monkeypatch):
    monkeypatch.setattr(page.bundle, "find", lambda: None)
    assert "run `make web`" in client.get("/").text
    assert client.get("/app.js").status_code == client.get("/app.css").status_code == 404


def test_nothing_in_it_comes_from_elsewhere_or_stands_inline(client):
    for text in (page.DOCUMENT, page.WITHOUT):
        assert "http" not in text
        assert "style=" not in text
        assert "<script>" not in text
    assert client.get("/favicon.svg").headers["content-type"].startswith("image/svg+xml")
