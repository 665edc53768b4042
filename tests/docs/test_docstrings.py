"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import ravine

MODULES = sorted(module.name for module in pkgutil.walk_packages(ravine.__path__, "ravine.") if not module.name.endswith("__main__"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = []
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(verbose=False)
    for example in finder.find(importlib.import_module(name)):
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_there_are_examples():
    found = doctest.DocTestFinder().find(importlib.import_module("ravine.rules.adam"))
    assert any(example.examples for example in found)
