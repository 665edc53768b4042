import base64

import numpy as np

from ravine.report.packed import floats, in_planes, rounded, wholes


def test_numbers_are_little_endian_and_nan_stays():
    back = np.frombuffer(base64.b64decode(floats(np.array([[1.5, np.nan], [-np.inf, 2]]))), "<f4")
    assert np.array_equal(back, np.array([1.5, np.nan, -np.inf, 2], dtype=np.float32), equal_nan=True)


def test_whole_numbers_take_two_bytes_as_long_as_they_fit():
    assert np.frombuffer(base64.b64decode(wholes(np.array([0, 65535]), below=65536)), "<u2").tolist() == [0, 65535]
    assert np.frombuffer(base64.b64decode(wholes(np.array([0, 65536]), below=65537)), "<u4").tolist() == [0, 65536]


def test_rounding_keeps_four_digits_and_whatever_is_not_finite_or_next_to_nothing():
    values = np.exp(np.random.default_rng(0).normal(size=10_000, scale=20)).astype(np.float32)
    near = rounded(values)
    assert np.max(np.abs(near / values.astype(np.float64) - 1)) < 2**-14 * 1.001
    assert not np.array_equal(near, values)
    odd = np.array([np.nan, np.inf, -np.inf, 0, 1e-45, np.finfo(np.float32).max], dtype=np.float32)
    assert np.array_equal(rounded(odd), odd, equal_nan=True)


def test_numbers_byte_by_byte_are_the_same_numbers():
    values = np.array([1.5, np.nan, -2, 3.25], dtype="<f4")
    text = in_planes(floats(values))
    assert text[0] == "~"
    planes = np.frombuffer(base64.b64decode(text[1:]), np.uint8).reshape(4, -1)
    assert np.array_equal(np.frombuffer(planes.T.tobytes(), "<f4"), values, equal_nan=True)
    assert in_planes(floats(np.empty(0))) == "~"
