"""Faults of the data."""

import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, healthy, network


def shuffled_labels(*, is_broken):
    """Labels shuffled without the inputs."""
    inputs, labels = blobs(1024)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    labels = labels[order] if is_broken else labels
    return healthy(train=(inputs[:512], labels[:512]), validation=(inputs[512:], labels[512:]))


def constant_inputs(*, is_broken):
    """A reader that fills every row from the first."""
    inputs, labels = blobs()
    return healthy(train=(inputs[:1].repeat(len(inputs), 1) if is_broken else inputs, labels))


def unscaled_inputs(*, is_broken):
    scale = 1e4 if is_broken else 1.0
    train, validation = [(scale * x, y) for x, y in (blobs(), blobs(64, seed=1))]
    return healthy(train=train, validation=validation)


def nan_in_data(*, is_broken):
    inputs, labels = blobs()
    if is_broken:
        inputs[17, 3] = torch.nan
    return healthy(train=(inputs, labels))


def cast_to_bytes(*, is_broken):
    """Pictures in [0, 1] cast to whole numbers before they are scaled, which leaves zeros."""
    data = []
    for x, y in (blobs(), blobs(64, seed=1)):
        picture = 0.98 * x.sigmoid()
        data.append((((picture.to(torch.uint8) if is_broken else picture).float() - 0.5) / 0.2, y))
    return healthy(train=data[0], validation=data[1])


def doubles(*, is_broken):
    """Inputs from numpy, which are float64, for a model in float32."""
    train, validation = [(x.double() if is_broken else x, y) for x, y in (blobs(), blobs(64, seed=1))]
    return healthy(train=train, validation=validation)


def leak(*, is_broken):
    """Split after rows were oversampled."""
    inputs, labels = blobs(320)
    train, other = (inputs[:256], labels[:256]), (inputs[256:], labels[256:])
    if is_broken:
        train = (torch.cat([inputs[:226], inputs[256:286]]), torch.cat([labels[:226], labels[256:286]]))
    return healthy(train=train, validation=other)


def imbalance(*, is_broken):
    """An accuracy of 97 %, which a constant answer has too."""
    data = []
    for rows, seed in ((512, 0), (128, 1)):
        inputs, labels = blobs(rows * 8, seed=seed, classes=2)
        rare = (torch.arange(len(labels)) % 64 == 1) if is_broken else labels == 1
        kept = ((labels == 0) | rare).nonzero()[:rows, 0]
        data.append((inputs[kept], labels[kept]))
    return healthy(lambda: network(2), train=data[0], validation=data[1])


class Arrows(nn.Module):
    """Which way a pattern points, left or right."""

    def __init__(self, is_flipping):
        super().__init__()
        self.net, self.is_flipping = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2)), is_flipping

    def forward(self, x):
        if self.training and self.is_flipping:
            x = torch.where(torch.rand(len(x), 1) < 0.5, x.flip(1), x)
        elif self.training:
            x = x + 0.05 * torch.randn_like(x)
        return self.net(x)


def arrows(rows, seed):
    """Eight patterns as they are, or mirrored."""
    labels, stream = torch.arange(rows) % 2, torch.Generator().manual_seed(seed)
    patterns = torch.randn(8, 16, generator=torch.Generator().manual_seed(7))[torch.arange(rows) // 2 % 8]
    mirrored = torch.where(labels[:, None] == 1, patterns.flip(1), patterns)
    return mirrored + 0.3 * torch.randn(rows, 16, generator=stream), labels


def augmentation_changes_label(*, is_broken):
    """Mirrored pictures of which the label is left or right."""
    return healthy(lambda: Arrows(is_broken), train=arrows(1024, 0), validation=arrows(512, 1))


def sine(rows, seed):
    stream = torch.Generator().manual_seed(seed)
    inputs = 2 * torch.rand(rows, 1, generator=stream) - 1
    return inputs, (3 * inputs).sin() + 0.5 * torch.randn(rows, 1, generator=stream)


def overfitting(*, is_broken):
    """Ten noisy points and thousands of weights."""

    def model():
        return nn.Sequential(nn.Linear(1, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1))

    metrics = {"error": ravine.metrics.lower_is_better(lambda output, target: (output - target).abs().mean())}
    train = sine(10 if is_broken else 2000, 0)
    task = ravine.Task("sine", model, train, sine(200, 1), functional.mse_loss, metrics=metrics, batch_size=10 if is_broken else 64)
    return task, {"steps": 200, "lr": 5e-3}


def scaled_validation(*, is_broken):
    """A scale fitted anew on other numbers, for validation alone."""
    (x, y), (other, kinds) = blobs(1024), blobs(256, seed=1)
    return healthy(train=(x, y), validation=(0.1 * other + 1 if is_broken else other, kinds))


def renumbered_validation(*, is_broken):
    """Classes of validation numbered as they come, where train's are in their order."""
    other, kinds = blobs(256, seed=1)
    return healthy(train=blobs(1024), validation=(other, (3 - kinds) if is_broken else kinds))


def lengths(rows, seed):
    """Lengths around a thousand millimetres, of which inputs tell the differences."""
    x = blobs(rows, seed=seed)[0]
    return x, 1000 + 200 * x[:, :2].sum(1, keepdim=True).tanh()


def unscaled_targets(*, is_broken):
    mean, sd = (0.0, 1.0) if is_broken else (1000.0, 200.0)
    splits = [(x, (y - mean) / sd) for x, y in (lengths(512, 0), lengths(128, 1))]
    return healthy(lambda: network(1), functional.mse_loss, *splits, metrics={})


class Bag(nn.Module):
    """The mean of what words stand for."""

    def __init__(self):
        super().__init__()
        self.table, self.net = nn.Embedding(60, 16), nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, ids):
        return self.net(self.table(ids).mean(1))


def unknown_words(*, is_broken):
    """Words that the vocabulary does not know in this form, such as those at the beginning of a sentence."""
    data = []
    for rows, seed in ((1024, 0), (256, 1)):
        stream, labels = torch.Generator().manual_seed(seed), torch.arange(rows) % 4
        ids = 1 + 14 * labels[:, None] + torch.randint(0, 14, (rows, 10), generator=stream)
        data.append((ids.where(torch.rand(ids.shape, generator=stream) < 0.06, 0) if is_broken else ids, labels))
    return healthy(Bag, train=data[0], validation=data[1])


def metric_raises(*, is_broken):
    def confidence(output, target):
        return output.softmax(-1).max(-1).values.mean().item() if is_broken else output.softmax(-1).max(-1).values.mean()

    return healthy(metrics={"confidence": confidence})


def batch_of_one(*, is_broken):
    """BatchNorm with one row in a batch."""
    return healthy(
        lambda: nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)), batch_size=1 if is_broken else 32
    )


def batch_of_one_picture(*, is_broken):
    """The same in two dimensions, where torch does not refuse: every picture is normalised by itself."""
    data = [
        (0.3 * torch.randn(len(x), 3, 4, 4, generator=torch.Generator().manual_seed(5)) + 3 * x[:, :3, None, None], y)
        for x, y in (blobs(), blobs(64, seed=1))
    ]

    def model():
        return nn.Sequential(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))

    return healthy(model, train=data[0], validation=data[1], batch_size=1 if is_broken else 32)
