"""The precompiled kernels through their C interface, against float64 and torch."""

import ctypes
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torch.nn import functional as F

from ravine.fleet.native import toolchain
from ravine.fleet.native.functions import kernel_table
from ravine.fleet.native.structures import Convolution, Pooling, Product

pytestmark = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")
DTYPES = {torch.float32: 3e-6, torch.float64: 1e-13}
ARGUMENTS = {"max_pool": 3, "max_pool_input": 3, "average_pool": 2, "average_pool_input": 2}


def call(name, description, *tensors, images=True):
    kernels = kernel_table(next(tensor.dtype for tensor in tensors if tensor.is_floating_point()), images=images).contents
    arguments = [ctypes.byref(description), *(tensor.data_ptr() for tensor in tensors)]
    if name not in ARGUMENTS:
        size = getattr(kernels, name.split("_")[0] + "_scratch")(ctypes.byref(description))
        memory = torch.full((size + 128,), 255, dtype=torch.uint8)  # NaN: nothing may be read that was not written
        place = -(-memory.data_ptr() // 64) * 64
        arguments.append(place)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arguments))(getattr(kernels, name))
    function(*arguments)
    if name not in ARGUMENTS:
        assert bool((memory[place - memory.data_ptr() + size :] == 255).all()), "wrote behind its scratch memory"


def relative(value, reference):
    return float((value.double() - reference).abs().max() / reference.abs().max().clamp_min(1e-300)) if reference.numel() else 0.0


def strided(draw, generator, shape, dtype):
    """A tensor of random layout inside a larger one, and that larger one."""
    order = draw(st.permutations(range(3)))
    gaps, step = draw(st.tuples(*[st.integers(0, 2)] * 3)), draw(st.sampled_from([1, 1, 2]))
    whole = torch.randn([shape[axis] + gap for axis, gap in zip(order, gaps, strict=True)] + [step], generator=generator, dtype=dtype)
    part = whole[: shape[order[0]], : shape[order[1]], : shape[order[2]], 0]
    return part.permute(*[order.index(axis) for axis in range(3)]), whole


LENGTHS = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 10, 13, 16, 17, 25, 32, 33, 64, 65, 72, 100, 300])


@settings(max_examples=150)
@given(st.data(), st.integers(1, 3), LENGTHS, LENGTHS, LENGTHS, st.sampled_from(list(DTYPES)), st.booleans(), st.integers(0, 2**31))
def test_a_product_of_any_strides(data, batch, m, n, k, dtype, accumulate, seed):
    generator = torch.Generator().manual_seed(seed)
    (a, _), (b, _) = (strided(data.draw, generator, shape, dtype) for shape in ((batch, m, k), (batch, k, n)))
    c, whole = strided(data.draw, generator, (batch, m, n), dtype)
    a, b = (t[:1].expand(batch, -1, -1) if data.draw(st.integers(0, 3)) == 0 else t for t in (a, b))
    wanted = a.double() @ b.double() + (c.double() if accumulate else 0)
    others = whole.clone()
    others.as_strided(c.shape, c.stride(), c.storage_offset()).zero_()
    call("product", Product(batch, m, n, k, *a.stride(), *b.stride(), *c.stride(), accumulate), a, b, c)
    scale = float((a.double().abs() @ b.double().abs()).max())
    assert float((c.double() - wanted).abs().max()) <= {torch.float32: 1e-6, torch.float64: 1e-15}[dtype] * scale + 1e-30
    c.zero_()
    assert torch.equal(whole, others), "wrote beside c"


def test_a_product_keeps_nan_and_infinity_in_their_rows_and_columns():
    a, b, c = torch.ones(1, 20, 30), torch.ones(1, 30, 21), torch.empty(1, 20, 21)
    a[0, 3, 5], b[0, 7, 11] = torch.nan, torch.inf
    call("product", Product(1, 20, 21, 30, *a.stride(), *b.stride(), *c.stride(), 0), a, b, c)
    wanted = torch.full((20, 21), 30.0)
    wanted[:, 11] = torch.inf
    wanted[3] = torch.nan
    torch.testing.assert_close(c[0], wanted, equal_nan=True)


@pytest.mark.parametrize("accumulate", [0, 1])
def test_a_sum_of_nothing_is_zero(accumulate):
    c = torch.full((1, 3, 4), 7.0)
    call("product", Product(1, 3, 4, 0, 0, 0, 1, 0, 4, 1, 12, 4, 1, accumulate), torch.empty(1), torch.empty(1), c)
    assert bool((c == (7.0 if accumulate else 0.0)).all())


def test_a_product_repeats_its_bits_at_any_alignment():
    generator = torch.Generator().manual_seed(0)
    memory, results = torch.empty(4000), []
    values_a, values_b = torch.randn(1, 23, 37, generator=generator), torch.randn(1, 37, 19, generator=generator)
    for shift in range(9):
        a, b = memory[shift : shift + 851].view(1, 23, 37), memory[1000 + shift : 1703 + shift].view(1, 37, 19)
        c = memory[2000 + shift : 2437 + shift].view(1, 23, 19)
        a.copy_(values_a)
        b.copy_(values_b)
        call("product", Product(1, 23, 19, 37, *a.stride(), *b.stride(), *c.stride(), 0), a, b, c)
        results.append(c.clone())
    assert all(torch.equal(result, results[0]) for result in results)


CONVOLUTIONS = {
    "first layer": (3, 1, 8, 1, (28, 28), (3, 3), 1, 1, 1),
    "second layer": (3, 8, 16, 1, (14, 14), (3, 3), 1, 1, 1),
    "even kernel": (2, 3, 5, 1, (9, 7), (2, 4), 1, 0, 1),
    "strides": (2, 3, 10, 1, (15, 13), (3, 3), 2, 1, 1),
    "unequal strides": (2, 4, 6, 2, (11, 16), (3, 5), (3, 2), (1, 2), 1),
    "stride beyond the kernel": (2, 3, 4, 1, (13, 13), (2, 2), 3, 1, 1),
    "dilation": (2, 3, 4, 1, (13, 17), (3, 3), 1, 2, 2),
    "dilation and strides": (2, 3, 4, 1, (13, 17), (3, 3), 2, 2, (1, 3)),
    "padding beyond the kernel": (2, 3, 4, 1, (5, 6), (2, 2), 1, 2, 1),
    "pointwise": (3, 20, 33, 1, (7, 7), (1, 1), 1, 0, 1),
    "pointwise groups": (3, 8, 12, 4, (5, 5), (1, 1), 1, 0, 1),
    "pointwise strides": (3, 8, 12, 1, (6, 7), (1, 1), 2, 0, 1),
    "depthwise": (2, 12, 12, 12, (9, 9), (3, 3), 1, 1, 1),
    "depthwise multiplier": (2, 5, 10, 5, (9, 9), (3, 3), 2, 1, 1),
    "one dimension": (4, 6, 7, 1, (1, 33), (1, 5), 1, (0, 2), 1),
    "many channels": (1, 70, 40, 1, (6, 6), (3, 3), 1, 1, 1),
    "whole image": (2, 3, 4, 1, (6, 5), (6, 5), 1, 0, 1),
}


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_and_its_gradients(name, dtype):
    batch, channels, outputs, groups, image, kernel, *steps = CONVOLUTIONS[name]
    stride, padding, dilation = map(pair, steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels, *image, generator=generator, dtype=dtype)
    w = torch.randn(outputs, channels // groups, *kernel, generator=generator, dtype=dtype)
    wide = [t.double().requires_grad_() for t in (x, w)]
    wanted = F.conv2d(*wide, None, stride, padding, dilation, groups)
    dy = torch.randn(wanted.shape, generator=generator, dtype=dtype)
    gradients = torch.autograd.grad(wanted, wide, dy.double())
    description = Convolution(batch, groups, channels, outputs, *image, *wanted.shape[2:], *kernel, *stride, *padding, *dilation)
    y, dx, dw = (torch.full(t.shape, torch.nan, dtype=dtype) for t in (wanted, x, w))
    call("convolution", description, x, w, y)
    call("convolution_input", description, dy, w, dx)
    call("convolution_weight", description, x, dy, dw)
    assert relative(y, wanted.detach()) <= DTYPES[dtype]
    assert relative(dx, gradients[0]) <= DTYPES[dtype]
    assert relative(dw, gradients[1]) <= DTYPES[dtype]


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)])
def test_infinity_reaches_only_what_it_touches(kernel):
    padding = kernel[0] // 2
    x, w = torch.ones(1, 2, 9, 11), torch.ones(3, 2, *kernel)
    x[0, 0, 4, 0] = torch.inf
    description = Convolution(1, 1, 2, 3, 9, 11, 9, 11, *kernel, 1, 1, padding, padding, 1, 1)
    y, dw = torch.empty(1, 3, 9, 11), torch.empty(3, 2, *kernel)
    call("convolution", description, x, w, y)
    call("convolution_weight", description, x, torch.ones_like(y), dw)
    assert torch.equal(y.isfinite(), F.conv2d(x, w, padding=padding).isfinite())
    assert not bool(y.isnan().any())
    assert not bool(dw.isnan().any())
    assert bool(dw[:, 1].isfinite().all())


POOLINGS = {
    "pairs": ((6, 28, 28), 2, 2, 0, 1),
    "narrow pairs": ((5, 14, 14), 2, 2, 0, 1),
    "very narrow pairs": ((7, 6, 6), 2, 2, 0, 1),
    "odd pairs": ((5, 13, 27), 2, 2, 0, 1),
    "overlap": ((3, 11, 12), 3, 2, 1, 1),
    "unequal": ((3, 11, 12), (2, 3), (1, 2), (1, 0), 1),
    "dilated": ((3, 11, 12), 3, 1, 1, 2),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POOLINGS)
def test_the_maximum_of_windows(name, dtype):
    shape, *steps = POOLINGS[name]
    kernel, stride, padding, dilation = map(pair, steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 3, shape, generator=generator).to(dtype)  # many ties
    x[torch.rand(shape, generator=generator) < 0.05] = torch.nan
    x[torch.rand(shape, generator=generator) < 0.3] = -torch.inf
    wanted, places = F.max_pool2d(x, kernel, stride, padding, dilation, return_indices=True)
    y, index = torch.empty_like(wanted), torch.empty_like(places)
    description = Pooling(shape[0], *shape[1:], *wanted.shape[1:], *kernel, *stride, *padding, *dilation, 1, 0)
    call("max_pool", description, x, y, index)
    torch.testing.assert_close(y, wanted, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(index, places)
    dy, dx = torch.randn(wanted.shape, generator=generator, dtype=dtype), torch.full(shape, torch.nan, dtype=dtype)
    call("max_pool_input", description, dy, index, dx)
    reference = torch.zeros(shape[0], shape[1] * shape[2], dtype=dtype).scatter_add(1, places.flatten(1), dy.flatten(1))
    torch.testing.assert_close(dx.flatten(1), reference)


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("divisor", [0, 3])
@pytest.mark.parametrize("name", [name for name in POOLINGS if name != "dilated"])
def test_the_average_of_windows(name, divisor, counts):
    shape, *steps = POOLINGS[name]
    kernel, stride, padding, _ = map(pair, steps)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    wanted = F.avg_pool2d(x, kernel, stride, padding, False, counts, divisor or None)
    y, dy, dx = torch.empty_like(wanted), torch.randn_like(wanted), torch.empty_like(x)
    description = Pooling(shape[0], *shape[1:], *wanted.shape[1:], *kernel, *stride, *padding, 1, 1, counts, divisor)
    call("average_pool", description, x.detach(), y)
    call("average_pool_input", description, dy, dx)
    torch.testing.assert_close(y, wanted.detach())
    torch.testing.assert_close(dx, torch.autograd.grad(wanted, x, dy)[0])


REFERENCES = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sigmoid": special.expit, "erf": special.erf, "sin": np.sin, "cos": np.cos,
}  # fmt: skip
LARGEST_ANGLE = 1e12
POINTS = [0.0, 1.0, 2.0, 3.0, 0.5, np.inf, np.nan, 1e-45, 3e38, 16777215.0, 1e30, 88.7228, 88.73]
POINTS += [-point for point in POINTS]


@functools.cache
def elementary():
    start = '#include "elementary.h"\n#define EXPORT extern "C" __attribute__((visibility("default")))\n'
    loop = "\n#pragma omp simd\nfor (long i = 0; i < n; ++i)"
    lines = [f"EXPORT void v_{name}(long n, const T* x, T* y) {{{loop} y[i] = r_{name}(x[i]); }}" for name in REFERENCES]
    lines.append(f"EXPORT void v_pow(long n, const T* x, const T* e, T* y) {{{loop} y[i] = r_pow(x[i], e[i]); }}")
    return {kind: toolchain.build("\n".join([f"{start}typedef {kind} T;", *lines])) for kind in ("float", "double")}


def apply(name, *arrays):
    result = np.empty_like(arrays[0])
    library = elementary()["float" if result.dtype == np.float32 else "double"]
    getattr(library, f"v_{name}")(ctypes.c_long(result.size), *(ctypes.c_void_p(array.ctypes.data) for array in (*arrays, result)))
    return result


def every_float():
    bits = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = np.linspace(-100, 100, 200_001, dtype=np.float32), np.linspace(-2, 2, 100_001, dtype=np.float32)
    return np.concatenate([bits, *near, np.array(POINTS, np.float32)])


@pytest.mark.parametrize("name", REFERENCES)
def test_an_elementary_function_over_the_whole_range(name):
    x = every_float()
    with np.errstate(all="ignore"):
        wanted = REFERENCES[name](x.astype(np.float64))
        rounded = wanted.astype(np.float32)
        y = apply(name, x)
        apart = np.abs(y - wanted) / np.maximum(np.abs(wanted), 1.2e-38)
    exact = ~np.isfinite(rounded)
    judged = np.abs(x) <= LARGEST_ANGLE if name in ("sin", "cos") else np.ones(len(x), bool)
    np.testing.assert_array_equal(y[exact], rounded[exact])
    assert apart[judged & ~exact & (np.abs(wanted) > 1.2e-38)].max() <= 4e-7
    assert np.abs(y[judged & (np.abs(wanted) <= 1.2e-38)]).max(initial=0) <= 1.3e-38
    if name in ("sin", "cos"):
        assert np.abs(y[np.isfinite(x)]).max() <= 1


@pytest.mark.parametrize("name", REFERENCES)
def test_an_elementary_function_in_float64(name):
    x = np.linspace(0.1, 5, 1000)
    np.testing.assert_allclose(apply(name, x), REFERENCES[name](x), rtol=1e-14)


def check_powers(x, e):
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(np.float64), e.astype(np.float64)).astype(np.float32)
        y = apply("pow", x, e)
        close = np.abs(y - wanted) <= 4e-7 * np.abs(wanted) + 1e-44
    same = (np.isnan(y) & np.isnan(wanted)) | ((y == wanted) & (np.signbit(y) == np.signbit(wanted))) | close
    assert [(a, b, c, d) for a, b, c, d in zip(x[~same], e[~same], y[~same], wanted[~same], strict=True)][:5] == []


def test_powers_follow_the_rules_of_c():
    check_powers(*(grid.ravel().copy() for grid in np.meshgrid(*[np.array(POINTS, np.float32)] * 2)))


def test_powers_of_random_numbers():
    random = np.random.default_rng(0)
    x = np.exp(random.uniform(-80, 80, 100_000)).astype(np.float32)
    check_powers(x, (random.uniform(-1.1, 1.1, len(x)) * 88 / np.abs(np.log(x.astype(np.float64)))).astype(np.float32))
    check_powers(random.standard_normal(50_000).astype(np.float32), random.integers(-5, 6, 50_000).astype(np.float32))


@pytest.mark.parametrize(("m", "n", "k"), [(64, 10, 32), (64, 32, 64), (32, 64, 64), (7, 3, 5), (65, 33, 300), (1, 8, 40)])
def test_products_are_the_same_to_the_bit_without_the_kernels_for_images(m, n, k):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((m, k), (k, n)))
    found = []
    for images in (True, False):
        c = torch.full((m, n), torch.nan)
        call("product", Product(1, m, n, k, 0, k, 1, 0, n, 1, 0, n, 1, 0), a, b, c, images=images)
        found.append(c)
    assert torch.equal(*found)
