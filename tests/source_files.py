"""The source files of the package, and what their syntax trees say."""

import ast
import functools
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ravine"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = {path: path.relative_to(SOURCE).as_posix() for path in FILES}


def functions(source):
    """Every function of a source text as (qualified name, node)."""

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{prefix}{child.name}."
                if not isinstance(child, ast.ClassDef):
                    yield inner[:-1], child
            yield from walk(child, inner)

    return list(walk(ast.parse(source), ""))


@functools.cache
def held_lines(source):
    """Lines of a source text on which a token stands that is no comment."""
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in empty]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def code_lines(source, node):
    """Lines of a function that hold code: neither blank, nor comment, nor docstring, nor the lines of functions inside it."""
    own = set(range(node.lineno, node.end_lineno + 1)) & held_lines(source)
    for inner in ast.walk(node):
        has_doc = isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner) is not None
        if has_doc:
            own -= set(range(inner.body[0].lineno, inner.body[0].end_lineno + 1))
        if inner is not node and isinstance(inner, ast.FunctionDef):
            own -= set(range(inner.lineno, inner.end_lineno + 1))
    return len(own)


def arguments(node):
    """Names of a function's arguments without self and cls."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in given if argument.arg not in ("self", "cls")]
