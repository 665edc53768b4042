"""The winner of a record as a script, made in a worker process: the script's text is made with torch."""

from ravine.race.recipe import printed_recipe
from ravine.records import open_record


def script_of(path: str) -> dict[str, str]:
    """The script and a note on it; both empty where the record supports none."""
    with open_record(path) as record:
        text, note = printed_recipe(record)
    return {"text": text, "note": note}
