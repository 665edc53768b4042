import base64

import numpy as np

from ravine.report.packed import floats, wholes


def test_numbers_are_little_endian_and_nan_stays():
    back = np.frombuffer(base64.b64decode(floats(np.array([[1.5, np.nan], [-np.inf, 2]]))), "<f4")
    assert np.array_equal(back, np.array([1.5, np.nan, -np.inf, 2], dtype=np.float32), equal_nan=True)


def test_whole_numbers_take_two_bytes_as_long_as_they_fit():
    assert np.frombuffer(base64.b64decode(wholes(np.array([0, 65535]), below=65536)), "<u2").tolist() == [0, 65535]
    assert np.frombuffer(base64.b64decode(wholes(np.array([0, 65536]), below=65537)), "<u4").tolist() == [0, 65536]
