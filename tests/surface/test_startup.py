"""`import ravine` and `ravine --help` are light: they load neither torch nor anything else that is slow."""

import os
import subprocess
import sys

import pytest

import ravine

HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "sqlite3", "rich.live")


def run(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], text=True, timeout=120, check=False, **options)


@pytest.mark.parametrize(
    "statement",
    [
        "import ravine; ravine.__version__",
        "from ravine.cli.main import main; assert main(['--help']) == 0",
        "from ravine.cli.main import main; assert main(['race', '--help']) == 0",
        "from ravine.cli.main import main; assert main(['rase']) == 2",
    ],
)
def test_nothing_heavy_is_loaded(statement):
    code = f"{statement}\nimport sys\nloaded = [name for name in {HEAVY!r} if name in sys.modules]\nassert not loaded, loaded"
    done = run("-c", code, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_optimizers_records_and_the_memory_of_a_number_load_no_torch(tmp_path):
    commands = "main(['optimizers'])\nmain(['show', 'none.ravine'])\nmain(['memory', '--params', '1e6', '--bits', '8'])"
    code = f"import sys\nfrom ravine.cli.main import main\n{commands}\nassert 'torch' not in sys.modules"
    done = run("-c", code, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_python_m_ravine_is_the_command():
    done = run("-m", "ravine", "--version", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ravine {ravine.__version__}\n", "")


def test_a_reader_that_left_is_no_failure():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        # With a buffer, as users have it: what is left in it is written once more at the end of the process.
        environment = os.environ | {"PYTHONUNBUFFERED": ""}
        done = run("-m", "ravine", "optimizers", stdout=writing, stderr=subprocess.PIPE, env=environment)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
