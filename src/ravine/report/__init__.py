"""Everything a person reads of a race: sentence, tables, figure and page, all from the record alone."""

from ravine.report.aggregate import aggregate_summary, aggregate_text
from ravine.report.comparing import compare_summary, compare_text
from ravine.report.export import FORMATS, export
from ravine.report.facts import Facts, read_facts
from ravine.report.figures import race_figure
from ravine.report.page import page, report
from ravine.report.profiles import profile_summary, profile_text
from ravine.report.studies import studies_summary, studies_text
from ravine.report.summary import summary
from ravine.report.tables import lane_rows, lanes_csv, lanes_table, lanes_text, ranked_table, ranking_csv, ranking_rows, table
from ravine.report.watched import is_watched, watched_diagnosis, watched_summary, watched_text
from ravine.report.wording import sentence

__all__ = [
    "FORMATS",
    "Facts",
    "aggregate_summary",
    "aggregate_text",
    "compare_summary",
    "compare_text",
    "export",
    "is_watched",
    "lane_rows",
    "lanes_csv",
    "lanes_table",
    "lanes_text",
    "page",
    "profile_summary",
    "profile_text",
    "race_figure",
    "ranked_table",
    "ranking_csv",
    "ranking_rows",
    "read_facts",
    "report",
    "sentence",
    "studies_summary",
    "studies_text",
    "summary",
    "table",
    "watched_diagnosis",
    "watched_summary",
    "watched_text",
]
