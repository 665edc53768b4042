import pytest

from ravine.base._extras import require
from ravine.base.errors import MissingExtraError


def test_a_module_that_is_there_is_returned():
    assert require("json", extra="lab", purpose="the lab").dumps([]) == "[]"


def test_a_missing_module_names_the_extra():
    with pytest.raises(
        MissingExtraError, match=r"^no_such_module is needed for the lab and is not installed\. .*'ravine\[lab\]'$"
    ) as caught:
        require("no_such_module", extra="lab", purpose="the lab")
    assert caught.value.extra == "lab"
