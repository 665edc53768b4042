"""Hugging Face's Trainer, watched by a callback, on a tiny GPT-2 built from its config (no weights are fetched).

python examples/watch_transformers.py [STEPS]      needs `pip install transformers accelerate`
"""

import sys
import tempfile

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from ravine.integrations.transformers import Watch

TEXT = "the winner takes the hill, the loser takes the hint; "


class Windows(Dataset):
    """Windows of 32 characters; a causal model's labels are its inputs."""

    def __init__(self) -> None:
        letters = sorted(set(TEXT))
        codes = torch.tensor([letters.index(letter) for letter in TEXT * 40])
        self.windows = codes.unfold(0, 32, 8)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.windows[index], "labels": self.windows[index]}


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    set_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(set(TEXT)), n_positions=32, n_embd=32, n_layer=2, n_head=2, **ends))
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        # A rate a hundred thousand times too low: nothing moves, and nothing complains.
        arguments = TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=16, learning_rate=1e-8, report_to=[], use_cpu=True, save_strategy="no",
            disable_tqdm=True,
        )  # fmt: skip
        Trainer(model, arguments, train_dataset=Windows(), callbacks=[watch]).train()
    for finding in watch.findings:
        print(finding)
