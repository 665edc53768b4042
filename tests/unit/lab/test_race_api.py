import pytest

from ravine.lab.race_api import FILE_NAME, routes


def test_what_changes_something_is_a_post():
    methods = {route.path: route.methods for route in routes()}
    posts = [path for path, allowed in methods.items() if "POST" in allowed]
    assert sorted(posts) == ["/api/curves", "/api/sessions", "/api/sessions/{session}/control", "/api/sessions/{session}/save"]
    assert all("GET" not in methods[path] for path in posts)


@pytest.mark.parametrize("name", ["a.ravine", "my race 2.ravine", "a-b_c.d.ravine"])
def test_names_of_files(name):
    assert FILE_NAME.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["../a.ravine", ".a.ravine", "a.txt", "a.ravine/", "a\x00.ravine", "a.ravine\n", "\u00fc.ravine", "a" * 200 + ".ravine"]
)
def test_what_is_no_name_of_a_file(name):
    assert not FILE_NAME.fullmatch(name)
