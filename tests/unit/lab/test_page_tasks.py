"""A page names built-in tasks and those of the start, and nothing else."""

import pytest

from ravine.base.errors import InputError, RavineError
from ravine.lab.page_tasks import load_for_page

OWN = """
import pathlib
import torch
import ravine
pathlib.Path({mark!r}).write_text("run")
pair = (torch.zeros(4, 1), torch.zeros(4, 1))
task = ravine.Task("own", lambda: torch.nn.Linear(1, 1), pair, pair, torch.nn.functional.mse_loss)
"""


@pytest.fixture
def own(tmp_path):
    mark = tmp_path / "mark"
    file = tmp_path / "own.py"
    file.write_text(OWN.format(mark=str(mark)))
    return str(file), mark


def test_built_in_tasks_take_their_options():
    assert load_for_page("line:noise=0.5", ()).reference == "line:noise=0.5"


def test_a_file_is_run_only_if_it_was_named_at_the_start(own):
    file, mark = own
    for text in (file, f"{file}:task", "own:task", "os:system"):
        with pytest.raises(InputError, match=r"must be one of digits, .* ravine lab --task FILE.py"):
            load_for_page(text, ())
    assert not mark.exists()
    assert load_for_page(file, (file,)).name == "own"
    assert mark.read_text() == "run"


def test_an_option_that_is_a_file_is_refused():
    with pytest.raises(InputError, match="text='/etc/passwd' is a file"):
        load_for_page("chars:text=/etc/passwd", ())


def test_an_option_that_does_not_exist_is_said():
    with pytest.raises(RavineError, match="no option of 'line' is called 'nois'"):
        load_for_page("line:nois=1", ())
