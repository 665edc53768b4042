"""The budgets of the source: lines of files and functions, arguments, documents and annotations."""

import ast
import statistics

import pytest

from source_files import FILES, NAMES, arguments, code_lines, functions

SOURCES = {NAMES[path]: path.read_text() for path in FILES}
MANY_ARGUMENTS = {
    "base/_checks.py:number": "one keyword for each kind of bound",
    "_api.py:race": "the public door: one keyword for each option",
    "_train.py:train": "the same",
    "_diagnose.py:diagnose": "the same",
}
"""Functions that may take more than seven arguments, and why. Constructors of drop-in optimisers and commands need no entry."""


def all_functions():
    return [(f"{name}:{qualified}", source, node) for name, source in SOURCES.items() for qualified, node in functions(source)]


FUNCTIONS = all_functions()


def is_exempt(name):
    """Drop-in constructors mirror torch's; a command has one argument for each of its options."""
    file, _, qualified = name.partition(":")
    is_constructor = file.startswith("optim/") and qualified.endswith(".__init__")
    return is_constructor or (file.startswith("cli/") and not qualified.startswith("_"))


def test_files_are_short():
    lengths = {name: source.count("\n") for name, source in SOURCES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    assert statistics.median(lengths.values()) <= 150


def test_functions_are_short():
    lengths = {name: code_lines(source, node) for name, source, node in FUNCTIONS}
    assert {name: length for name, length in lengths.items() if length > 40} == {}
    assert statistics.median(lengths.values()) <= 8


def test_functions_take_at_most_seven_arguments():
    long = {name: len(arguments(node)) for name, _, node in FUNCTIONS if len(arguments(node)) > 7 and not is_exempt(name)}
    assert {name: number for name, number in long.items() if name not in MANY_ARGUMENTS} == {}
    assert MANY_ARGUMENTS.keys() <= long.keys(), "an exemption is no longer needed"


def test_every_public_name_is_documented():
    missing = [name for name, source in SOURCES.items() if ast.get_docstring(ast.parse(source)) is None]
    for file, source in SOURCES.items():
        missing += [f"{file}:{node.name}" for node in public_definitions(ast.parse(source)) if ast.get_docstring(node) is None]
    assert missing == []


def public_definitions(tree):
    """Public classes and functions of a module, and public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                known = documented_above(node) if is_rule(node) else set()
                yield from (method for method in node.body if is_documented_method(method) and method.name not in known)


CLASSES = {node.name: node for source in SOURCES.values() for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def ancestors(node):
    """Classes of the source that a class inherits from, by name."""
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in CLASSES and base.id != node.name:
            yield CLASSES[base.id]
            yield from ancestors(CLASSES[base.id])


def is_rule(node):
    """Methods of a rule are documented once, on Rule or Wrapper; the class holds the equations."""
    return any(above.name == "Rule" for above in ancestors(node))


def documented_above(node):
    """Methods that a class only fills in: they are documented where they come from."""
    found = [method for above in ancestors(node) for method in above.body if isinstance(method, ast.FunctionDef)]
    return {method.name for method in found if ast.get_docstring(method)}


def test_rules_are_seen_however_far_from_rule():
    assert is_rule(CLASSES["Clip"])
    assert is_rule(CLASSES["SophiaH"])
    assert not is_rule(CLASSES["RuleOptimizer"])
    assert "own" in documented_above(CLASSES["Clip"])
    assert "weights" not in documented_above(CLASSES["Clip"])


def is_documented_method(node):
    overloaded = isinstance(node, ast.FunctionDef) and any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
    return isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not overloaded


def test_every_function_is_annotated():
    bare = []
    for name, _, node in FUNCTIONS:
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        unannotated = [argument.arg for argument in given if argument.annotation is None and argument.arg not in ("self", "cls")]
        if unannotated or (node.returns is None and node.name != "__init__"):
            bare.append(name)
    assert bare == []


NUMBERED = '''
def f(a, b, *, c):
    """Two
    lines."""
    # a comment

    def inner():
        """Inside."""
        return 1
    return (a +
            b)
class A:
    def g(self):
        text = """
        counted
        """
        return text
'''


@pytest.mark.parametrize(("name", "lines", "number"), [("f", 3, 3), ("f.inner", 2, 0), ("A.g", 5, 0)])
def test_only_lines_of_code_are_counted(name, lines, number):
    node = dict(functions(NUMBERED))[name]
    assert code_lines(NUMBERED, node) == lines
    assert len(arguments(node)) == number
