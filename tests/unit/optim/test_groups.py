import doctest

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.optim import AdamW, groups, param_groups


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
