"""Convolutional models and their norms."""

import torch
from torch import nn
from torch.nn import functional as F

from conformance.row import Built, Row, looped, numbers

IMAGE, SIGNAL, VOLUME = numbers(2, 6, 6), numbers(2, 12), numbers(1, 4, 4, 4)


def chain(*layers: nn.Module, features: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 3))


def batch_norm(**settings) -> nn.Module:
    return chain(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4, **settings), nn.ReLU(), nn.MaxPool2d(2), features=36)


def residual() -> nn.Module:
    def run(m, x):
        h = F.relu(m.bn1(m.conv1(x)))
        h = m.bn2(m.conv2(h))
        return m.head(F.relu(h + m.skip(x)).mean((2, 3)))

    return Built(
        run,
        conv1=nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
        bn1=nn.BatchNorm2d(4),
        conv2=nn.Conv2d(4, 4, 3, padding=1, bias=False),
        bn2=nn.BatchNorm2d(4),
        skip=nn.Sequential(nn.Conv2d(2, 4, 1, stride=2, bias=False), nn.BatchNorm2d(4)),
        head=nn.Linear(4, 3),
    )


def squeeze() -> nn.Module:
    def run(m, x):
        h = F.hardswish(m.conv(x))
        gate = F.hardsigmoid(m.up(F.relu(m.down(F.adaptive_avg_pool2d(h, 1)))))
        return m.head((h * gate).mean((2, 3)))

    return Built(run, conv=nn.Conv2d(2, 4, 3), down=nn.Conv2d(4, 2, 1), up=nn.Conv2d(2, 4, 1), head=nn.Linear(4, 3))


def unet() -> nn.Module:
    def run(m, x):
        low = F.relu(m.down(x))
        high = F.relu(m.up(low))
        wide = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        return m.head(torch.cat([high, wide], 1).mean((2, 3)))

    return Built(run, down=nn.Conv2d(2, 4, 2, stride=2), up=nn.ConvTranspose2d(4, 4, 2, stride=2), head=nn.Linear(8, 3))


TABLE = [
    Row("CNN with BatchNorm", batch_norm, IMAGE),
    Row(
        "BatchNorm with a cumulative mean",
        lambda: batch_norm(momentum=None),
        IMAGE,
        looped("its forward reads a value out of a tensor (.item() or an if on data)"),
        traceable=False,
        is_slow=True,
    ),
    Row("BatchNorm without running statistics", lambda: batch_norm(track_running_stats=False), IMAGE, is_slow=True),
    Row(
        "BatchNorm1d between dense layers",
        lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        numbers(6),
        is_slow=True,
    ),
    Row("ResNet block", residual, IMAGE),
    Row(
        "depthwise CNN",
        lambda: chain(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.AvgPool2d(2), features=16),
        IMAGE,
    ),
    Row("GroupNorm", lambda: chain(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), features=64), IMAGE),
    Row("InstanceNorm", lambda: chain(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.ReLU(), features=64), IMAGE, is_slow=True),
    Row(
        "LocalResponseNorm",
        lambda: chain(nn.Conv2d(2, 4, 3), nn.LocalResponseNorm(2), nn.ReLU(), features=64),
        IMAGE,
        {"native": "no native code is known for aten.avg_pool3d"},
        is_slow=True,
    ),
    Row("squeeze and excitation", squeeze, IMAGE, rate=0.05, is_slow=True),
    Row("transposed convolution and bilinear upsampling", unet, IMAGE, is_slow=True),
    Row(
        "circular and reflected padding, dilation",
        lambda: chain(
            nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
            nn.ELU(),
            nn.Conv2d(3, 3, 3, padding=2, dilation=2, padding_mode="reflect"),
            features=108,
        ),
        IMAGE,
        is_slow=True,
    ),
    Row("1-D convolution", lambda: chain(nn.Conv1d(2, 4, 3, stride=2), nn.LeakyReLU(), nn.MaxPool1d(2), features=8), SIGNAL, is_slow=True),
    Row(
        "3-D convolution",
        lambda: chain(nn.Conv3d(1, 3, 2), nn.Softplus(), nn.AvgPool3d(3), features=3),
        VOLUME,
        {"native": "it convolves in 3 dimensions"},
        is_slow=True,
    ),
]
