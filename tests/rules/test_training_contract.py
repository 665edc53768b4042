"""What a training loop does to an optimizer beside `step`: loss scaling, swapping tensors, compiling the loop, memory."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cases import CASES
from ravine import optim
from streams import give_gradients, parameters, rate, same, train, values

ROWS = [case for case in CASES if case.rule.granularity == "element" and case.rule.is_plain]
every_row = pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
BF16 = torch.bfloat16
OPTIONS = [{}, {"state_dtype": "8bit"}, {"state_dtype": BF16}]


@every_row
def test_scaled_gradients_give_the_step_of_plain_ones(case):
    plain, scaled = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    one, two = case.build(plain), case.build(scaled)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    for step in range(4):
        is_bad = step == 2
        for params, optimizer, grow in ((plain, one, lambda loss: loss), (scaled, two, scaler.scale)):
            optimizer.zero_grad()
            grow(sum((param**2).sum() for param in params)).backward()
        if is_bad:
            scaled[0].grad[0, 0] = torch.inf
        else:
            one.step()
        scaler.unscale_(two)
        scaler.step(two)
        scaler.update(1024.0)
    for a, b in zip(plain, scaled, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
        assert one.state[a]["step"] == two.state[b]["step"] == 3


@pytest.mark.parametrize("options", [{"weights": "stochastic"}, {"weights": "kahan"}, {"weights": "master", "state_dtype": BF16}], ids=str)
def test_a_skipped_step_draws_nothing(options):
    params, others = parameters(dtype=BF16), parameters(dtype=BF16)
    one, two = optim.AdamW(params, **options), optim.AdamW(others, **options)
    train(one, params, 2)
    for step, is_bad in ((0, True), (0, False), (1, False)):
        scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
        scaler.scale(torch.zeros(()))
        give_gradients(others, step)
        if is_bad:
            others[0].grad[0, 0] = torch.inf
        scaler.step(two)
        scaler.update()
    assert same(values(params), values(others))


@every_row
@pytest.mark.parametrize("dtype", [torch.float64, BF16], ids=str)
def test_a_module_that_swaps_its_tensors_trains_on(case, dtype):
    """`torch.__future__` can make `module.to` put new contents into the same parameters: the state stays theirs."""
    model = torch.nn.Linear(3, 2)
    optimizer = case.build(model.parameters())
    train(optimizer, list(model.parameters()), 2)
    optimizer.zero_grad()
    owners = list(model.parameters())
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.to(dtype)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert all(a is b for a, b in zip(owners, model.parameters(), strict=True))
    before = values(owners)
    train(optimizer, owners, 2, start=2)
    assert all(param.dtype == dtype and optimizer.state[param]["step"] == 4 for param in owners)
    assert not same(before, values(owners))


@pytest.mark.compile
@pytest.mark.parametrize("driver", ["foreach", "compiled"])
def test_a_compiled_train_step_equals_the_plain_one_and_is_compiled_once(driver):
    """The graph breaks around `step`, on purpose: step counts would be baked into it otherwise."""
    outcomes = []
    for is_compiled in (False, True):
        torch.manual_seed(0)
        model, inputs = torch.nn.Linear(4, 3), torch.randn(8, 4)
        optimizer = optim.AdamW(model.parameters(), lr=0.01, driver=driver if is_compiled else "foreach")
        seen = []
        optimizer.register_step_post_hook(lambda *_, seen=seen: seen.append(1))
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)

        def train_step(model=model, inputs=inputs, optimizer=optimizer):
            optimizer.zero_grad()
            model(inputs).square().mean().backward()
            optimizer.step()

        run = torch.compile(train_step) if is_compiled else train_step
        for step in range(5):
            with torch._dynamo.config.patch(error_on_recompile=step > 1):
                run()
            scheduler.step()
        assert len(seen) == 5
        outcomes.append(values(model.parameters()))
    for a, b in zip(*outcomes, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.compile
def test_a_tensor_lr_drives_the_compiled_step_without_recompiling():
    numbers, tensors = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    lr = torch.tensor(0.01, dtype=torch.float64)
    one, two = optim.AdamW(numbers, lr=0.01, driver="compiled"), optim.AdamW(tensors, lr=lr, driver="compiled")
    for step in range(4):
        one.param_groups[0]["lr"] = 0.01 * rate(step)
        lr.fill_(0.01 * rate(step))
        for params, optimizer in ((numbers, one), (tensors, two)):
            give_gradients(params, step)
            with torch._dynamo.config.patch(error_on_recompile=step > 0):
                optimizer.step()
    assert same(values(numbers), values(tensors))


@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_needs_little_memory_beside_the_state(driver, options):
    """A dozen temporaries of one bucket, 4 MB each, however large the model: the next state replaces the old piece by piece."""
    params = [torch.nn.Parameter(torch.randn(1024, 1024)) for _ in range(12)]
    optimizer = optim.AdamW(params, driver=driver, **options)
    for param in params:
        param.grad = torch.ones_like(param)
    with Allocations() as seen:
        optimizer.step()
        state = seen.peak = seen.live
        optimizer.step()
    bucket = 4 << 20
    assert bucket <= seen.peak - state <= 12 * bucket


class Allocations(TorchDispatchMode):
    """Counts the bytes of tensors that operations make, while they live."""

    def __init__(self):
        super().__init__()
        self.live, self.peak, self.known = 0, 0, weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage().data_ptr() not in given:
                self.count(leaf)
        return result

    def count(self, tensor):
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(tensor, self.forget, size)

    def forget(self, size):
        self.live -= size
