"""A diagnosis as text, and as one self-contained HTML page."""

from html import escape
from pathlib import Path

from rich.text import Text

from ravine.base.errors import InputError
from ravine.records.findings import Diagnosis, Finding
from ravine.report._markup import facts_table, paragraphs, section, table
from ravine.report._page_style import STYLE
from ravine.report.tables import WIDTH, empty_table, rendered

_COUNTED = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "information": ("remark", "remarks")}


def diagnosis_sentence(diagnosis: Diagnosis) -> str:
    """How many findings there are of each severity, in one sentence."""
    name = _name(diagnosis, "the task")
    counts = {severity: sum(finding.severity == severity for finding in diagnosis) for severity in _COUNTED}
    said = [f"{count} {_COUNTED[severity][count > 1]}" for severity, count in counts.items() if count]
    skipped = [rung.rung for rung in diagnosis.rungs if rung.verdict == "skipped"]
    rest = f"; {len(skipped)} {'rung was' if len(skipped) == 1 else 'rungs were'} not climbed" if skipped else ""
    replay = (diagnosis.task.get("replay") or {}).get("sentence", "")
    again = f" {replay[:1].upper()}{replay[1:]}." if replay else ""
    return f"{name}: {', '.join(said) if said else 'nothing was found'}{rest}.{again}"


def _name(diagnosis: Diagnosis, other: str) -> str:
    lane = f", lane {diagnosis.task['lane']}" if "lane" in diagnosis.task else ""
    return f"{diagnosis.task.get('name', other)}{lane}"


def diagnosis_text(diagnosis: Diagnosis, *, width: int = WIDTH) -> str:
    """Findings, most severe first, then every rung with its verdict."""
    result = empty_table(["rung", "verdict", "measured"], numeric=())
    for rung in diagnosis.rungs:
        result.add_row(Text(rung.rung), Text(rung.verdict), Text(rung.measured))
    findings = "\n\n".join(str(finding) for finding in diagnosis)
    parts = [rendered(result, width).rstrip("\n"), findings, diagnosis_sentence(diagnosis)]
    return "\n\n".join(part for part in parts if part)


def diagnosis_page(diagnosis: Diagnosis) -> str:
    """The same as HTML text that opens from disk and needs no network."""
    name = escape(_name(diagnosis, "task"))
    rows = [(rung.rung, rung.verdict, rung.measured) for rung in diagnosis.rungs]
    rungs = table("The ladder, lowest rung first", ["rung", "verdict", "measured"], rows)
    body = "\n".join([section("Findings", *map(_finding, diagnosis)), section("Rungs", rungs)])
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>ravine doctor: {name}</title>\n<style>{STYLE}</style>"
    )
    opening = f"<h1>{name}</h1>\n{paragraphs([diagnosis_sentence(diagnosis)], kind='verdict')}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n<header>\n{opening}\n</header>\n'
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def write_diagnosis(diagnosis: Diagnosis, path: str | Path) -> Path:
    """Write the page to `path`.

    Raises:
        InputError: it cannot be written.
    """
    target = Path(path)
    try:
        target.write_text(diagnosis_page(diagnosis), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and its permissions.", given=target) from error
    return target


def _finding(finding: Finding) -> str:
    rows = [("where", finding.where), ("measured", finding.measured), ("threshold", finding.threshold), ("source", finding.source)]
    caption = f"{finding.severity}: {finding.title} ({finding.rung})"
    return facts_table(caption, [*rows, ("what to do", finding.remedy)])
