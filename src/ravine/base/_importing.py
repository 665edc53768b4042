"""A script that begins its work again in each worker process, because a worker imports the script that started it."""

import multiprocessing
import sys

AGAIN = 78
"""Exit status of a worker process in which the script began its work again."""


def end_if_imported_by_worker() -> None:
    """End this process, with `AGAIN`, if it is a worker that is still importing its parent's script.

    Unpickling a task that the script defines takes that import. A script whose work does not stand under
    `if __name__ == "__main__":` would do it once more there, and its workers again.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(AGAIN)
