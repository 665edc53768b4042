import copy

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError, UnknownNameError


def leaf(*shape, dtype=torch.float32):
    return torch.nn.Parameter(torch.ones(*shape, dtype=dtype))


@pytest.fixture
def adam():
    return optim.Adam([{"params": [leaf(2), leaf(3)]}, {"params": [leaf(4)], "lr": 0.5}], lr=0.1)


def test_an_unknown_keyword_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no setting of AdamW is called 'weight_decy'; did you mean 'weight_decay'"):
        optim.AdamW([leaf(2)], weight_decy=0.1)


def test_a_subclass_with_its_own_keywords_is_not_checked():
    class Mine(optim.SGD):
        def __init__(self, params, **settings):
            super().__init__(params, lr=settings["rate"])

    assert Mine([leaf(2)], rate=0.5).defaults["lr"] == 0.5


def test_bad_settings_name_the_class_and_the_group():
    with pytest.raises(InputError, match=r"lr=-0.1 for AdamW: must be at least 0"):
        optim.AdamW([leaf(2)], lr=-0.1)
    with pytest.raises(InputError, match="eps=-1 for AdamW, group 1: must be at least 0"):
        optim.AdamW([{"params": [leaf(2)]}, {"params": [leaf(2)], "eps": -1}])


def test_a_refused_group_leaves_the_optimizer_as_it_was(adam):
    with pytest.raises(InputError):
        adam.add_param_group({"params": [leaf(2)], "betas": (2.0, 0.9)})
    assert len(adam.param_groups) == 2


def test_groups_are_copied_so_that_optimizers_can_share_them():
    groups = [{"params": [leaf(2)]}, {"params": [leaf(3)], "weight_decay": 0.0}]
    optim.SGD(groups, lr=0.5)
    assert optim.AdamW(groups, lr=0.1).param_groups[0]["lr"] == 0.1
    assert groups[0].keys() == {"params"}


def test_generators_of_parameters_are_read_once():
    linear = torch.nn.Linear(2, 2)
    assert len(optim.SGD(linear.parameters(), lr=0.1).param_groups[0]["params"]) == 2
    assert len(optim.SGD([{"params": linear.parameters()}], lr=0.1).param_groups[0]["params"]) == 2


def test_names_of_parameters_appear_in_errors_and_checkpoints():
    linear = torch.nn.Linear(2, 2)
    optimizer = optim.SGD(linear.named_parameters(), lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    linear.bias.grad = torch.ones(2).to_sparse()
    with pytest.raises(InputError, match=r"the gradient of parameter 'bias' of group 0 is torch.sparse_coo"):
        optimizer.step()
    with pytest.raises(InputError, match=r"parameter 'table' of group 0 is torch.int64: must be real and floating. Convert it"):
        optim.SGD([("table", torch.zeros(2, dtype=torch.int64))])


def test_a_parameter_given_twice_is_refused():
    param = leaf(2)
    with pytest.raises(InputError, match="parameter 1 of group 0 is listed twice"):
        optim.SGD([param, param])


@pytest.mark.parametrize("params", [[], leaf(2), [1.0], [{"params": {leaf(2)}}], [leaf(2) * 2], [{"lr": 0.1}]])
def test_what_torch_refuses_stays_refused(params):
    with pytest.raises((ValueError, TypeError, KeyError)):
        optim.SGD(params, lr=0.1)


def test_a_group_may_be_one_tensor_or_empty():
    optimizer = optim.SGD([{"params": leaf(2)}, {"params": []}], lr=0.1)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 0]
    optimizer.step()


def test_a_group_that_is_no_dictionary_is_refused(adam):
    with pytest.raises(TypeError, match="param_group must be a dict"):
        adam.add_param_group([leaf(2)])


def test_momentum_may_be_scheduled_through_zero():
    ours, theirs = leaf(2, dtype=torch.float64), leaf(2, dtype=torch.float64)
    pair = [(ours, optim.SGD([ours], lr=0.1, momentum=0.0, dampening=0.5)), (theirs, torch.optim.SGD([theirs], lr=0.1, dampening=0.5))]
    for step, momentum in enumerate([0.0, 0.9, 0.9, 0.0, 0.5, 0.5]):
        for param, optimizer in pair:
            optimizer.param_groups[0]["momentum"] = momentum
            param.grad = torch.full((2,), 1.0 + step, dtype=torch.float64)
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=0)


def test_loading_wants_the_same_groups(adam):
    with pytest.raises(InputError, match=r"the state dict has groups of \[3\] parameters and this Adam has \[2, 1\]"):
        adam.load_state_dict(optim.Adam([leaf(2), leaf(3), leaf(4)]).state_dict())


def test_loading_another_kind_is_refused(adam):
    sgd = torch.optim.SGD([{"params": [leaf(2), leaf(3)]}, {"params": [leaf(4)]}], lr=0.1)
    with pytest.raises(InputError, match="Adam, group 0 of the state dict has no 'betas': another kind of optimizer saved it"):
        adam.load_state_dict(sgd.state_dict())
    adamw = torch.optim.AdamW([{"params": [leaf(2), leaf(3)]}, {"params": [leaf(4)]}])
    with pytest.raises(InputError, match="Adam, group 0 of the state dict has decoupled_weight_decay=True: another kind"):
        adam.load_state_dict(adamw.state_dict())


def test_loading_another_model_names_the_parameter(adam):
    other = optim.Adam([{"params": [leaf(2), leaf(5)]}, {"params": [leaf(4)]}])
    for param in other.param_groups[0]["params"]:
        param.grad = torch.ones_like(param)
    other.step()
    before = copy.deepcopy(adam.state_dict())
    with pytest.raises(
        InputError, match=r"exp_avg of parameter 1 of group 0 in the state dict is \(5,\): must be a tensor of shape \(3,\)"
    ):
        adam.load_state_dict(other.state_dict())
    assert adam.state_dict() == before


def test_loading_refuses_values_outside_their_interval(adam):
    bad = adam.state_dict()
    bad["param_groups"][1]["lr"] = -1.0
    with pytest.raises(InputError, match=r"lr=-1.0 for Adam, group 1 of the state dict"):
        adam.load_state_dict(bad)


def test_loading_keeps_the_driver_it_was_built_with(adam):
    saved = adam.state_dict()
    fresh = optim.Adam([{"params": [leaf(2), leaf(3)]}, {"params": [leaf(4)]}], driver="per_tensor")
    fresh.load_state_dict(saved)
    assert [group["driver"] for group in fresh.param_groups] == ["per_tensor", "per_tensor"]
    assert [group["lr"] for group in fresh.param_groups] == [0.1, 0.5]


def test_hooks_around_state_dicts_run(adam):
    seen = []
    adam.register_state_dict_pre_hook(lambda optimizer: seen.append("saving"))
    adam.register_state_dict_post_hook(lambda optimizer, state: {**state, "extra": 1})
    adam.register_load_state_dict_pre_hook(lambda optimizer, state: {key: state[key] for key in ("state", "param_groups")})
    adam.register_load_state_dict_post_hook(lambda optimizer: seen.append("loaded"))
    saved = adam.state_dict()
    assert saved["extra"] == 1
    adam.load_state_dict(saved)
    assert seen == ["saving", "loaded"]


def test_loading_keeps_state_that_belongs_to_no_parameter(adam):
    saved = adam.state_dict()
    saved["state"]["global"] = {"seen": 3}
    adam.load_state_dict(saved)
    assert adam.state["global"] == {"seen": 3}


def test_a_nonfinite_gradient_stays_in_its_parameter():
    good, bad = leaf(2), leaf(2)
    good.grad, bad.grad = torch.ones(2), torch.full((2,), torch.nan)
    optim.Adam([good, bad], lr=0.5).step()
    assert good.isfinite().all()
    assert bad.isnan().all()


def test_gradients_of_another_dtype_are_read_as_they_are():
    param = leaf(2)
    param.grad_dtype = None
    param.grad = torch.ones(2, dtype=torch.bfloat16)
    optim.SGD([param], lr=0.5).step()
    assert param.tolist() == [0.5, 0.5]


def test_a_misspelt_setting_of_a_group_is_refused_and_one_of_a_state_dict_is_not(adam):
    with pytest.raises(UnknownNameError, match="no setting of Adam, group 0 is called 'weight_decy'; did you mean 'weight_decay'"):
        optim.Adam([{"params": [leaf(2)], "weight_decy": 0.1}])
    saved = adam.state_dict()
    saved["param_groups"][0]["weight_decy"] = 0.1
    adam.load_state_dict(saved)
    assert adam.param_groups[0]["weight_decy"] == 0.1
