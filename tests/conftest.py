"""One thread, one hypothesis profile, and a reason for every skip."""

import importlib.util
import shutil
import signal

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
# A shell starts what it runs in the background with Ctrl-C ignored, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("ravine", deadline=None, max_examples=30, derandomize=True, database=None)
hypothesis.settings.load_profile("ravine")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_configure(config):
    # torch 2.13's own compiler imports a module of its own that still uses torch.jit.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit.script:DeprecationWarning")


def pytest_collection_modifyitems(config, items):
    has_compiler = any(shutil.which(name) for name in ("g++", "clang++"))

    def is_wanted(marker):
        return config.getoption("--slow") or marker in config.getoption("markexpr")

    absent = {
        "browser": None if is_wanted("browser") else "browser: give -m browser or --slow",
        "slow": None if is_wanted("slow") else "slow: give --slow",
        "compile": None if has_compiler else "torch.compile needs g++ or clang++",
        "gpu": None if torch.cuda.is_available() else "no CUDA device",
        "ray": None if importlib.util.find_spec("ray") else "ray is not installed",
    }
    for item in items:
        for marker, reason in absent.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_make_parametrize_id(val):
    """Bytes by what they are, not what they hold: compressed ones hold the time, and processes must agree on names."""
    return "bytes" if isinstance(val, bytes) else None
