"""The four models that lanes are held to, as small tasks: an MLP, a CNN with BatchNorm and dropout, a transformer block, a GRU."""

import functools

import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Evaluations, Fleet, Lane
from ravine.rules import resolve
from ravine.schedules import create as create_schedule
from ravine.tasks import Task

STEPS, BATCH, ROWS = 20, 4, 22
RACE_SEED = 7


class MLP(nn.Module):
    """Two tanh layers, and a temperature, which is a parameter without dimensions."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 3))
        self.temperature = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.layers(x) * self.temperature


class CNN(nn.Module):
    """Convolution, BatchNorm with running statistics, dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(36, 3),
        )

    def forward(self, x):
        return self.layers(x)


class Block(nn.Module):
    """One pre-norm transformer block with its attention written out, mean-pooled."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.out = nn.Linear(8, 24, bias=False), nn.Linear(8, 8)
        self.up, self.down, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x):
        query, key, value = (part.unflatten(-1, (2, 4)).transpose(-2, -3) for part in self.qkv(self.first(x)).chunk(3, dim=-1))
        weights = (query @ key.transpose(-1, -2) / 2.0).softmax(-1)
        x = x + self.out((weights @ value).transpose(-2, -3).flatten(-2))
        x = x + self.down(F.gelu(self.up(self.second(x))))
        return self.head(x.mean(-2))


class Recurrent(nn.Module):
    """A GRU read out at its last step."""

    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cells(x)[0][:, -1])


MODELS = {
    "linear": (lambda: nn.Linear(6, 3), (6,)),
    "mlp": (MLP, (6,)),
    "cnn": (CNN, (1, 6, 6)),
    "transformer": (Block, (5, 8)),
    "gru": (Recurrent, (5, 4)),
}


HELD = ("mlp", "cnn", "transformer", "gru")
"""The models that every engine must hold; "linear" is for tests of something else."""


def accuracy(output, target):
    return (output.argmax(-1) == target).float().mean()


@functools.cache
def task(name, dtype=torch.float64, batch_size=BATCH):
    """The task of one model: 22 rows in batches of 4, so that epochs end with a remainder."""
    build, shape = MODELS[name]
    generator = torch.Generator().manual_seed(3)

    def split(rows):
        x = torch.randn(rows, *shape, generator=generator, dtype=torch.float64)
        return x.to(dtype), (x.flatten(1).sum(1) > 0).long() + (x.flatten(1)[:, 0] > 1).long()

    return Task(
        name,
        lambda: build().to(dtype),
        split(ROWS),
        split(10),
        F.cross_entropy,
        batch_size=batch_size,
        metrics={"accuracy": accuracy},
    )


def lanes(*entries, schedule="cosine"):
    """Lanes numbered in order from (optimizer, settings) or (optimizer, settings, seed)."""
    shape, result = create_schedule(schedule), []
    for number, (optimizer, settings, *seed) in enumerate(entries):
        rule, hypers = resolve(optimizer, settings)
        result.append(Lane(number, rule, hypers, shape, seed[0] if seed else 0))
    return result


class Run:
    """Lanes carried out, and everything they left behind.

    Attributes:
        events: in order.
        tiles: tile of each lane number, with its position.
        losses: lane number -> training losses.
        values: lane number -> (step, metric) -> value on the validation split.
    """

    def __init__(self, fleet, members, choice, steps=STEPS, at=(0, 7, STEPS)):
        self.tiles, self.losses, self.values, self.events = {}, {}, {}, []
        built, original = [], fleet._tile

        def remember(*arguments):
            built.append(original(*arguments))
            return built[-1]

        fleet._tile = remember
        try:
            evaluations = Evaluations({"validation": frozenset(at)}, {"validation": fleet.task.data.validation})
            for event in fleet.run(members, steps, evaluations, choice):
                self._take(event)
        finally:
            fleet._tile = original
        for tile in built:
            for position, lane in enumerate(tile.lanes):
                self.tiles[lane.number] = (tile, position)

    def _take(self, event):
        self.events.append(event)
        kind = type(event).__name__
        if kind == "LossBlock":
            for number, column in zip(event.lanes, event.losses.T, strict=True):
                self.losses.setdefault(number, []).extend(column.tolist())
        elif kind == "Evaluated":
            for metric, column in event.values.items():
                for number, value in zip(event.lanes, column, strict=True):
                    self.values.setdefault(number, {})[event.step, metric] = float(value)

    def parameters(self, number):
        """Final parameters of a lane by name."""
        tile, position = self.tiles[number]
        return tile.parameters(position)

    def everything(self, number):
        """Parameters, buffers and slots of a lane, flat, in one fixed order."""
        tile, position = self.tiles[number]
        return [*self.parameters(number).values(), *buffers(tile, position), *slots(tile, position)]


def buffers(tile, position):
    """Buffers of one lane, in the order of the module."""
    if hasattr(tile, "state"):
        return [stack[position] for stack in tile.state.buffers.values()]
    return [buffer.clone() for buffer in tile._module.buffers()]


def slots(tile, position):
    """Slots of one lane: symbol by symbol, each as one flat vector."""
    if not hasattr(tile, "state"):
        return [torch.cat([block.slots[slot.symbol].reshape(-1) for block in tile._blocks]) for slot in tile.lanes[0].rule.active_slots]
    for group, held in zip(tile.groups, tile.state.slots, strict=True):
        if group.start <= position < group.stop:
            return [
                torch.cat([stack[position - group.start].reshape(-1) for stack in held[s.symbol].values()]) for s in group.rule.active_slots
            ]
    raise AssertionError("every position lies in a group")


def gap(left, right):
    """Largest difference of two lists of tensors, relative to the largest number in each."""
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if b.is_floating_point() and b.numel()]
    return max((float((a - b).abs().max()) / max(float(b.abs().max()), 1e-3) for a, b in pairs), default=0.0)


STACKED, LOOP, COMPILED = (Choice(mode, tile, "by hand") for mode, tile in (("stacked", 64), ("loop", 1), ("compiled", 64)))
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
MIXED = (
    ("sgd", {"lr": 0.1}),
    ("adam", {"lr": 1e-2}),
    ("momentum", {"lr": 0.03}),
    ("adam", {"lr": 3e-2, "beta1": 0.5}),
    ("rmsprop", {"lr": 1e-3, "centered": True}),
)


def fleet(name, dtype=torch.float64, **options):
    """A fleet of one of the models."""
    return Fleet(task(name, dtype, **options), race_seed=RACE_SEED)


shared_fleet = functools.cache(fleet)
"""One a model: probing it takes longer than the few steps of a test."""
