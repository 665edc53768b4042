"""Write docs/models.md from the conformance table, which the tests carry out."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conformance import MODES, TABLE

PAGE = Path(__file__).with_name("models.md")

INTRODUCTION = """# What models there are, and how lanes of each are trained

Any `torch.nn.Module` can be raced. The *loop* trains lane after lane and holds whatever PyTorch holds. *Stacked*, all lanes of a tile
are one set of tensors with one more dimension; it needs a model that `torch.func.vmap` can follow. *Native* code is generated from the
trace of one lane's step, built by the system's C++ compiler when it is first needed, and is the fastest wherever it can be had; it
needs a step that is a fixed sequence of operations of which each has native code. Before a race the model is run in these ways, and
losses, gradients and buffers are compared. What differs, or cannot be had, runs in another way, and the reason is printed and kept in
the record: the results are the same.

Some of torch's operations have no rule for `vmap`. In a stack, ravine writes these out in others that do, with the same random draws:
`scaled_dot_product_attention`, GRU, LSTM and RNN layers and cells, packed sequences, `weight_norm`, `spectral_norm`, `orthogonal`,
`EmbeddingBag` on padded bags, and dropout on transposed tensors.

What helps a model into a stack: values that a forward changes in buffers instead of Python attributes, written in place; `torch.where`
instead of an `if` on values; `torch.func.grad` instead of `torch.autograd.grad`; `setup_context` in an `autograd.Function`;
`torch.nn.utils.parametrizations` instead of the older norms by hooks.

Every row is carried out by the tests: twenty steps of SGD and AdamW over two seeds, in float64 and float32, by a plain torch loop, by
the loop and in every other mode. Losses, evaluations and final parameters agree to 1e-10 in float64 and 1e-5 in float32 (1e-8 and 1e-4
through the thirty BatchNorms of a MobileNet, which amplify rounding; 3 % where a
model computes in bfloat16, whose digits end there).

This page is written by `make models-page` from the table of the tests, and a test compares the two.
"""


def page() -> str:
    """The whole page."""
    sections = []
    for group, rows in TABLE.items():
        head = f"## {group}\n\n| model | {' | '.join(MODES)} | why not |\n|---|{'---|' * (len(MODES) + 1)}\n"
        sections.append(head + "".join(line(row) for row in rows))
    return "\n".join([INTRODUCTION, *sections])


def holds(row: object, mode: str) -> bool:
    """Whether a mode trains a model; native code follows what is a fixed sequence of operations."""
    return mode not in row.why_not and (mode != "native" or row.traceable)


def line(row: object) -> str:
    """One row of the table."""
    held = " | ".join("yes" if holds(row, mode) else "no" for mode in MODES)
    return f"| {row.name} | {held} | {'; '.join(dict.fromkeys(row.why_not.values()))} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
