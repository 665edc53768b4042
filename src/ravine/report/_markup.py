"""Pieces of HTML: sections, tables that scroll by themselves, and described figures; everything foreign is escaped."""

import re
from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, *parts: str) -> str:
    """A section of the page under a heading; empty where it has no content."""
    body = "\n".join(part for part in parts if part)
    name = anchor(title)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{escape(title)}</h2>\n{body}\n</section>'
        if body
        else ""
    )


def anchor(title: str) -> str:
    """The identifier of a section."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def table(caption: str, titles: Sequence[str], rows: Iterable[Sequence[object]], *, heads: int = 0, numeric: Sequence[int] = ()) -> str:
    """A table with its caption, or nothing where it has no rows.

    Args:
        caption: what it shows.
        titles: of the columns.
        rows: cells; a cell may have several lines.
        heads: the column that names the row.
        numeric: columns whose cells stand right.
    """
    lines = [_row(cells, heads, numeric) for cells in rows]
    if not lines:
        return ""
    head = "".join(f'<th scope="col"{_side(index, numeric)}>{escape(title)}</th>' for index, title in enumerate(titles))
    body = "\n".join(lines)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>\n<caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def facts_table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of labels and what they are; nothing without rows."""
    lines = [f'<tr><th scope="row">{escape(label)}</th><td>{escape(text)}</td></tr>' for label, text in rows if text]
    body = "\n".join(lines)
    return f'<table class="facts">\n<caption>{escape(caption)}</caption>\n<tbody>\n{body}\n</tbody>\n</table>' if lines else ""


def figure(svg: str, caption: str, *, wide: bool = False) -> str:
    """An `<svg>` element with its caption; one that is `wide` scrolls by itself where the page is narrow."""
    drawn = f'<div class="wide" role="region" aria-label="{escape(caption)}" tabindex="0">{svg}</div>' if wide else svg
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def paragraphs(lines: Iterable[str], *, kind: str = "") -> str:
    """A paragraph for each line."""
    mark = f' class="{kind}"' if kind else ""
    return "\n".join(f"<p{mark}>{escape(line)}</p>" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list; nothing without items."""
    lines = "\n".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>\n{lines}\n</ul>" if lines else ""


def code(text: str, label: str) -> str:
    """Program text to read, or to select and copy whole."""
    return f'<pre class="code" role="region" aria-label="{escape(label)}" tabindex="0"><code>{escape(text.strip())}</code></pre>'


def _row(cells: Sequence[object], heads: int, numeric: Sequence[int]) -> str:
    found = []
    for index, cell in enumerate(cells):
        text = escape(str(cell))
        found.append(f'<th scope="row">{text}</th>' if index == heads else f"<td{_side(index, numeric)}>{text}</td>")
    return f"<tr>{''.join(found)}</tr>"


def _side(index: int, numeric: Sequence[int]) -> str:
    return ' class="number"' if index in numeric else ""
