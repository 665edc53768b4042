"""Lessons as one self-contained HTML page, without scripts and without the network; the claims that fail come first."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ravine._version import __version__
from ravine.base.errors import InputError
from ravine.lessons._criterion import VERDICTS, shown
from ravine.lessons._running import Outcome
from ravine.lessons._wording import criterion_text, outcome_word
from ravine.report._inline import inline
from ravine.report._markup import anchor, facts_table, figure, paragraphs, section, table
from ravine.report._page_style import STYLE
from ravine.report.panels import picture_figure


def write_page(outcomes: Sequence[Outcome], path: str | os.PathLike[str]) -> Path:
    """Write the page to `path`, whole or not at all, and return the path.

    Args:
        outcomes: what the lessons' runs gave.
        path: the HTML file.

    Raises:
        InputError: `path` is a folder, or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder; give the name of an HTML file in it, such as {target / 'lessons.html'}.", given=target)
    draft, text = target.with_name(f".{target.name}.draft"), page(outcomes)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and its permissions.", given=target) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def ordered(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those first that teach most: refuted claims, then claims that hold only at the stated settings."""
    return sorted(outcomes, key=lambda outcome: VERDICTS.index(outcome.verdict))


def page(outcomes: Sequence[Outcome]) -> str:
    """The page as HTML text."""
    found = ordered(outcomes)
    title = "Lessons: textbook claims as experiments"
    body = "\n".join([_overview(found), *map(_lesson, found)])
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>ravine: lessons</title>\n<style>{STYLE}</style>"
    )
    opening = f"<h1>{title}</h1>\n{paragraphs([_subtitle(found)], kind='quiet')}\n{paragraphs([_counts(found)], kind='verdict')}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n<header>\n{opening}\n</header>\n'
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _subtitle(outcomes: Sequence[Outcome]) -> str:
    forms = " and ".join(sorted({outcome.form for outcome in outcomes}))
    minutes = sum(outcome.wall_s for outcome in outcomes) / 60
    return f"{len(outcomes)} lessons, {forms} form, run with ravine {__version__} in {minutes:.1f} minutes, all processes together"


def _counts(outcomes: Sequence[Outcome]) -> str:
    counts = {verdict: sum(outcome.verdict == verdict for outcome in outcomes) for verdict in VERDICTS}
    told = [f"{number} {_counted(verdict, number)}" for verdict, number in counts.items() if number]
    return f"Of {len(outcomes)} claims {', '.join(told)}. Those that fail, or hold only as they are stated, come first: they teach most."


def _counted(verdict: str, number: int) -> str:
    words = {
        "refuted": ("is refuted", "are refuted"),
        "holds only at the stated settings": ("holds only at the stated settings", "hold only at the stated settings"),
        "cannot be told": ("cannot be told", "cannot be told"),
        "supported": ("is supported", "are supported"),
    }
    return words[verdict][number != 1]


def _overview(outcomes: Sequence[Outcome]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><a href="#{anchor(one.lesson.name)}">{escape(one.lesson.name)}</a></th>'
        f"<td>{escape(one.verdict)}</td><td>{escape(one.lesson.claim)}</td></tr>"
        for one in outcomes
    )
    return (
        '<div class="scroll" role="region" aria-label="All claims" tabindex="0"><table>\n<caption>All claims</caption>\n'
        '<thead><tr><th scope="col">lesson</th><th scope="col">verdict</th><th scope="col">claim</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _lesson(outcome: Outcome) -> str:
    lesson = outcome.lesson
    rows = [
        (one.part.says, outcome_word(one) + (" (elsewhere)" if one.part.elsewhere else ""), one.part.measures, one.measured, one.part.range)
        for one in outcome.judged
    ]
    setting = [
        ("claim", lesson.claim),
        ("question", lesson.question),
        ("source", lesson.source),
        ("set-up", f"{outcome.setup} ({outcome.form} form, {outcome.wall_s:.1f} s)"),
        ("criterion, fixed before the run", criterion_text(len(outcome.judged))),
    ]
    drawn = inline(picture_figure(outcome.picture), anchor(lesson.name), outcome.picture.caption)
    also = [(label, shown(sample.interval())) for label, sample in outcome.also.items()]
    return section(
        lesson.name,
        paragraphs([outcome.sentence], kind="verdict"),
        facts_table("What was asked", setting),
        table("What has to hold, and what was measured", ["statement", "holds?", "number", "measured", "must be"], rows),
        paragraphs([f"Note: {note}" for note in outcome.notes], kind="quiet"),
        figure(drawn, outcome.picture.caption, wide=True),
        paragraphs([lesson.explanation]),
        facts_table("Also measured", also),
    )
