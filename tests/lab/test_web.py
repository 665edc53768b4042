"""The page's own tests, run by Node: thinning, smoothing, addresses, ranking, words."""

import pathlib
import shutil
import subprocess

import pytest

import ravine

WEB = pathlib.Path(ravine.__file__).parent / "lab" / "web"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="needs Node 20: the page is built and tested with it"),
    pytest.mark.skipif(not (WEB / "node_modules" / "esbuild").is_dir(), reason="needs what the page is built with: make web"),
]


def run(*words):
    return subprocess.run(words, cwd=WEB, capture_output=True, text=True, timeout=300, check=False)


def test_what_needs_no_browser():
    done = run(NODE, "build.mjs", "--tests")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_types():
    done = run(NODE, "node_modules/typescript/bin/tsc", "--noEmit")
    assert done.returncode == 0, done.stdout


def test_the_page_keeps_its_budget(tmp_path):
    done = run(NODE, "build.mjs", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    size = float(done.stdout.split(": ")[1].split(" KB")[0])
    assert size <= 60, f"app.js and app.css take {size} KB gzipped: 60 at most"
