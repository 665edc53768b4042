"""Dense models: layers, norms of weights, parameters used in every way."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from conformance.row import Built, Row, looped, numbers

VECTOR = numbers(6)


def mlp(activation: type[nn.Module] = nn.Tanh) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 9), activation(), nn.Linear(9, 9), activation(), nn.Linear(9, 3))


def normed() -> nn.Module:
    def run(m, x):
        x = x + F.gelu(m.first(m.norm(x)))
        return m.head(x + F.silu(m.second(F.rms_norm(x, (6,), m.scale))))

    return Built(
        run,
        first=nn.Linear(6, 6),
        second=nn.Linear(6, 6),
        head=nn.Linear(6, 3),
        norm=nn.LayerNorm(6),
        scale=nn.Parameter(torch.ones(6)),
    )


def around(wrap) -> nn.Module:
    return nn.Sequential(wrap(nn.Linear(6, 8)), nn.Tanh(), wrap(nn.Linear(8, 3)))


class Symmetric(nn.Module):
    """A parametrisation of the user's own."""

    def forward(self, w):
        return w.triu() + w.triu(1).transpose(-1, -2)


def symmetric() -> nn.Module:
    layer = nn.Linear(6, 6)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(6, 3))


def tied() -> nn.Module:
    model = Built(lambda m, x: m.head(torch.tanh(m.second(torch.tanh(m.first(x))))), first=nn.Linear(6, 6), head=nn.Linear(6, 3))
    model.second = nn.Linear(6, 6)
    model.second.weight = model.first.weight
    return model


def unused() -> nn.Module:
    return Built(lambda m, x: m.first(x), first=nn.Linear(6, 3), second=nn.Linear(6, 3))


def frozen() -> nn.Module:
    model = mlp()
    model[0].requires_grad_(False)
    return model


class Buffers(nn.Module):
    """A counter, a mask of bools and a running mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("kept", torch.tensor([True, True, False, True, True, True]))
        self.register_buffer("mean", torch.zeros(6), persistent=False)

    def forward(self, x):
        if self.training:
            self.steps += 1
            self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return self.layer((x - self.mean) * self.kept) * (1 + 1 / (1 + self.steps))


class Attribute(nn.Module):
    """A tensor that is neither parameter nor buffer."""

    def __init__(self, values) -> None:
        super().__init__()
        self.layer, self.values = nn.Linear(6, 3), values

    def forward(self, x):
        return self.layer(x * self.values.to(x.dtype))


class Lists(nn.Module):
    """Parameters in lists and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(6, 6) / 3 for _ in range(2)])
        self.heads = nn.ParameterDict({"weight": torch.randn(6, 3) / 3, "temperature": torch.tensor(1.0)})

    def forward(self, x):
        for weight in self.weights:
            x = torch.sin(x @ weight)
        return x @ self.heads["weight"] * self.heads["temperature"]


def spectrum() -> nn.Module:
    def run(m, x):
        filtered = torch.fft.irfft(torch.fft.rfft(m.first(x)) * torch.view_as_complex(m.filter), n=8)
        return m.head(filtered)

    return Built(run, first=nn.Linear(6, 8), filter=nn.Parameter(torch.randn(5, 2)), head=nn.Linear(8, 3))


def mixture(m, x):
    gates = m.gate(x)
    best = gates.topk(2, dim=-1)
    weights = torch.zeros_like(gates).scatter(-1, best.indices, best.values.softmax(-1))
    outputs = torch.stack([expert(x) for expert in m.experts], dim=-1)
    return (outputs * weights.unsqueeze(-2)).sum(-1)


def routed(m, x):
    chosen = m.gate(x).argmax(-1)
    out = x.new_zeros(len(x), 3)
    for number, expert in enumerate(m.experts):
        rows = (chosen == number).nonzero().squeeze(-1)
        if len(rows):
            out = out.index_add(0, rows, expert(x[rows]))
    return out * m.gate(x).softmax(-1).amax(-1, keepdim=True)


def experts(run) -> nn.Module:
    return Built(run, gate=nn.Linear(6, 3), experts=nn.ModuleList(nn.Linear(6, 3) for _ in range(3)))


def checkpointed() -> nn.Module:
    from torch.utils.checkpoint import checkpoint

    return Built(lambda m, x: m.head(checkpoint(m.first, x, use_reentrant=False)), first=mlp(), head=nn.Linear(3, 3))


TABLE = [
    Row("MLP, tanh", mlp, VECTOR),
    Row("MLP, ReLU", lambda: mlp(nn.ReLU), VECTOR),
    Row("residual MLP with LayerNorm and RMSNorm", normed, VECTOR, is_slow=True),
    Row("weight norm", lambda: around(parametrizations.weight_norm), VECTOR),
    Row("spectral norm", lambda: around(parametrizations.spectral_norm), VECTOR),
    Row(
        "spectral norm, the older one by hooks",
        lambda: around(nn.utils.spectral_norm),
        VECTOR,
        looped("its forward changes Python state (attribute model.0.weight)"),
        traceable=False,
        is_slow=True,
    ),
    Row(
        "orthogonal parametrisation of a square matrix",
        lambda: nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6)), nn.Linear(6, 3)),
        VECTOR,
        {"native": "no native code is known for aten.linalg_matrix_exp"},
        is_slow=True,
    ),
    Row("orthogonal parametrisation", lambda: around(parametrizations.orthogonal), VECTOR),
    Row("parametrisation of one's own", symmetric, VECTOR, is_slow=True),
    Row("tied weights", tied, VECTOR),
    Row("unused parameters", unused, VECTOR),
    Row("frozen parameters", frozen, VECTOR, is_slow=True),
    Row("buffers that count and mask", Buffers, VECTOR),
    Row("a constant tensor as attribute", lambda: Attribute(torch.linspace(0.5, 1.5, 6)), VECTOR),
    Row(
        "a random tensor as attribute",
        lambda: Attribute(torch.randn(6)),
        VECTOR,
        looped("its forward uses a value that differs by seed and is neither parameter nor buffer (register_buffer makes it one)"),
        traceable=False,
    ),
    Row("ParameterList and ParameterDict", Lists, VECTOR, is_slow=True),
    Row("Fourier transform", spectrum, VECTOR, {"native": "no native code is known for aten._fft_r2c"}, is_slow=True),
    Row(
        "mixture of experts, every expert on every row",
        lambda: experts(mixture),
        VECTOR,
        {"native": "no native code is known for aten.topk"},
        is_slow=True,
    ),
    Row(
        "mixture of experts, rows sent to experts",
        lambda: experts(routed),
        VECTOR,
        looped("shapes in its forward depend on values (aten::nonzero)"),
        traceable=False,
    ),
    Row(
        "activation checkpointing",
        checkpointed,
        VECTOR,
        looped("it saves activations through hooks, as checkpointing does, which torch cannot stack")
        | {"native": "other numbers than torch"},
    ),
]
