"""Our AdamW, then our Muon, inside Hugging Face's Trainer, on a tiny GPT-2 built from its config (no weights are fetched).

python examples/transformers_muon.py [STEPS]      needs `pip install transformers accelerate`
"""

import sys
import tempfile

import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from ravine import optim, schedules

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


def model() -> GPT2LMHeadModel:
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(set(TEXT)), n_positions=32, n_embd=32, n_layer=2, n_head=2, **ends))


def make_optimizer(name: str, network: GPT2LMHeadModel) -> torch.optim.Optimizer:
    if name == "muon":
        return optim.Muon(optim.muon_groups(network), lr=0.01)
    return optim.AdamW(optim.param_groups(network, weight_decay=0.1), lr=0.003)


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for name in ("adamw", "muon"):
        set_seed(0)
        network = model()
        optimizer = make_optimizer(name, network)
        schedule = optim.LRScheduler(optimizer, schedules.Cosine(horizon=steps).warmup(0.1))
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, max_steps=steps, per_device_train_batch_size=16, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no",
                disable_tqdm=True,
            )  # fmt: skip
            trainer = Trainer(network, arguments, train_dataset=Windows(), optimizers=(optimizer, schedule))
            trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        print(f"{name}: loss {float(losses[0]):.3f} at the first step, {float(losses[-1]):.3f} at the last")
