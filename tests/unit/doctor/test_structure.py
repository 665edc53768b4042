"""What training would not reach, or would reach twice."""

import torch
from torch import nn

from ravine.doctor import structure


class Listed(nn.Module):
    def __init__(self, holder=list):
        super().__init__()
        self.layers = holder([nn.Linear(2, 2)])
        self.scale = torch.ones(1, requires_grad=holder is list)


def test_layers_in_a_plain_list_are_not_registered():
    places = structure.unregistered(Listed())
    assert places == ["layers (Linear.weight)", "layers (Linear.bias)", "scale"]
    assert structure.unregistered(Listed(nn.ModuleList)) == []


def test_one_layer_at_two_places_and_a_tied_table():
    layer = nn.Linear(2, 2)
    assert structure.repeated(nn.Sequential(layer, nn.ReLU(), layer)) == [("0.weight", "2.weight"), ("0.bias", "2.bias")]
    tied = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 5, bias=False))
    tied[1].weight = tied[0].weight
    assert structure.repeated(tied) == []
    assert structure.repeated(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []


def test_frozen_weights_that_seeds_draw_anew_are_told_from_those_that_were_given():
    def build(seed):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
        model[0].requires_grad_(False)
        nn.init.constant_(model[1].weight, 0.5).requires_grad_(False)
        return model

    with torch.random.fork_rng(devices=[]):
        assert structure.frozen_at_random(build) == (["0.weight", "0.bias"], ["1.weight"])


def test_dropout_that_leaves_next_to_nothing():
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.95), nn.Sequential(nn.AlphaDropout(0.8)))
    assert structure.strong_dropout(model) == {"1": 0.95}


def test_few_of_many_names():
    assert structure.few("abcde") == "a, b, c and 2 more"
    assert structure.few("ab") == "a, b"
