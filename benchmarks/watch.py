"""What `ravine.watch` adds to a training step at its default frequency: the same loop with and without it, in turns.

Both sides train the same model from the same weights on the same batches in one process, a turn of some looks each, round
after round. Printed are the medians of a step and of the ratio of two neighbouring turns.

    python benchmarks/watch.py                 W3 (an MLP, 784-128-64-10) and W5 (a transformer, 2 layers, width 64)
    python benchmarks/watch.py --quick --by cpu
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from scipy.stats import binom
from torch import nn
from torch.nn import functional

import ravine

TARGET = 1.05
EVERY = 300
"""The default of `ravine.watch`."""
WARM = EVERY
"""Steps before the first turn: looks are denser in the first of these."""


class Block(nn.Module):
    """Pre-norm attention and MLP, written out."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        rows, length, width = x.shape
        parts = self.qkv(self.norms[0](x)).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return x + self.mlp(self.norms[1](x))


class Transformer(nn.Module):
    """W5: 2 layers, width 64, 4 heads, context 32."""

    def __init__(self, letters=64, width=64, context=32):
        super().__init__()
        self.table, self.place = nn.Embedding(letters, width), nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.Sequential(Block(width, 4), Block(width, 4))
        self.head = nn.Linear(width, letters)

    def forward(self, codes):
        return self.head(self.blocks(self.table(codes) + self.place))


def mlp():
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def images(stream):
    return torch.rand(64, 784, generator=stream), torch.randint(10, (64,), generator=stream)


def text(stream):
    codes = torch.randint(64, (16, 33), generator=stream)
    return codes[:, :-1], codes[:, 1:]


CASES = {"W3": (mlp, images, 300), "W5": (Transformer, text, 300)}
"""Model, batch, and steps of a turn: whole multiples of the looks."""


class Side:
    """One loop that goes on where it stopped."""

    def __init__(self, case, is_watched):
        build, draw, self.block = CASES[case]
        torch.manual_seed(0)
        self.model = build()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        stream = torch.Generator().manual_seed(1)
        self.batches = [draw(stream) for _ in range(32)]
        self.step, self.turns = 0, []
        self.watch = ravine.watch(self.model, self.optimizer, every=EVERY) if is_watched else None
        if self.watch is not None:
            self.watch.begin()

    def run(self, steps):
        for _ in range(steps):
            inputs, targets = self.batches[self.step % 32]
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(inputs).flatten(0, -2), targets.flatten())
            loss.backward()
            self.optimizer.step()
            if self.watch is not None:
                self.watch.step(loss)
            self.step += 1

    def turn(self, clock):
        started = clock()
        self.run(self.block)
        self.turns.append((clock() - started) / self.block)


def measure(case, rounds, clock):
    sides = [Side(case, is_watched=False), Side(case, is_watched=True)]
    for side in sides:
        side.run(WARM)
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            side.turn(clock)
    plain, watched = sides
    watched.watch.close()
    same = all(torch.equal(p, q) for p, q in zip(plain.model.parameters(), watched.model.parameters(), strict=True))
    ratios = sorted(w / p for p, w in zip(plain.turns, watched.turns, strict=True))
    ratio, (low, high) = statistics.median(ratios), interval(ratios)
    median = [1e6 * statistics.median(side.turns) for side in sides]
    verdict = f"{'met' if ratio <= TARGET else 'MISSED'} (at most {TARGET})"
    print(f"{case}  plain {median[0]:8.1f} us  watched {median[1]:8.1f} us  ratio {ratio:.3f} [{low:.3f}, {high:.3f}]  {verdict}")
    print(f"    weights after {plain.step} steps: {'the same bits' if same else 'DIFFERENT'}")
    found = {"case": case, "plain_us": median[0], "watched_us": median[1], "ratio": ratio, "ratio_interval": [low, high]}
    return {**found, "same_bits": same, "met": ratio <= TARGET}


def interval(ordered):
    """95 % interval of a median, from the order of the values (binomial, so of any distribution)."""
    below = int(binom.ppf(0.025, len(ordered), 0.5))
    return ordered[max(0, below - 1)], ordered[min(len(ordered) - 1, len(ordered) - below)]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="nine rounds")
    parser.add_argument("--by", choices=["wall", "cpu"], default="wall", help="processor time where other work shares the machine")
    parser.add_argument("--json", type=Path, help="file for the figures, with versions")
    given = parser.parse_args()
    if any(case not in CASES for case in given.cases):
        parser.error(f"cases are {', '.join(CASES)}")
    return given


def main():
    given = parse()
    torch.set_num_threads(1)
    clock = time.perf_counter if given.by == "wall" else time.process_time
    found = [measure(case, 9 if given.quick else given.rounds, clock) for case in given.cases or CASES]
    if given.json is not None:
        facts = {"torch": torch.__version__, "ravine": ravine.__version__, "by": given.by, "load": os.getloadavg()}
        given.json.write_text(json.dumps({**facts, "cases": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
