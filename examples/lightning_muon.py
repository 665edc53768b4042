"""Our AdamW, then our Muon, inside Lightning: `configure_optimizers` returns them as it would torch's.

python examples/lightning_muon.py [EPOCHS]        needs `pip install lightning`
"""

import sys
import warnings

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ravine import optim, schedules


class Digits(lightning.LightningModule):
    """Handwritten digits by a network of two hidden layers."""

    def __init__(self, optimizer: str) -> None:
        super().__init__()
        self.name = optimizer
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.losses: list[float] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        loss = F.cross_entropy(self.layers(batch[0]), batch[1])
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        if self.name == "muon":
            optimizer = optim.Muon(optim.muon_groups(self), lr=0.01)
        else:
            optimizer = optim.AdamW(optim.param_groups(self, weight_decay=0.01), lr=0.003)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = optim.LRScheduler(optimizer, schedules.Cosine(horizon=steps))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def loader() -> DataLoader:
    x, y = load_digits(return_X_y=True)
    rows = TensorDataset(torch.tensor(x / 16.0, dtype=torch.float32), torch.tensor(y))
    return DataLoader(rows, batch_size=64, shuffle=True, generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("adamw", "muon"):
        lightning.seed_everything(0, verbose=False)
        model = Digits(name)
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", gradient_clip_val=1.0, logger=False, enable_checkpointing=False, enable_progress_bar=False
        )
        trainer.fit(model, loader())
        print(f"{name}: loss {model.losses[0]:.3f} at the first step, {sum(model.losses[-10:]) / 10:.3f} over the last ten")
