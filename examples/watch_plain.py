"""A training loop that is watched: what is wrong with it is told while it runs, and kept in a record.

python examples/watch_plain.py [STEPS]
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import ravine

if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16.0, dtype=torch.float32), torch.tensor(y)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    # The head was put in after the optimizer was made, which nothing in PyTorch minds.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model[2] = nn.Linear(64, 10)

    with ravine.watch(model, optimizer, callback=lambda finding: print(f"now    {finding.title}")) as watch:
        for _ in range(steps):
            rows = torch.randint(len(x), (64,))
            model.zero_grad()
            loss = F.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            watch.step(loss)

    for finding in watch.findings:
        print(f"\n{finding}")
