"""Everything a person reads of a race: sentence, tables, figure and page, all from the record alone."""

from ravine.report.facts import Facts, read_facts
from ravine.report.figures import race_figure
from ravine.report.page import page, report
from ravine.report.summary import summary
from ravine.report.tables import lanes_csv, lanes_table, lanes_text, ranked_table, ranking_csv, table
from ravine.report.wording import sentence

__all__ = [
    "Facts",
    "lanes_csv",
    "lanes_table",
    "lanes_text",
    "page",
    "race_figure",
    "ranked_table",
    "ranking_csv",
    "read_facts",
    "report",
    "sentence",
    "summary",
    "table",
]
