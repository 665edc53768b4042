"""The loop that `ravine.train("digits")` runs, written out in plain PyTorch: AdamW, warm-up, cosine, clipping, evaluation.

python examples/plain_loop.py [STEPS]

A test holds the trainer to it: the same losses and the same weights, bit for bit.
"""

import math
import sys

import torch
from torch.nn import functional as F

import ravine
from ravine.tasks import load

BATCH_SIZE = 64
LR, BETAS, WEIGHT_DECAY, CLIP = 1e-3, (0.9, 0.999), 0.1, 1.0
# What ravine.train derives from seed=0; other integers train as well.
INIT_SEED = 2342844366952752284
ORDER_SEED = 281215685135170880


def batches(x, y):
    """Batches without end: the rows in a new order every epoch, the incomplete last batch dropped."""
    generator = torch.Generator().manual_seed(ORDER_SEED)
    while True:
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - BATCH_SIZE + 1, BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            yield x[rows], y[rows]


@torch.no_grad()
def evaluate(model, x, y):
    """Mean loss and accuracy over a split, in evaluation mode."""
    model.eval()
    output = model(x)
    model.train()
    return F.cross_entropy(output, y).item(), (output.argmax(-1) == y).float().mean().item()


def train(steps):
    """The model, the training loss of every step, and loss and accuracy on validation."""
    task = load("digits")
    torch.manual_seed(INIT_SEED)
    model = task.model().train()
    # Long runs step by code of their own, which takes seconds to build, once, and rounds differently.
    optimizer = ravine.optim.AdamW(ravine.optim.param_groups(model, WEIGHT_DECAY), lr=LR, betas=BETAS, fused=steps >= 2000)
    warmup = round(0.03 * steps)

    def multiplier(step):
        return (step + 1) / warmup if step < warmup else (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier)
    losses = []
    for _, (x, y) in zip(range(steps), batches(*task.data.train), strict=False):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return model, losses, evaluate(model, *task.data.validation)


if __name__ == "__main__":
    _, losses, (loss, accuracy) = train(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    print(f"training loss {losses[-1]:.4f}, validation loss {loss:.4f}, accuracy {accuracy:.4f}")
