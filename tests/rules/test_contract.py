"""The contract of `torch.optim.Optimizer`, for every row."""

import pytest
import torch

from cases import CASES
from ravine.base.errors import InputError
from streams import give_gradients, parameters, same, train, values

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
# A rule with a state of the whole model has no parameter that steps alone.
local_case = pytest.mark.parametrize("case", [case for case in CASES if not case.rule.lane_slots], ids=lambda case: case.id)


@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_dtypes_are_kept_and_state_has_at_least_float32(case, dtype):
    params = parameters(dtype=dtype)
    optimizer = case.build(params)
    train(optimizer, params, 3)
    wide = torch.promote_types(dtype, torch.float32)
    for param in params:
        assert param.dtype == dtype
        state = dict(optimizer.state[param])
        step = state.pop("step")
        assert (step.dtype, step.shape, step.device.type, step.item()) == (torch.float32, (), "cpu", 3.0)
        assert {value.dtype for value in state.values()} <= {wide}
        assert set(state) == {slot.key for slot in case.rule.active_slots}


@every_case
@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
@pytest.mark.parametrize("maximize", [False, True])
def test_gradients_are_never_written_nor_kept(case, driver, maximize):
    params = parameters()
    optimizer = case.build(params, driver=driver, maximize=maximize)
    for step in range(3):
        give_gradients(params, step)
        grads = [param.grad for param in params]
        before = [grad.clone() for grad in grads]
        optimizer.step()
        assert all(param.grad is grad for param, grad in zip(params, grads, strict=True))
        assert same(grads, before)
        kept = [{key: value.clone() for key, value in optimizer.state[param].items()} for param in params]
        optimizer.zero_grad(set_to_none=False)
        for param, state in zip(params, kept, strict=True):
            assert same(optimizer.state[param].values(), state.values())


@every_case
def test_no_gradient_means_no_state_no_decay_no_step(case):
    params = parameters()
    params[1].requires_grad_(False)
    optimizer = case.build(params, **decay(case))
    start = values(params)
    give_gradients(params, 0, skip=(0, 1))
    optimizer.step()
    assert same(values(params)[:2], start[:2])
    assert params[0] not in optimizer.state
    assert params[1] not in optimizer.state
    for step in (1, 2):  # ADOPT's first step moves nothing
        give_gradients(params, step, skip=(1,))
        optimizer.step()
    assert [optimizer.state[param]["step"].item() for param in (params[0], params[2])] == [2.0, 3.0]
    assert not torch.equal(params[0], start[0])


@local_case
def test_a_lagging_parameter_takes_its_own_steps(case):
    together, alone = parameters(), parameters()
    both, late = case.build(together), case.build(alone[:1])
    for step in range(6):
        give_gradients(together, step, skip=(0,) if step < 2 else ())
        alone[0].grad = together[0].grad
        both.step()
        late.step()
    assert same(values(together[:1]), values(alone[:1]))


@local_case
def test_groups_are_independent(case):
    together, alone = parameters(), parameters()
    both = case.build(case.groups(together[:2], together[2:]))
    first, second = case.build(alone[:2]), case.build(alone[2:], **case.other)
    for step in range(4):
        give_gradients(together, step)
        give_gradients(alone, step)
        for optimizer in (both, first, second):
            optimizer.step()
    assert same(values(together), values(alone))


@local_case
def test_a_group_added_later_starts_at_its_own_first_step(case):
    together, alone = parameters(), parameters()
    growing, second = case.build(together[:1]), case.build(alone[1:], **case.other)
    train(growing, together[:1], 3)
    growing.add_param_group({"params": iter(together[1:]), **case.other})
    for step in range(3):
        give_gradients(together, step)
        give_gradients(alone, step)
        growing.step()
        second.step()
    assert same(values(together[1:]), values(alone[1:]))


@every_case
def test_maximize_descends_on_the_negated_gradient(case):
    up, down = parameters(), parameters()
    climbing, descending = case.build(up, maximize=True, **decay(case)), case.build(down, **decay(case))
    for step in range(4):
        give_gradients(up, step)
        for a, b in zip(up, down, strict=True):
            b.grad = -a.grad
        climbing.step()
        descending.step()
    assert same(values(up), values(down))


@every_case
@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
def test_a_tensor_lr_equals_the_same_number(case, shape):
    numbers, tensors = parameters(), parameters()
    lr = torch.full(shape, case.full["lr"], dtype=torch.float64)
    plain, tensor = case.build(numbers), case.build(tensors, lr=lr)
    for step in range(6):
        factor = 0.0 if step == 3 else 1.0 + step
        plain.param_groups[0]["lr"] = case.full["lr"] * factor
        lr.fill_(case.full["lr"] * factor)
        for params, optimizer in ((numbers, plain), (tensors, tensor)):
            give_gradients(params, step)
            optimizer.step()
    assert tensor.param_groups[0]["lr"] is lr
    assert same(values(numbers), values(tensors))


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_lr_zero_moves_nothing_and_keeps_counting(case, dtype):
    params = parameters(dtype=dtype)
    optimizer = case.build(params, lr=0.0, **decay(case))
    train(optimizer, params, 3)
    assert same(values(params), values(parameters(dtype=dtype)))
    assert all(optimizer.state[param]["step"] == 3 for param in params)


@every_case
def test_closure_runs_with_gradients_and_hooks_run_in_order(case):
    params = parameters()
    optimizer = case.build(params)
    order = []
    optimizer.register_step_pre_hook(lambda *_: order.append("before"))
    optimizer.register_step_post_hook(lambda *_: order.append("after"))

    def closure():
        order.append("closure")
        optimizer.zero_grad()
        loss = sum((param**2).sum() for param in params)
        loss.backward()
        return loss

    with torch.no_grad():
        first = optimizer.step(closure)
        last = [optimizer.step(closure) for _ in range(5)][-1]
    assert order[:3] == ["before", "closure", "after"]
    assert last < first


@every_case
@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
def test_steps_are_not_recorded_by_autograd(case):
    params = parameters()
    optimizer = case.build(params)
    sum((param**2).sum() for param in params).backward(create_graph=True)
    optimizer.step()
    assert all(param.is_leaf and param.requires_grad for param in params)
    assert not any(value.requires_grad for param in params for value in optimizer.state[param].values())
    for param in params:
        param.grad = None  # a gradient with a graph holds its parameter in a cycle


@every_case
def test_a_sparse_gradient_is_refused_before_anything_moves(case):
    params = parameters(shapes=((3,), (4, 2)))
    optimizer = case.build([{"params": [param]} for param in params])
    give_gradients(params, 0)
    params[1].grad = params[1].grad.to_sparse()
    start = values(params)
    with pytest.raises(InputError, match=r"gradient of parameter 0 of group 1 is torch.sparse_coo: must be dense"):
        optimizer.step()
    assert same(values(params), start)


@every_case
def test_complex_parameters_are_refused(case):
    with pytest.raises(InputError, match=r"parameter 1 of group 0 is torch.complex64: must be real.*view_as_real"):
        case.build([torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2, dtype=torch.complex64))])


@every_case
def test_a_scheduler_of_torch_drives_it(case):
    params = parameters()
    optimizer = case.build(params)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    start = optimizer.param_groups[0]["lr"]
    for step in range(4):
        give_gradients(params, step)
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)
    assert optimizer.param_groups[0]["initial_lr"] == start


@every_case
def test_a_skipped_step_of_the_gradient_scaler_changes_nothing(case):
    params = parameters(dtype=torch.float32)
    optimizer, scaler = case.build(params), torch.amp.GradScaler("cpu", init_scale=8.0)
    start = values(params)
    for bad in (True, False, False):  # ADOPT's first step moves nothing
        optimizer.zero_grad()
        loss = sum((param**2).sum() for param in params)
        scaler.scale(loss).backward()
        if bad:
            params[0].grad[0, 0] = float("inf")
        scaler.step(optimizer)
        scaler.update()
        assert not bad or same(values(params), start)
    assert not same(values(params), start)
    assert all(optimizer.state[param]["step"] == 2 for param in params)


def decay(case):
    """A weight decay as well, where the row's rule has one."""
    return {"weight_decay": 0.3} if any(hyper.group_key == "weight_decay" for hyper in case.rule.hypers) else {}
