"""One lab for all tests of a process that ask it as a page does."""

import pytest

from lab_client import serving


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("lab")) as client:
        yield client
