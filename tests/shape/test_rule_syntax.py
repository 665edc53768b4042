"""A rule file holds equations and nothing else: its syntax tree is read and everything ARCHITECTURE.md forbids is refused."""

import ast
from pathlib import Path

import pytest

import ravine.rules

FOLDER = Path(ravine.rules.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_") and path.name != "registry.py")

ALLOWED_IMPORTS = {
    "collections.abc",
    "typing",
    "ravine.rules._rule",
    "ravine.rules._terms",
    "ravine.rules._orthogonal",
    "ravine.rules._axes",
    "ravine.rules._factors",
    "ravine.rules._wrapping",
    "ravine.rules._units",
}
HOST = {"item", "tolist", "numpy", "cpu", "cuda", "to", "type", "device", "dtype", "is_cuda", "data", "grad", "requires_grad", "detach"}
HOST |= {"double", "half", "bfloat16", "float16", "float32", "float64"}
CONVERSIONS = {"float", "int", "bool", "len", "print", "isinstance", "getattr", "setattr"}
RANDOM = {"rand", "randn", "randint", "rand_like", "randn_like", "randperm", "bernoulli", "normal", "multinomial", "random", "manual_seed"}
LOOPS = (ast.For, ast.While, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def faults(source):
    """What a rule file does that it may not, one phrase each."""
    tree = ast.parse(source)
    found = [f"imports {name}" for name in imported(tree) if name not in ALLOWED_IMPORTS]
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in (inner for statement in function.body for inner in ast.walk(statement)):
            found += [f"{function.name}: {fault}" for fault in faults_of(node)]
    return found


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or "."


def faults_of(node):
    if isinstance(node, LOOPS):
        yield "loops"
    if isinstance(node, (ast.If, ast.IfExp, ast.Assert)) and not asks_flags_only(node.test):
        yield "branches on something else than a flag"
    if isinstance(node, ast.Match):
        yield "branches on something else than a flag"
    if isinstance(node, ast.AugAssign):
        yield "assigns in place"
    if isinstance(node, ast.Assign):
        yield from (f"writes into {ast.unparse(target)}" for target in node.targets if writes_into_a_tensor(target))
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.MatMult)):
        yield "uses ** or @; powers of scalars go through `power`"
    if isinstance(node, ast.Attribute):
        yield from faults_of_attribute(node.attr)
    if isinstance(node, ast.Call):
        yield from (f"passes {keyword.arg}=" for keyword in node.keywords if keyword.arg in ("alpha", "value", "out"))
        if isinstance(node.func, ast.Name) and node.func.id in CONVERSIONS:
            yield f"calls {node.func.id}"


def faults_of_attribute(name):
    if name.endswith("_") and not name.endswith("__"):
        yield f"changes a tensor in place with {name}"
    if name in HOST:
        yield f"names {name}"
    if name in RANDOM:
        yield f"draws with {name}"


def asks_flags_only(test):
    if isinstance(test, ast.BoolOp):
        return all(asks_flags_only(value) for value in test.values)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return asks_flags_only(test.operand)
    return asks_for_dimensions(test) or (isinstance(test, ast.Call) and ast.unparse(test.func) == "self.on")


def asks_for_dimensions(test):
    """A comparison of a tensor's number of dimensions, which no step changes, with a number."""
    return (
        isinstance(test, ast.Compare) and ast.unparse(test.left) in ("p.ndim", "g.ndim") and isinstance(test.comparators[0], ast.Constant)
    )


def writes_into_a_tensor(target):
    """Anything but a plain name, or an entry of the dictionary `state` under a literal key."""
    if isinstance(target, ast.Name):
        return False
    if isinstance(target, ast.Tuple):
        return any(writes_into_a_tensor(element) for element in target.elts)
    is_entry = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant)
    return not (is_entry and ast.unparse(target.value) == "state")


def test_every_rule_is_read():
    rules = [*(entry.rule for entry in ravine.rules.REGISTRY.values()), *ravine.rules.WRAPPERS.values()]
    assert {rule.__module__.rsplit(".", 1)[1] for rule in rules} == {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_file_holds_equations_only(path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "body",
    [
        "if h.momentum: return g",
        "if self.flag: return g",
        "if g.ndim < c.lr: return g",
        "if s.v.ndim < 2: return g",
        "if g.sum() < 2: return g",
        "if self.on('buffered') and c.lr > 0: return g",
        "while True: pass",
        "d = g if c.lr > 0 else p",
        "assert c.lr > 0",
        "match c.lr:\n            case 0: return g",
        "g.add_(p)",
        "g += p",
        "s.m = g",
        "g[0] = p",
        "p, s.m = g, g",
        "d = g.add(p, alpha=2)",
        "d = g.addcmul(p, p, value=2)",
        "d = g.sub(p, out=p)",
        "d = c.lr.item()",
        "d = float(c.lr)",
        "d = g.to(p.device)",
        "d = g.double()",
        "d = p.dtype",
        "d = g.normal(0, 1)",
        "d = torch.rand(3)",
        "for q in p: q = g",
        "d = [q for q in p]",
        "d = h.beta ** t",
        "d = g @ g",
    ],
)
def test_forbidden_syntax_is_found(body):
    assert faults(f"class R:\n    def update(self, p, g, s, c):\n        {body}\n")


@pytest.mark.parametrize(
    "line", ["import torch", "from torch import nn", "import torch.optim", "import math", "import numpy as np", "from . import sgd"]
)
def test_forbidden_imports_are_found(line):
    assert faults(line)


def test_allowed_syntax_passes():
    source = "class R:\n    def update(self, p, g, s, c):\n"
    source += "        if self.on('a') and not self.on('b') and p.ndim < 2:\n            g = g + c.l2 * p\n"
    assert (
        faults(source + "        state = {'m': g}\n        v = state['w'] = s.w.maximum(g)\n        return -c.lr * v.sqrt(), state\n") == []
    )
