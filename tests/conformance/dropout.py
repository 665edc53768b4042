"""Models that draw random numbers."""

import torch
from torch import nn
from torch.nn import functional as F

from conformance.row import Built, Row, looped, numbers

VECTOR, IMAGE = numbers(6), numbers(2, 5, 5)


def dense(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), layer, nn.Linear(8, 3))


def planes(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3), layer, nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))


def channels(layer: nn.Module) -> nn.Module:
    return Built(
        lambda m, x: m.head(m.layer(m.first(x.flatten(2))).flatten(1)), first=nn.Conv1d(2, 4, 1), layer=layer, head=nn.Linear(100, 3)
    )


def volumes(layer: nn.Module) -> nn.Module:
    return Built(
        lambda m, x: m.head(m.layer(m.first(x.unsqueeze(2))).flatten(1)),
        first=nn.Conv3d(2, 4, (1, 3, 3)),
        layer=layer,
        head=nn.Linear(36, 3),
    )


def functional(m, x):
    return m.head(F.dropout(torch.relu(m.first(F.dropout(x, 0.2, m.training))), 0.5, m.training))


def always(m, x):
    return m.head(F.dropout(torch.relu(m.first(x)), 0.3))


def path(m, x):
    keep = torch.rand(len(x), 1, dtype=x.dtype) < 0.7 if m.training else torch.ones(len(x), 1, dtype=torch.bool)
    return m.head(x + torch.tanh(m.first(x)) * keep)


def noise(m, x):
    return m.head(m.first(x + 0.1 * torch.randn_like(x)) * torch.empty_like(x).bernoulli_(0.9))


def two(run, width: int = 8) -> nn.Module:
    return Built(run, first=nn.Linear(6, width), head=nn.Linear(width, 3))


TABLE = [
    Row("Dropout", lambda: dense(nn.Dropout(0.4)), VECTOR),
    Row("Dropout in place", lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4, inplace=True), nn.Linear(8, 3)), VECTOR, is_slow=True),
    Row("Dropout1d", lambda: channels(nn.Dropout1d(0.4)), IMAGE, is_slow=True),
    Row("Dropout2d", lambda: planes(nn.Dropout2d(0.4)), IMAGE),
    Row("Dropout3d", lambda: volumes(nn.Dropout3d(0.4)), IMAGE, {"native": "it convolves in 3 dimensions"}, is_slow=True),
    Row("AlphaDropout", lambda: dense(nn.AlphaDropout(0.4)), VECTOR),
    Row("FeatureAlphaDropout", lambda: planes(nn.FeatureAlphaDropout(0.4)), IMAGE, is_slow=True),
    Row("dropout by functions", lambda: two(functional), VECTOR),
    Row("dropout in evaluation too", lambda: two(always), VECTOR, is_slow=True),
    Row("stochastic depth by rows", lambda: two(path, 6), VECTOR),
    Row("noise on inputs and activations", lambda: two(noise, 6), VECTOR, is_slow=True),
    Row(
        "RReLU",
        lambda: dense(nn.RReLU()),
        VECTOR,
        looped("torch has no batching rule for aten::rrelu_with_noise") | {"native": "it draws random numbers by aten.rrelu"},
        is_slow=True,
    ),
]
