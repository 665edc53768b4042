"""The report: one self-contained HTML file that opens from disk and reads without scripts, never with the network."""

import os
import re
from html import escape
from pathlib import Path

from ravine.base.errors import InputError
from ravine.records import Record
from ravine.report import _page_sections as sections
from ravine.report._markup import anchor, paragraphs
from ravine.report._page_style import STYLE
from ravine.report.bundle import find
from ravine.report.facts import Facts, read_facts
from ravine.report.replay import Static, replay_page
from ravine.report.wording import partial, sentence, subtitle

_FINDINGS = (sections.ranking, sections.curves, sections.rates, sections.seeds, sections.pairs)
_CIRCUMSTANCES = (sections.protocol, sections.task, sections.environment, sections.diverged, sections.culled)


def report(record: Record, path: str | os.PathLike[str], *, recipe: str = "", recipe_note: str = "") -> Path:
    """Write the report of `record` to `path`, whole or not at all, and return the path.

    Where the lab's page has been built, the file replays the race with it, and is static without scripts; else it is static alone.

    Args:
        record: the record, finished or not.
        path: the HTML file.
        recipe: the winner as program text; without one, the lines that make its optimiser stand in its place.
        recipe_note: where that text comes from, or why it is not there.

    Raises:
        InputError: `path` is a folder or a record, or cannot be written.
    """
    target = Path(path)
    if target.is_dir() or target.suffix == ".ravine":
        raise InputError(f"{target} cannot hold a report; give the name of an HTML file, such as report.html.", given=target)
    draft = target.with_name(f".{target.name}.draft")
    bundle = find()
    if bundle is None:
        text = page(record, recipe=recipe, recipe_note=recipe_note)
    else:
        text = replay_page(record, _static(record, recipe, recipe_note), bundle, recipe=recipe, recipe_note=recipe_note)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and its permissions.", given=target) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def page(record: Record, *, recipe: str = "", recipe_note: str = "") -> str:
    """The static report as HTML text; for arguments see `report`."""
    static = _static(record, recipe, recipe_note)
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(static.title)}</title>\n<style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{static.body}\n</body>\n</html>\n'


def _static(record: Record, recipe: str, recipe_note: str) -> Static:
    facts = read_facts(record)
    name = str(facts.task.get("name", "race"))
    found = [make(record, facts) for make in _FINDINGS]
    circumstances = [make(record, facts) for make in _CIRCUMSTANCES]
    parts = [*found, _recipe(facts, recipe, recipe_note), *circumstances]
    body = "\n".join(part for part in parts if part)
    warning, verdict = paragraphs(filter(None, [partial(facts)]), kind="warning"), paragraphs([sentence(facts)], kind="verdict")
    opening = "\n".join([warning, f"<h1>{escape(name)}</h1>", paragraphs([subtitle(facts)], kind="quiet"), verdict])
    return Static(f"ravine: {name}", f"<header>\n{opening.strip()}\n</header>\n{_contents(body)}\n<main>\n{body}\n</main>")


def _contents(body: str) -> str:
    """Links to the sections."""
    titles = re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', body)
    items = "\n".join(f'<li><a href="#{anchor(title)}">{title}</a></li>' for title in titles)
    return f'<nav aria-label="Sections">\n<ul>\n{items}\n</ul>\n</nav>'


def _recipe(facts: Facts, text: str, note: str) -> str:
    chosen = facts.recommendation
    if chosen is None:
        return ""
    return sections.recipe(
        text or short_recipe(facts), note or "The lines that make its optimiser; the whole script: ravine recipe FILE.ravine"
    )


def short_recipe(facts: Facts) -> str:
    """The recommended optimiser and schedule in ravine's own names, from the record alone."""
    chosen = facts.recommendation or {}
    lanes = [lane for lane in facts.lanes if lane.stage == "final" and lane.optimizer == chosen["optimizer"] and lane.lr == chosen["lr"]]
    hypers = dict(lanes[0].hypers) if lanes else {}
    # A share of the horizon, and no hyper of the optimiser.
    share, steps = hypers.pop("warmup", 0.0), facts.protocol.get("steps")
    schedule = chosen.get("schedule") or "constant"
    warmup = f".warmup({round(share * steps)})" if share and steps else ""
    settings = ", ".join(["", f"lr={chosen['lr']!r}", *(f"{name}={value!r}" for name, value in hypers.items())])
    # An entrant's own schedule stands at the end of its name.
    name = str(chosen["optimizer"]).partition("#")[0].removesuffix(f"+{schedule}")
    return "\n".join(
        [
            "import ravine",
            "",
            f'optimizer = ravine.optim.create("{name}", model.parameters(){settings})',
            f'schedule = ravine.schedules.create("{schedule}", horizon={steps}){warmup}',
            "scheduler = ravine.optim.LRScheduler(optimizer, schedule)  # one scheduler.step() after each optimizer.step()",
        ]
    )
