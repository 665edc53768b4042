"""A Lightning fit that is watched by a callback.

python examples/watch_lightning.py [EPOCHS]        needs `pip install lightning`
"""

import sys
import warnings

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ravine.integrations.lightning import Watch


class Digits(lightning.LightningModule):
    """Handwritten digits, at a rate a ten thousandth of the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        return F.cross_entropy(self.layers(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-5)


if __name__ == "__main__":
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    warnings.filterwarnings("ignore", module="lightning")
    lightning.seed_everything(0, verbose=False)
    x, y = load_digits(return_X_y=True)
    rows = TensorDataset(torch.tensor(x / 16.0, dtype=torch.float32), torch.tensor(y))
    watch = Watch()
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, callbacks=[watch]
    )
    trainer.fit(Digits(), DataLoader(rows, batch_size=64, shuffle=True))
    for finding in watch.findings:
        print(finding)
