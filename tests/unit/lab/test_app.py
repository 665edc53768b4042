import subprocess
import sys

from ravine.lab.app import PARTS, Lab


def test_no_address_has_two_answers():
    paths = [route.path for part in PARTS for route in part()]
    assert len(paths) == len(set(paths))


def test_the_servers_process_imports_no_torch():
    code = "import sys, ravine.lab.running; print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_a_lab_that_was_never_opened_can_be_closed(tmp_path):
    Lab(folder=tmp_path).close()
