"""Tasks that a page may name: built-in ones without files, and those that were named when the lab was started."""

from collections.abc import Sequence

from ravine.base.errors import InputError
from ravine.tasks import Task, load, registry


def load_for_page(text: str, own: Sequence[str]) -> Task:
    """The task that a page names; no text from a page makes ravine run or read a file.

    Args:
        text: of a built-in task, or one of `own`.
        own: texts that were given when the lab was started.

    Raises:
        InputError: it is neither, or an option of it is a file.
        UnknownNameError: a built-in task has no such option.
    """
    if text in own:
        return load(text)
    name, colon, options = text.strip().partition(":")
    if name not in registry.REGISTRY:
        allowed = ", ".join([*registry.names(), *own])
        raise InputError(
            f"the task {text!r}: must be one of {allowed}. Your own is named at the start: ravine lab --task FILE.py.", given=text
        )
    given = registry.parse_options(name, options) if colon else {}
    for one in registry.get(name).options:
        if one.name in given and one.kind is str and not one.choices:
            raise InputError(
                f"{one.name}={given[one.name]!r} is a file: a page may not name files. Give it with --task {text}.", given=text
            )
    return registry.create(name, given)
