"""Every source file has its file of unit tests, and every file of unit tests its source."""

from source_files import NAMES, ROOT

EXEMPT = {
    "__main__.py": "hands over to cli/main.py",
    "_version.py": "one constant, held by tests/surface",
    "_api.py": "the public functions, held by tests/surface and tests/e2e",
}
"""Source files without unit tests of their own, and why."""


def expected(name):
    """Where the unit tests of a source file stand."""
    *folders, file = name.split("/")
    return "/".join(["tests/unit", *folders, f"test_{file.removeprefix('_')}"])


SOURCES = [name for name in NAMES.values() if not name.endswith("__init__.py") and name not in EXEMPT]


def test_every_source_file_has_unit_tests():
    assert [name for name in SOURCES if not (ROOT / expected(name)).is_file()] == []


def test_every_file_of_unit_tests_has_its_source():
    mirrored = {expected(name) for name in SOURCES}
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    assert sorted(found - mirrored) == []


def test_every_exemption_is_of_a_file_that_exists():
    assert EXEMPT.keys() <= set(NAMES.values())


def test_names_that_differ_by_an_underscore_only_do_not_collide():
    assert len({expected(name) for name in SOURCES}) == len(SOURCES)


def test_the_mirror_drops_a_leading_underscore():
    assert expected("rules/_rule.py") == "tests/unit/rules/test_rule.py"
    assert expected("fleet/data.py") == "tests/unit/fleet/test_data.py"
