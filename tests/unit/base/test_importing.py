"""A script that begins its work in a worker."""

import multiprocessing

import pytest

from ravine.base._importing import AGAIN, end_if_imported_by_worker


def test_only_a_worker_that_is_still_importing_ends(monkeypatch):
    end_if_imported_by_worker()
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit) as ended:
        end_if_imported_by_worker()
    assert ended.value.code == AGAIN
