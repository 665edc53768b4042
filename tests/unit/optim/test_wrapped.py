import copy
import doctest
import io
import pickle

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError, UnknownNameError
from ravine.optim import Wrapped, wrapped
from ravine.rules import WRAPPERS
from streams import give_gradients, parameters, same, train, values

ONE_GRADIENT = [name for name in WRAPPERS if "sam" not in name]


def closure_of(optimizer, params, calls=None):
    def closure():
        optimizer.zero_grad()
        loss = sum((param**2).sum() for param in params)
        loss.backward()
        if calls is not None:
            calls.append(values(params))
        return loss

    return closure


def test_examples():
    result = doctest.testmod(wrapped)
    assert result.attempted > 0
    assert result.failed == 0


def test_create_makes_one_with_the_presets_of_its_first_part():
    optimizer = optim.create("nesterov+clip+lookahead", parameters(), lr=0.1, clip_norm=0.5, lookahead_k=6)
    assert type(optimizer) is Wrapped
    group = optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["clip_norm"], group["lookahead_k"]) == (0.9, True, 0.5, 6)
    assert optim.create("adamw+clip", parameters(), beta2=0.9).defaults["betas"] == (0.9, 0.9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: Wrapped(p, "adamw+lookahed"), UnknownNameError, "did you mean 'lookahead'"),
        (lambda p: Wrapped(p, "adamw+lookahead", lookahead_j=2), UnknownNameError, "did you mean 'lookahead_k'"),
        (lambda p: Wrapped(p, "adamw+lookahead", lookahead_k=0), InputError, "lookahead_k=0 for Wrapped.*at least 1"),
        (lambda p: Wrapped(p, "adamw"), InputError, "'adamw' names no wrapper"),
        (lambda p: Wrapped(p, "sophia_g+clip"), InputError, "needs curvature, which only the class of 'sophia_g' itself takes"),
        (lambda p: Wrapped(p, "sgd+sam").step(), InputError, "step.. of 'sgd.sam' without a closure: it takes two gradients"),
        (lambda p: Wrapped(p, "sgd+clip").averaged().__enter__(), InputError, "it keeps no average. Add '.ema'"),
    ],
)
def test_misuse_is_refused_with_what_to_do(make, error, message):
    with pytest.raises(error, match=message):
        make(parameters())


@pytest.mark.parametrize("name", ONE_GRADIENT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("duplicate", ["deepcopy", "pickle", "state dict"])
def test_a_copy_continues_with_the_same_bits(name, dtype, duplicate):
    params = parameters(dtype=dtype)
    optimizer = optim.create(f"adamw+{name}", [{"params": params[:2]}, {"params": params[2:], "lr": 0.1}], lr=0.02)
    train(optimizer, params, 7, skip_at=(2,))
    if duplicate == "state dict":
        twins = parameters(dtype=dtype, seed=1)
        twin = optim.create(f"adamw+{name}", [{"params": twins[:2]}, {"params": twins[2:]}])
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        file.seek(0)
        twin.load_state_dict(torch.load(file, weights_only=True))
        for a, b in zip(params, twins, strict=True):
            b.data.copy_(a.data)
    else:
        twin, twins = (copy.deepcopy if duplicate == "deepcopy" else lambda pair: pickle.loads(pickle.dumps(pair)))((optimizer, params))
    train(optimizer, params, 7, start=7)
    train(twin, twins, 7, start=7)
    assert same(values(params), values(twins))
    assert twin.rule is optimizer.rule


@pytest.mark.parametrize("name", ONE_GRADIENT)
def test_gradients_are_never_written(name):
    params = parameters()
    optimizer = optim.create(f"momentum+{name}", params, lr=0.1)
    for step in range(3):
        give_gradients(params, step)
        before = [param.grad.clone() for param in params]
        optimizer.step()
        assert same([param.grad for param in params], before)


@pytest.mark.parametrize("name", ONE_GRADIENT)
def test_what_has_no_gradient_stays(name):
    params, start = parameters(), parameters()
    optimizer = optim.create(f"adamw+{name}", params, lr=0.1)
    give_gradients(params, 0, skip=(0,))
    optimizer.step()
    assert same(values(params[:1]), values(start[:1]))
    assert params[0] not in optimizer.state


def test_a_checkpoint_of_another_name_is_refused():
    saved = optim.create("adamw+clip", parameters()).state_dict()
    with pytest.raises(InputError, match=r"of 'adamw.clip' and this optimizer is 'adamw.ema'"):
        optim.create("adamw+ema", parameters()).load_state_dict(saved)
    with pytest.raises(InputError, match=r"the state dict is of 'adamw' and this optimizer is 'adamw.ema'"):
        optim.create("adamw+ema", parameters()).load_state_dict(optim.create("adamw", parameters()).state_dict())


@pytest.mark.parametrize("name", ["clip", "clip_history"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_skipped_step_was_never_taken_and_says_so_once(name, bad):
    params, others = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    skipping, never = optim.create(f"adamw+{name}", params), optim.create(f"adamw+{name}", others)
    for optimizer, own in ((skipping, params), (never, others)):
        train(optimizer, own, 3)
    for times in range(2):
        give_gradients(params, 9)
        params[0].grad[0, 0] = bad
        if times:
            skipping.step()
        else:
            with pytest.warns(RuntimeWarning, match="infinite or NaN, and the step was skipped"):
                skipping.step()
    assert same(values(params), values(others))
    assert skipping.skipped_steps == 2
    for a, b in zip(params, others, strict=True):
        assert same(skipping.state[a].values(), never.state[b].values())
    for optimizer, own in ((skipping, params), (never, others)):
        train(optimizer, own, 3, start=3)
    assert same(values(params), values(others))
    assert optim.create(f"adamw+{name}", parameters()).skipped_steps == 0


def test_a_first_step_may_be_skipped():
    params = parameters(dtype=torch.float32)
    optimizer = optim.create("adamw+clip", params)
    give_gradients(params, 0)
    params[2].grad.fill_(float("nan"))
    with pytest.warns(RuntimeWarning, match="skipped"):
        optimizer.step()
    train(optimizer, params, 1)
    others = parameters(dtype=torch.float32)
    train(optim.create("adamw+clip", others), others, 1)
    assert same(values(params), values(others))


@pytest.mark.parametrize("name", ["sam", "asam"])
def test_two_gradients_leave_the_weights_between_them_alone(name):
    params, calls = parameters(), []
    optimizer = optim.create(f"sgd+{name}", params, lr=0.0)
    loss = optimizer.step(closure_of(optimizer, params, calls))
    assert loss.item() == pytest.approx(sum((param**2).sum().item() for param in params))
    assert len(calls) == 2
    assert not same(calls[0], calls[1])
    assert same(values(params), calls[0])


def test_a_closure_that_fails_uphill_leaves_the_weights_as_they_were():
    params, calls = parameters(), []
    optimizer = optim.create("sgd+sam", params, lr=0.1)
    first = closure_of(optimizer, params, calls)

    def closure():
        if calls:
            raise RuntimeError("out of memory")
        return first()

    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step(closure)
    assert same(values(params), calls[0])


def test_maximize_looks_uphill_of_what_is_minimised():
    up, down = parameters(), parameters()
    climbing, descending = optim.create("sgd+sam", up, lr=0.01, maximize=True), optim.create("sgd+sam", down, lr=0.01)
    for params, optimizer, sign in ((up, climbing, 1.0), (down, descending, -1.0)):

        def closure(params=params, optimizer=optimizer, sign=sign):
            optimizer.zero_grad()
            loss = sign * sum((param**3).sum() for param in params)
            loss.backward()
            return loss

        optimizer.step(closure)
    assert same(values(up), values(down))


def test_the_average_is_for_evaluating_only():
    params = parameters()
    optimizer = optim.create("adamw+ema", params, lr=0.1, ema_decay=0.5)
    with optimizer.averaged():
        assert same(values(params), values(parameters()))
    train(optimizer, params, 3)
    trained, seen = values(params), []

    def evaluate():
        with optimizer.averaged():
            seen.extend(values(params))
            raise KeyError

    with pytest.raises(KeyError):
        evaluate()
    assert same(seen, [optimizer.state[param]["ema"] for param in params])
    assert same(values(params), trained)


def test_state_can_be_kept_narrow():
    params = parameters(shapes=((64, 80),), dtype=torch.float32)
    optimizer = optim.create("adamw+clip+ema", params, lr=0.01, state_dtype="8bit")
    train(optimizer, params, 3)
    assert {str(value.dtype) for value in optimizer.state[params[0]].values()} >= {"torch.int8", "torch.uint8"}
    with optimizer.averaged():
        assert params[0].isfinite().all()


@pytest.mark.compile
def test_compiled_equals_the_loop():
    loop, fused = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    for params, driver in ((loop, "per_tensor"), (fused, "compiled")):
        train(optim.create("adamw+cautious+clip", params, driver=driver, lr=0.02, clip_norm=0.5), params, 3)
    for a, b in zip(values(loop), values(fused), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
