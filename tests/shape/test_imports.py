"""Who may import whom, and what costs no torch."""

import subprocess
import sys

import pytest

from source_files import ROOT


def test_layers_import_downwards_only():
    # In a process of its own: import-linter keeps a console on the stream of the test that imported it first.
    config = str(ROOT / "pyproject.toml")
    code = f"import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(config_filename={config!r}, no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["ravine", "ravine.base._checks", "ravine.records", "ravine.report", "ravine.cli.main"])
def test_torch_is_not_loaded_by(module):
    code = f"import sys, {module}; print(sorted(name for name in ('torch', 'sklearn') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_rules_need_no_torch_either():
    """A rule is text about tensors; only its drivers know which."""
    code = "import sys, ravine.rules; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
