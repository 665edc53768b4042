"""Train a small language model of your own on a text file, character by character, and let it write.

python examples/train_text.py [STEPS] [FILE]

Without a file it reads the source of Python's own argparse. `ravine train chars --text FILE` is the same with a GPT.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import ravine

CONTEXT, WIDTH = 32, 64


class Reader(nn.Module):
    """A recurrent network: from every character, and what it remembers of those before, to the next one."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, WIDTH)
        self.memory = nn.GRU(WIDTH, 2 * WIDTH, batch_first=True)
        self.out = nn.Linear(2 * WIDTH, symbols)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.memory(self.table(tokens))[0])


def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of -ln of the probability of the character that follows."""
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def rows(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces of the text, and the same pieces one character later."""
    length = (len(numbers) - 1) // CONTEXT * CONTEXT
    return numbers[:length].view(-1, CONTEXT), numbers[1 : length + 1].view(-1, CONTEXT)


def make_task(text: str) -> tuple[ravine.Task, str]:
    """The task, and the characters by their numbers; the last tenth of the text is for validation."""
    symbols = "".join(sorted(set(text)))
    numbers = torch.tensor([symbols.index(character) for character in text])
    end = len(numbers) * 9 // 10
    task = ravine.Task(
        name="text",
        model=lambda: Reader(len(symbols)),
        train=rows(numbers[:end]),
        validation=rows(numbers[end:]),
        loss=loss,
        metrics={"accuracy": ravine.metrics.accuracy},
        batch_size=32,
    )
    return task, symbols


@torch.no_grad()
def write(model: nn.Module, symbols: str, prompt: str, length: int, temperature: float = 0.7) -> str:
    """The prompt, continued: each character is drawn by its probability, likely ones a little more often."""
    generator = torch.Generator().manual_seed(0)
    text = prompt
    for _ in range(length):
        seen = torch.tensor([[symbols.index(character) for character in text[-CONTEXT:]]])
        shares = (model(seen)[0, -1] / temperature).softmax(-1)
        text += symbols[torch.multinomial(shares, 1, generator=generator).item()]
    return text


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    source = Path(sys.argv[2] if len(sys.argv) > 2 else argparse.__file__)
    task, symbols = make_task(source.read_text(encoding="utf-8"))
    trained = ravine.train(task, steps=steps, lr=3e-3, check=False)
    for values in trained.history.evaluations[::4]:
        print(f"step {values['step']:4d}   validation loss {values['loss']:.4f}   accuracy {values['accuracy']:.4f}")
    print(write(trained.model, symbols, prompt="    def ", length=300))
