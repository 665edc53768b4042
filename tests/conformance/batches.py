"""Batches and losses of every form."""

import torch
from torch import nn
from torch.nn import functional as F

from conformance.dense import mlp
from conformance.row import Built, Row, classes, generator, looped, numbers

VECTOR = numbers(6)


def pair(rows: int, dtype: torch.dtype):
    x = torch.randn(rows, 6, generator=generator(rows), dtype=torch.float64)
    return x[:, :3].to(dtype), x[:, 3:].to(dtype), classes(x)


def dictionary(rows: int, dtype: torch.dtype):
    left, right, target = pair(rows, dtype)
    return {"inputs": {"left": left, "right": right}, "target": target}


def nested(rows: int, dtype: torch.dtype):
    left, right, target = pair(rows, dtype)
    return (left, {"right": right}), target


def towers(m, left, right):
    return m.head(torch.tanh(m.left(left)) * torch.tanh(m.right(right)))


def two_towers(run=towers) -> nn.Module:
    return Built(run, left=nn.Linear(3, 5), right=nn.Linear(3, 5), head=nn.Linear(5, 3))


def by_name(model, batch):
    return F.cross_entropy(model(**batch["inputs"]), batch.pop("target"))


def named() -> nn.Module:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = two_towers()

        def forward(self, left, right):
            return self.inner(left, right)

    return Named()


def auxiliary(model, batch):
    x, target = batch
    main, extra = model(x)
    smooth = sum(p.square().sum() for p in model.parameters())
    return F.cross_entropy(main, target) + 0.3 * F.cross_entropy(extra, target) + 1e-3 * smooth


def two_heads() -> nn.Module:
    def run(m, x):
        h = torch.tanh(m.first(x))
        return m.head(torch.tanh(m.second(h))), m.extra(h)

    return Built(run, first=nn.Linear(6, 8), second=nn.Linear(8, 8), head=nn.Linear(8, 3), extra=nn.Linear(8, 3))


def twice(model, batch):
    x, target = batch
    with torch.no_grad():
        soft = model(x + 0.05).softmax(-1)
    return F.cross_entropy(model(x), target) + F.cross_entropy(model(x - 0.05), soft)


def mixed_up(model, batch):
    x, target = batch
    share = torch.rand(len(x), 1, dtype=x.dtype)
    other = torch.randperm(len(x))
    losses = [F.cross_entropy(model(share * x + (1 - share) * x[other]), goal, reduction="none") for goal in (target, target[other])]
    return (share[:, 0] * losses[0] + (1 - share[:, 0]) * losses[1]).mean()


def penalised(model, batch):
    x, target = batch
    point = x.detach().requires_grad_()
    out = model(point)
    (slope,) = torch.autograd.grad(out.sum(), point, create_graph=True)
    return F.cross_entropy(out, target) + 0.1 * slope.square().mean()


def by_func(model, batch):
    x, target = batch
    slope = torch.func.grad(lambda point: model(point).sum())(x)
    return F.cross_entropy(model(x), target) + 0.1 * slope.square().mean()


def smoothed(output, target):
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=output.dtype)
    return F.cross_entropy(output, target, weight=weight, label_smoothing=0.1)


def ctc(rows: int, dtype: torch.dtype):
    x = torch.randn(rows, 6, 4, generator=generator(rows), dtype=torch.float64)
    return x.to(dtype), torch.randint(1, 4, (rows, 2), generator=generator(rows))


def ctc_loss(output, target):
    size = torch.full((output.shape[1],), 6), torch.full((output.shape[1],), 2)
    return F.ctc_loss(output.log_softmax(-1), target, *size)


def transducer() -> nn.Module:
    return Built(lambda m, x: m.layer(x).transpose(0, 1), layer=nn.Linear(4, 4))


TABLE = [
    Row("two inputs", two_towers, pair),
    Row("batches as dictionaries, by step=", named, dictionary, step=by_name),
    Row("nested batches", lambda: two_towers(lambda m, x: towers(m, x[0], x[1]["right"])), nested, is_slow=True),
    Row("auxiliary losses, by step=", two_heads, VECTOR, step=auxiliary),
    Row("the model called three times, by step=", mlp, VECTOR, step=twice, is_slow=True),
    Row("mixup, by step=", mlp, VECTOR, step=mixed_up, is_slow=True),
    Row(
        "gradient penalty by autograd.grad",
        mlp,
        VECTOR,
        looped("its step differentiates by torch.autograd.grad (torch.func.grad can be stacked)"),
        step=penalised,
        is_slow=True,
    ),
    Row("gradient penalty by torch.func.grad", mlp, VECTOR, step=by_func),
    Row("label smoothing and class weights", mlp, VECTOR, loss=smoothed, is_slow=True),
    Row(
        "CTC loss",
        transducer,
        ctc,
        why_not=looped("torch has no batching rule for aten::_ctc_loss"),
        traceable=False,
        loss=ctc_loss,
        is_slow=True,
    ),
]
