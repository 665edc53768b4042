"""Native functions are compared with torch before anyone uses them, and what was found out is remembered."""

import pytest
import torch
from torch import nn

from ravine.fleet.native import Functions, GradientFunction, Unsupported, compiler
from ravine.fleet.native.functions import element_type, kernel_table, kernels_build

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler was found")
BATCH = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        nn.init.constant_(self.layer.weight, 0.3)
        nn.init.constant_(self.layer.bias, 0.1)

    def forward(self, batch):
        return self.layer(batch).square().mean()


def test_a_function_that_gives_other_numbers_is_refused():
    """Weights of another model stand for a wrong function."""
    function = GradientFunction(Net(), BATCH)
    function.check(Net(), BATCH, seed=0)
    function.enter, right = lambda n, inputs, outputs, place: right(n, inputs, outputs, place) or spoil(outputs), function.enter
    with pytest.raises(Unsupported, match="other numbers than torch"):
        function.check(Net(), BATCH, seed=0)


def spoil(outputs):
    torch.frombuffer((__import__("ctypes").c_float * 1).from_address(outputs[0]), dtype=torch.float32).mul_(1.01)


def test_a_reason_is_found_once_and_given_each_time():
    class Sorts(Net):
        def forward(self, batch):
            return self.layer(batch).sort()[0].mean()

    functions = Functions(Sorts)
    with pytest.raises(Unsupported, match=r"aten\.sort") as first:
        functions.gradient(BATCH)
    with pytest.raises(Unsupported) as second:
        functions.gradient(BATCH)
    assert first.value is second.value


def test_a_function_is_made_once_for_each_shape_of_batch():
    functions = Functions(Net)
    assert functions.gradient(BATCH) is functions.gradient(BATCH + 1)
    assert functions.gradient(BATCH[:2]) is not functions.gradient(BATCH)


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(1, 2, 3)

    def forward(self, batch):
        return self.layer(batch[:, None]).square().mean()


def test_kernels_for_images_are_built_only_for_models_that_call_them():
    wanted = [Functions(model).trace(BATCH, [])[0] for model in (Net, Pictures)]
    assert wanted == [kernels_build(torch.float32, images=images) for images in (False, True)]
    assert wanted[0].source != wanted[1].source
    few = kernel_table(torch.float32, images=False).contents
    assert few.product
    assert not few.convolution
    assert not few.max_pool


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ([], "no trainable parameters"),
        ([torch.ones(1), torch.ones(1).double()], "float32 and float64"),
        ([torch.ones(1).half()], "its parameters are float16"),
        ([torch.ones(1, device="meta")], "not on the CPU"),
    ],
)
def test_parameters_have_one_dtype_and_lie_on_the_cpu(parameters, reason):
    with pytest.raises(Unsupported, match=reason):
        element_type(parameters)
