"""Faults of the loss, and of what it is given."""

import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, healthy, network


def softmax_before_cross_entropy(*, is_broken):
    return healthy(lambda: nn.Sequential(*network(), *[nn.Softmax(dim=1)] * is_broken))


def softmax_over_rows(*, is_broken):
    """Attention weights over the batch in place of over the features."""

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.net = nn.Linear(6, 6), network()

        def forward(self, x):
            return self.net(6 * x * self.gate(x).softmax(dim=0 if is_broken else 1))

    return healthy(Gated)


def yes_or_no(rows, seed):
    inputs, labels = blobs(rows, seed=seed)
    return inputs, (labels % 2)[:, None].float()


def sigmoid_before_logits(*, is_broken):
    """A sigmoid at the end of a model whose loss has one of its own."""
    loss = functional.binary_cross_entropy_with_logits
    data = {"train": yes_or_no(256, 0), "validation": yes_or_no(64, 1), "metrics": {}}
    return healthy(lambda: nn.Sequential(*network(1), *[nn.Sigmoid()] * is_broken), loss, **data)


def nll_of_scores(*, is_broken):
    return healthy(lambda: nn.Sequential(*network(), *[nn.LogSoftmax(dim=1)] * (not is_broken)), functional.nll_loss)


def sum_over_rows(*, is_broken):
    def loss(output, target):
        return functional.cross_entropy(output, target, reduction="sum" if is_broken else "mean")

    return healthy(loss=loss)


def offset_labels(*, is_broken):
    """Classes numbered from 1, and an output too many that makes it run."""
    train, validation = [(x, y + is_broken) for x, y in (blobs(), blobs(64, seed=1))]
    return healthy(lambda: network(4 + is_broken), train=train, validation=validation)


def labels_out_of_range(*, is_broken):
    train, validation = [(x, y + is_broken) for x, y in (blobs(), blobs(64, seed=1))]
    return healthy(train=train, validation=validation)


PAD, LONGEST = 0, 8


def counting(rows, seed):
    """Sequences that count upwards modulo 9 from anywhere, of 3 to 8 tokens, filled up with PAD, and the next tokens."""
    stream = torch.Generator().manual_seed(seed)
    starts, lengths = torch.randint(0, 9, (rows, 1), generator=stream), torch.randint(3, LONGEST + 1, (rows, 1), generator=stream)
    places = torch.arange(LONGEST + 1)
    tokens = 1 + (starts + places) % 9
    tokens = torch.where(places <= lengths, tokens, PAD)
    return tokens[:, :-1], tokens[:, 1:]


class Reader(nn.Module):
    """The next token of a sequence."""

    def __init__(self):
        super().__init__()
        self.table, self.cell, self.head = nn.Embedding(10, 16), nn.GRU(16, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, tokens):
        return self.head(self.cell(self.table(tokens))[0])


def loss_over_padding(*, is_broken):
    def loss(output, target):
        return functional.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=-100 if is_broken else PAD)

    return healthy(Reader, loss, counting(256, 0), counting(64, 1), metrics={})


def log_of_zero(*, is_broken):
    """Counts, some of which are 0, on a logarithmic scale."""
    data = [(torch.poisson(3 * x.exp(), torch.Generator().manual_seed(2)), y) for x, y in (blobs(), blobs(64, seed=1))]

    class Logarithm(nn.Module):
        def forward(self, counts):
            return counts.log() if is_broken else counts.log1p()

    return healthy(lambda: nn.Sequential(Logarithm(), *network()), train=data[0], validation=data[1])


def zero_over_zero(*, is_broken):
    """Rows as directions, one of them without a length."""
    inputs, labels = blobs()
    inputs[::8] = 0.0

    class Direction(nn.Module):
        def forward(self, x):
            return x / (x.norm(dim=1, keepdim=True) + (0.0 if is_broken else 1e-6))

    return healthy(lambda: nn.Sequential(Direction(), *network()), train=(inputs, labels))


def root_of_zero(*, is_broken):
    """Distances between pairs of representations, among them of a row with itself: the slope of the root at 0."""
    inputs, _ = blobs()
    pairs = torch.stack([inputs, inputs.roll(1, 0)], 1)
    pairs[::16, 1] = pairs[::16, 0]
    target = (pairs[:, 0] - pairs[:, 1]).norm(dim=1)
    data = (pairs[:192], target[:192]), (pairs[192:], target[192:])

    class Distance(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(6, 6)

        def forward(self, pair):
            apart = self.net(pair[:, 0]) - self.net(pair[:, 1])
            return (apart.square().sum(1) + (0.0 if is_broken else 1e-8)).sqrt()

    return ravine.Task("pairs", Distance, *data, functional.mse_loss, batch_size=32)


def opposed_metric(*, is_broken):
    """Binary labels that the metric has the other way round than the loss."""

    def hits(output, target):
        return ((output > 0).float() == (1 - target if is_broken else target)).float().mean()

    data = [(x, (y % 2).float()[:, None]) for x, y in (blobs(512), blobs(256, seed=1))]
    loss = functional.binary_cross_entropy_with_logits
    return healthy(lambda: network(1), loss, *data, metrics={"hits": hits})
