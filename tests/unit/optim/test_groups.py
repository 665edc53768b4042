import doctest

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.optim import AdamW, freeze, groups, param_groups, unfreeze


def named(model, **settings):
    """Names of the decaying and of the other parameters."""
    names = {param: name for name, param in model.named_parameters()}
    decaying, spared = param_groups(model, 0.1, **settings)
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    return {names[param] for param in decaying["params"]}, {names[param] for param in spared["params"]}


def test_examples():
    result = doctest.testmod(groups)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(4), nn.BatchNorm2d(4), nn.SyncBatchNorm(4), nn.InstanceNorm1d(4, affine=True), nn.GroupNorm(2, 4)]
)
def test_norms_are_spared(norm):
    assert named(norm) == (set(), {"weight", "bias"})


def test_norms_with_matrices_are_spared_by_type():
    assert named(nn.LayerNorm((3, 4))) == (set(), {"weight", "bias"})
    assert named(nn.RMSNorm((3, 4))) == (set(), {"weight"})


def test_embeddings_are_spared():
    assert named(nn.Embedding(5, 3)) == (set(), {"weight"})
    assert named(nn.EmbeddingBag(5, 3)) == (set(), {"weight"})


@pytest.mark.parametrize("layer", [nn.Linear(3, 1), nn.Conv2d(2, 3, 3), nn.ConvTranspose1d(2, 3, 3), nn.Bilinear(2, 3, 4)])
def test_weights_decay_and_biases_do_not(layer):
    assert named(layer) == ({"weight"}, {"bias"})


def test_recurrent_and_attention_layers():
    assert named(nn.LSTM(3, 4))[1] == {"bias_ih_l0", "bias_hh_l0"}
    assert named(nn.MultiheadAttention(4, 2, add_bias_kv=True))[1] == {"in_proj_bias", "out_proj.bias", "bias_k", "bias_v"}
    assert named(nn.PReLU(3)) == (set(), {"weight"})


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.gain = nn.Parameter(torch.ones(3))
        self.bias = nn.Parameter(torch.ones(3, 3))
        self.position = nn.Parameter(torch.ones(1, 3, 3))


def test_parameters_of_a_custom_module_go_by_dimensions_not_by_name():
    assert named(Custom()) == ({"bias", "position"}, {"scale", "gain"})


def test_types_can_be_chosen():
    model = nn.Sequential(nn.Embedding(5, 3), Custom())
    assert named(model, no_decay_types=(Custom,)) == ({"0.weight"}, {"1.scale", "1.gain", "1.bias", "1.position"})


def test_subclasses_of_a_norm_are_norms():
    class MyNorm(nn.LayerNorm):
        pass

    assert named(MyNorm((2, 2)))[0] == set()


@pytest.mark.parametrize("head_first", [False, True])
def test_a_tied_weight_appears_once_and_decays(head_first):
    modules = {"embedding": nn.Embedding(5, 3), "head": nn.Linear(3, 5, bias=False)}
    model = nn.ModuleDict(dict(sorted(modules.items(), reverse=head_first)))
    model["head"].weight = model["embedding"].weight
    decaying, spared = param_groups(model, 0.1)
    assert [param is model["head"].weight for param in decaying["params"]] == [True]
    assert spared["params"] == []


def test_a_module_used_twice_is_counted_once():
    layer = nn.Linear(2, 2)
    decaying, spared = param_groups(nn.Sequential(layer, layer), 0.1)
    assert (len(decaying["params"]), len(spared["params"])) == (1, 1)


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert named(model) == ({"1.weight"}, {"1.bias"})


def test_a_lazy_module_must_have_seen_data():
    with pytest.raises(InputError, match=r"parameter '0.weight' has no shape yet.*Run the model on one batch first"):
        param_groups(nn.Sequential(nn.LazyLinear(3)), 0.1)


@pytest.mark.parametrize("decay", [-0.1, float("nan"), float("inf"), "much"])
def test_an_unusable_decay_is_refused(decay):
    with pytest.raises(InputError, match="weight_decay="):
        param_groups(nn.Linear(2, 2), decay)


def test_an_optimizer_takes_them():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    optimizer = AdamW(param_groups(model, 0.5), lr=0.1)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.0]
    for param in model.parameters():
        param.grad = torch.zeros_like(param)
    before = [param.detach().clone() for param in model.parameters()]
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert moved == [True, False, False, False]


def scales(model, **settings):
    """Scale of every parameter's rate by its name."""
    names = {param: name for name, param in model.named_parameters()}
    groups_ = param_groups(model, 0.1, **settings)
    assert sum(len(group["params"]) for group in groups_) == sum(param.requires_grad for param in model.parameters())
    assert all(group["params"] for group in groups_)
    return {names[param]: group["lr_scale"] for group in groups_ for param in group["params"]}


class Stack(nn.Module):
    def __init__(self, blocks=3):
        super().__init__()
        self.embedding = nn.Embedding(5, 2)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(2, 2, bias=False), nn.LayerNorm(2)) for _ in range(blocks))
        self.norm = nn.LayerNorm(2)
        self.head = nn.Linear(2, 2)


def test_rates_fall_by_depth_towards_the_input():
    found = scales(Stack(), layer_decay=0.5)
    assert found["embedding.weight"] == 0.5**4
    assert [found[f"blocks.{i}.0.weight"] for i in range(3)] == [0.5**3, 0.5**2, 0.5]
    assert [found[f"blocks.{i}.1.bias"] for i in range(3)] == [0.5**3, 0.5**2, 0.5]
    assert {found[name] for name in ("norm.weight", "head.weight", "head.bias")} == {1.0}


def test_decay_masks_hold_within_every_depth():
    by_scale = {}
    for group in param_groups(Stack(1), 0.1, layer_decay=0.5):
        by_scale.setdefault(group["lr_scale"], []).append((group["weight_decay"], len(group["params"])))
    assert by_scale == {0.25: [(0.0, 1)], 0.5: [(0.1, 1), (0.0, 2)], 1.0: [(0.1, 1), (0.0, 3)]}


def test_stages_of_several_containers_are_counted_through():
    model = nn.ModuleDict({"stem": nn.Linear(2, 2), "one": nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))})
    model["between"], model["two"] = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))
    found = scales(model, layer_decay=0.5)
    names = ("stem.weight", "one.0.weight", "one.2.weight", "between.weight", "two.0.weight")
    assert [found[name] for name in names] == [0.125, 0.25, 0.5, 0.5, 1.0]


def test_a_model_without_containers_has_one_depth():
    assert set(scales(nn.Linear(2, 2), layer_decay=0.5).values()) == {1.0}


def test_layers_can_be_named():
    found = scales(Stack(), layer_decay=0.1, layers=["embedding", "blocks", "norm", "head"])
    assert found["embedding.weight"] == pytest.approx(1e-3)
    assert found["blocks.0.0.weight"] == found["blocks.2.0.weight"] == pytest.approx(1e-2)
    assert found["head.weight"] == 1.0


def test_a_head_has_its_own_scale_whatever_its_depth():
    model = Stack()
    found = scales(model, head="head", head_lr_scale=10.0)
    assert found["head.weight"] == found["head.bias"] == 10.0
    assert {scale for name, scale in found.items() if not name.startswith("head")} == {1.0}
    both = scales(model, head=model.head, head_lr_scale=3.0, layer_decay=0.5, layers=["embedding", "blocks", "norm"])
    assert (both["head.weight"], both["norm.weight"], both["embedding.weight"]) == (3.0, 1.0, 0.25)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_decay": 0.0}, "layer_decay=0.0: must be above 0"),
        ({"layers": ["head"]}, r"layers=\['head'\] without layer_decay has no effect"),
        ({"head": "head"}, "head='head' without head_lr_scale has no effect"),
        ({"head_lr_scale": 2.0}, "head_lr_scale=2.0 without head has no effect"),
        ({"head": "heat", "head_lr_scale": 2.0}, "no module of the model is called 'heat'; did you mean 'head'"),
        ({"head": nn.Linear(1, 1), "head_lr_scale": 2.0}, "head is a Linear that the model does not hold"),
        ({"head": "head", "head_lr_scale": -1}, "head_lr_scale=-1: must be at least 0"),
        ({"layer_decay": 0.5, "layers": ["blocks", "norm"]}, "parameter 'embedding.weight' lies in none of layers"),
    ],
)
def test_unusable_rates_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        param_groups(Stack(), 0.1, **settings)


def test_a_frozen_part_keeps_its_state_and_goes_on():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = AdamW(model.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    step()
    freeze(model[0])
    held = [p.detach().clone() for p in model[0].parameters()]
    step()
    assert all(torch.equal(a, b) for a, b in zip(held, model[0].parameters(), strict=True))
    assert [int(optimizer.state[p]["step"]) for p in model.parameters()] == [1, 1, 2, 2]
    unfreeze(model[0])
    step()
    assert [int(optimizer.state[p]["step"]) for p in model.parameters()] == [2, 2, 3, 3]
    assert not torch.equal(held[0], model[0].weight)


def test_freezing_takes_gradients_away_that_an_optimizer_would_follow():
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    freeze(model)
    assert [p.grad for p in model.parameters()] == [None, None]


def test_indices_are_not_thawed():
    model = nn.Linear(2, 1)
    model.index = nn.Parameter(torch.zeros(1, dtype=torch.long), requires_grad=False)
    unfreeze(model)
    assert [p.requires_grad for p in model.parameters()] == [True, True, False]
