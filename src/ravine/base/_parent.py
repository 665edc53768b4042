"""A process that was started for another one ends with it, however that one ends."""

import multiprocessing
import os
import threading

ORPHANED = 1
"""Exit status of a process whose parent is gone."""


def end_with_parent() -> None:
    """End this process as soon as the one that started it through `multiprocessing` has ended, killed or not; a root process stays.

    Its pipe tells the same, but only once it is asked again: a child in a long step, or in the user's own code, would go
    on for that long beside a race that was resumed meanwhile. Nothing is tidied up, as nothing would be after a kill.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(ORPHANED)

    threading.Thread(target=wait, name="ravine-parent", daemon=True).start()
