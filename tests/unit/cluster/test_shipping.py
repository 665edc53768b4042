"""Tasks on their way to a machine that has none of the user's files."""

import dataclasses
import pickle
import shutil
import subprocess
import sys

import pytest
import torch

from ravine.base.errors import TaskError
from ravine.cluster import Shipment, ship
from ravine.cluster.shipping import own_files, versions
from ravine.fleet import fingerprint
from ravine.tasks import Task, load

MINE = """
import torch
import ravine
from beside import WIDTH
from parts.model import Net

x = torch.ones(8, 2)
task = ravine.Task("mine", lambda: Net(WIDTH), (x, x), (x, x), torch.nn.functional.mse_loss)
"""
NET = """
import torch

class Net(torch.nn.Linear):
    def __init__(self, width):
        super().__init__(width, 2)
"""


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "mine"
    (root / "parts").mkdir(parents=True)
    for name, text in {
        "mine.py": MINE,
        "beside.py": "WIDTH = 2\n",
        "parts/__init__.py": "",
        "parts/model.py": NET,
        "other.py": "1/0",
    }.items():
        (root / name).write_text(text)
    return root


def forget(folder):
    """As a process that has never seen the folder."""
    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry != str(folder)]


def test_a_built_in_travels_by_its_name():
    line = load("line:noise=0.5")
    shipment = ship(line, fingerprint(line))
    assert (shipment.root, shipment.files, shipment.parcel.pickled) == ("", {}, None)
    assert shipment.open().name == line.name


def test_a_file_travels_with_what_it_imported_and_nothing_else(folder):
    task = load(str(folder / "mine.py"))
    shipment = ship(task, fingerprint(task))
    assert sorted(shipment.files) == ["beside.py", "mine.py", "parts/__init__.py", "parts/model.py"]
    shutil.rmtree(folder)
    forget(folder)
    there = pickle.loads(pickle.dumps(shipment)).open()
    assert there.name == "mine"
    assert fingerprint(there) == fingerprint(task)


def test_where_the_same_files_lie_they_are_used_so_that_data_beside_them_is_found(folder):
    (folder / "data.txt").write_text("0.5")
    text = MINE.replace(
        "x = torch.ones(8, 2)", "import pathlib\nx = torch.full((8, 2), float((pathlib.Path(__file__).parent / 'data.txt').read_text()))"
    )
    (folder / "mine.py").write_text(text)
    task = load(str(folder / "mine.py"))
    shipment = ship(task, fingerprint(task))
    assert float(shipment.open().data.train[0][0, 0]) == 0.5
    (folder / "beside.py").write_text("WIDTH = 3\n")
    forget(folder)
    with pytest.raises(TaskError, match=r"on another machine, .*data\.txt"):
        shipment.open()


def test_a_task_that_comes_out_differently_is_refused():
    line = load("line")
    shipment = ship(line, fingerprint(line))
    changed = dataclasses.replace(shipment, parcel=dataclasses.replace(shipment.parcel, reference="line:noise=0.5"))
    with pytest.raises(TaskError, match="other data or other initial weights"):
        changed.open()


def test_a_task_of_lambdas_needs_more_than_pickle():
    line = load("line")
    sealed = Task("sealed", lambda: torch.nn.Linear(1, 1), line.data.train, line.data.validation, line.loss)
    with pytest.raises(TaskError, match=r"'sealed' cannot be sent to another machine .*leave --ray out"):
        ship(sealed, b"")
    assert ship(sealed, b"mark", lambda task: b"by cloudpickle").parcel.pickled == b"by cloudpickle"


def test_what_cannot_be_unpacked_is_one_sentence():
    line = load("line")
    shipment = ship(line, b"")
    broken = dataclasses.replace(shipment, parcel=dataclasses.replace(shipment.parcel, pickled=b"no pickle", reference=""))
    with pytest.raises(TaskError, match="could not be unpacked: UnpicklingError"):
        broken.open()


def test_installed_code_and_pythons_own_stay_where_they_are():
    files = own_files(__import__("pathlib").Path("/"))
    assert not any("site-packages" in name or name.endswith(("json/__init__.py", "ravine/__init__.py")) for name in files)


def test_versions_are_those_of_the_packages():
    assert versions()["torch"] == torch.__version__
    assert set(versions()) == {"ravine", "torch"}


def test_a_shipment_opens_in_a_process_that_knows_nothing(folder, tmp_path):
    task = load(str(folder / "mine.py"))
    (tmp_path / "shipment").write_bytes(pickle.dumps(ship(task, fingerprint(task))))
    shutil.rmtree(folder)
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).open().name)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "shipment")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mine"
    assert isinstance(ship(task, b""), Shipment)
