"""Python text for a script: literals, sources of functions with what they need, and the imports that are used."""

import ast
import inspect
import itertools
import json
import math
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

WIDTH = 140
"""Longest line of a script, as in the functions of ravine that are pasted into it."""

_LINTER_NOTES = re.compile(r"  # (noqa|type: ignore).*")


def literal(value: Any) -> str:
    """`value` as an expression with the quotes of a formatter, for what has no literal too: NaN and infinity."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple | list):
        inside = ", ".join(literal(part) for part in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value).replace("e+", "e")


def layout(expression: str, *, indent: int, before: int) -> str:
    """An expression as a formatter would lay it out: on one line, or its calls and lists opened where that is too long.

    Args:
        expression: calls, lists, names and constants; anything else stays on one line.
        indent: spaces before the line that it stands on.
        before: characters of that line before the expression.
    """
    return _layout(ast.parse(expression, mode="eval").body, indent, before, after=0)


def _layout(node: ast.expr, indent: int, before: int, after: int) -> str:
    flat = _flat(node)
    parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List) else []
    if before + len(flat) + after <= WIDTH or not parts:
        return flat
    opening, closing = (_flat(node.func) + "(", ")") if isinstance(node, ast.Call) else ("[", "]")
    # A formatter puts no comma behind a lone argument that it opens itself.
    lone = len(parts) == 1 and isinstance(node, ast.Call) and isinstance(parts[0], ast.Call | ast.List)
    comma = "" if lone else ","
    margin = " " * (indent + 4)
    lines = [margin + _layout(part, indent + 4, indent + 4, len(comma)) + comma for part in parts]
    return "\n".join([opening, *lines, " " * indent + closing])


def _flat(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return literal(value)
        case ast.Call(func=function, args=arguments, keywords=[]):
            return f"{_flat(function)}({', '.join(_flat(part) for part in arguments)})"
        case ast.List(elts=parts):
            return f"[{', '.join(_flat(part) for part in parts)}]"
        case _:
            return ast.unparse(node)


def source(item: Any) -> str:
    """The source of a function or class, without notes to ravine's own linters and without blank lines around it."""
    return _LINTER_NOTES.sub("", inspect.getsource(item)).strip("\n")


def with_needed(functions: Iterable[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """The functions and those of their own modules that they call, each after what it needs."""
    ordered: list[Callable[..., Any]] = []

    def visit(function: Callable[..., Any]) -> None:
        module = sys.modules[function.__module__]
        for name in sorted(names_in(textwrap.dedent(inspect.getsource(function)))):
            other = getattr(module, name, None)
            if inspect.isfunction(other) and other.__module__ == function.__module__ and other is not function:
                visit(other)
        if function not in ordered:
            ordered.append(function)

    for function in functions:
        visit(function)
    return ordered


def body_of(method: Callable[..., Any]) -> str:
    """The body of a function or method as it is written, comments included, with the indentation of a method.

    Left out are annotations, all but the first paragraph of a function's docstring, all of a method's, and imports and
    deletions of names at the start. Numbers that have a name in the method's module stand in the place of the name.
    """
    text = _LINTER_NOTES.sub("", textwrap.dedent(inspect.getsource(method)))
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef)
    lines, first, kept = text.splitlines(), definition.body[0], definition.body
    for start, end, number in sorted(_replacements(definition, vars(sys.modules[method.__module__])), reverse=True):
        line, _ = start
        lines[line - 1] = lines[line - 1][: start[1]] + number + lines[line - 1][end:]
    summary = ast.get_docstring(definition)
    if summary is not None:
        kept = kept[1:]
    kept = list(itertools.dropwhile(lambda statement: isinstance(statement, ast.Delete | ast.Import), kept))
    # From the line behind what is left out, so that comments above the first statement stay.
    left_out = definition.body[: len(definition.body) - len(kept)]
    start_line = left_out[-1].end_lineno if left_out else first.lineno - 1
    body = textwrap.dedent("\n".join(lines[start_line:])).lstrip("\n")
    if summary is not None and not _is_method(method):
        body = f'"""{summary.partition(chr(10) * 2)[0]}"""\n{body}'
    return textwrap.indent(body, " " * 8)


def _is_method(function: Callable[..., Any]) -> bool:
    return next(iter(inspect.signature(function).parameters), "") == "self"


def _replacements(definition: ast.FunctionDef, known: Mapping[str, Any]) -> Iterator[tuple[tuple[int, int], int, str]]:
    """Where (line, column) to which column of a definition's text something else is to stand, and what."""
    for node in (inner for statement in definition.body for inner in ast.walk(statement)):
        if isinstance(node, ast.AnnAssign):
            assert node.annotation.end_col_offset is not None
            yield (node.lineno, node.target.end_col_offset or 0), node.annotation.end_col_offset, ""
        elif isinstance(node, ast.Name) and node.id.isupper() and isinstance(known.get(node.id), int | float):
            yield (node.lineno, node.col_offset), node.end_col_offset or 0, literal(known[node.id])


def definition_of(function: Callable[..., Any], *, name: str = "", indent: int = 0) -> str:
    """A function or method with the parameters and the body of `body_of`, under another name if one is given."""
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(function).parameters.values()]
    head = f"def {name or function.__name__}{inspect.Signature(bare)}:"
    return textwrap.indent(f"{head}\n{textwrap.indent(textwrap.dedent(body_of(function)), ' ' * 4)}", " " * indent)


def names_in(text: str) -> set[str]:
    """Every plain name that a piece of Python reads or writes."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def import_block(lines: Iterable[str], body: str) -> str:
    """The imports among `lines` whose names `body` uses, in the order of a formatter: standard library, then others.

    Args:
        lines: import statements; names of one module may come from several.
        body: the Python that follows them.
    """
    used = names_in(body)
    whole: set[str] = set()
    parts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for statement in ast.parse("\n".join(lines)).body:
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) not in used:
                continue
            text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            if isinstance(statement, ast.ImportFrom):
                # A formatter keeps a renamed import on a line of its own.
                parts[str(statement.module), text if alias.asname else ""].add(text)
            else:
                whole.add(text)
    found = [(text.split()[0], False, f"import {text}") for text in whole]
    found += [(module, True, f"from {module} import {', '.join(sorted(names, key=_case))}") for (module, _), names in parts.items()]
    sections: list[list[str]] = [[], []]
    for module, _, line in sorted(found, key=lambda entry: (entry[1], entry[0], entry[2])):
        sections[module.partition(".")[0] not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(section) for section in sections if section)


def _case(name: str) -> tuple[int, str]:
    """A formatter's order of imported names: constants, classes, functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name
