"""One side of `benchmarks/trainer.py` as a process: trains, a block of steps whenever it is told to by a line of input.

python benchmarks/trainer_sides/side.py SIDE CASE '{"steps": 1000, "block": 100, "clip": 1.0, "precision": "fp32", "cores": [0]}'
"""

import json
import math
import os
import sys
import tempfile
import warnings

GIVEN = json.loads(sys.argv[3])
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
# What trainers print goes to the standard error, as messages do.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import torch
from turns import Turns

import ravine
from cases import CASES, cross_entropy
from ravine.base._seeds import derive

LR, WEIGHT_DECAY = 1e-3, 0.1


TURNS = Turns(GIVEN["block"], GIVEN["cores"], ANSWERS)


def torch_adamw(model):
    return torch.optim.AdamW(ravine.optim.param_groups(model, WEIGHT_DECAY), lr=LR, fused=True)


def ravine_adamw(model):
    return ravine.optim.AdamW(ravine.optim.param_groups(model, WEIGHT_DECAY), lr=LR, fused=True)


def batches(case, task):
    """Batches without end, as in `examples/plain_loop.py`."""
    x, y = task.data.train
    generator = torch.Generator().manual_seed(derive(0, 0, "order"))
    while True:
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - case.batch + 1, case.batch):
            rows = order[start : start + case.batch]
            yield x[rows], y[rows]


def loader(case, task):
    """Batches by torch's own loader, over rows in memory."""
    rows = torch.utils.data.TensorDataset(*task.data.train)
    return torch.utils.data.DataLoader(rows, batch_size=case.batch, shuffle=True, drop_last=True)


class Endless:
    """Batches as something that can be iterated over again."""

    def __init__(self, make):
        self.make = make

    def __iter__(self):
        return iter(self.make())


def scheduler(optimizer):
    """Linear warm-up over 3 % of the steps, then a cosine to 0."""
    steps = GIVEN["steps"]
    warmup = round(0.03 * steps)

    def multiplier(step):
        return (step + 1) / warmup if step < warmup else (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier)


def model_of(task):
    return task.build(derive(0, 0, "init")).train()


def plain(case, task, make):
    """The loop of `examples/plain_loop.py`, without its evaluation."""
    model = model_of(task)
    optimizer = make(model)
    schedule = scheduler(optimizer)
    losses = []
    for _, (x, y) in zip(range(GIVEN["steps"]), batches(case, task), strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=GIVEN["precision"] == "bf16"):
            loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if GIVEN["clip"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), GIVEN["clip"])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())


def trained(case, task, make):
    """`ravine.train`; with its own AdamW where none is given."""
    chosen = {"clip": GIVEN["clip"], "precision": GIVEN["precision"]}
    chosen |= {"lr": LR, "hypers": {"weight_decay": WEIGHT_DECAY, "beta2": 0.999}} if make is None else {"optimizer": make}
    ravine.train(task, steps=GIVEN["steps"], evaluate_every=GIVEN["steps"], check=False, **chosen)


def drawn(case, task, make):
    """The batches of `ravine.train` and nothing else."""
    from ravine.trainer import Options
    from ravine.trainer.resolving import resolve
    from ravine.trainer.state import State

    del make
    state = State(task, resolve(task, Options(steps=GIVEN["steps"])))
    TURNS.hand_over()
    while True:
        for _ in range(TURNS.block):
            state.next_batch()
        TURNS.hand_over()


def lightning(case, task, make, source=None):
    import lightning as pl

    model = model_of(task)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layers = model

        def training_step(self, batch, _):
            return cross_entropy(self.layers(batch[0]), batch[1])

        def configure_optimizers(self):
            optimizer = make(self.layers)
            return [optimizer], [{"scheduler": scheduler(optimizer), "interval": "step"}]

    trainer = pl.Trainer(
        max_steps=GIVEN["steps"],
        accelerator="cpu",
        barebones=True,
        gradient_clip_val=GIVEN["clip"] or None,
        precision="bf16-mixed" if GIVEN["precision"] == "bf16" else "32-true",
    )
    trainer.fit(Module(), source(case, task) if source else Endless(lambda: batches(case, task)))


def hugging_face(case, task, make, source=None):
    import transformers

    model = model_of(task)
    if not hasattr(model, "config"):
        model.config = None

    class Trainer(transformers.Trainer):
        def get_train_dataloader(self):
            if source is None:
                return Endless(lambda: ({"x": x, "y": y} for x, y in batches(case, task)))
            return super().get_train_dataloader()

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            del return_outputs, num_items_in_batch
            return cross_entropy(model(inputs["x"]), inputs["y"])

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(task.data.train[0])

        def __getitem__(self, index):
            return {name: part[index] for name, part in zip("xy", task.data.train, strict=True)}

    optimizer = make(model)
    with tempfile.TemporaryDirectory(prefix="ravine-bench-") as folder:
        arguments = transformers.TrainingArguments(
            folder,
            max_steps=GIVEN["steps"],
            per_device_train_batch_size=case.batch,
            max_grad_norm=GIVEN["clip"],
            bf16=GIVEN["precision"] == "bf16",
            logging_strategy="no",
            save_strategy="no",
            logging_nan_inf_filter=False,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_drop_last=True,
        )
        Trainer(model, arguments, train_dataset=Rows(), optimizers=(optimizer, scheduler(optimizer))).train()


SIDES = {
    "plain loop, torch's AdamW": (plain, torch_adamw),
    "plain loop, ravine's AdamW": (plain, ravine_adamw),
    "ravine.train": (trained, None),
    "ravine.train, torch's AdamW": (trained, torch_adamw),
    "Lightning": (lightning, torch_adamw),
    "Lightning, ravine's AdamW": (lightning, ravine_adamw),
    "Lightning, DataLoader": (lambda *given: lightning(*given, source=loader), torch_adamw),
    "HF Trainer": (hugging_face, torch_adamw),
    "HF Trainer, ravine's AdamW": (hugging_face, ravine_adamw),
    "HF Trainer, DataLoader": (lambda *given: hugging_face(*given, source=loader), torch_adamw),
    "ravine's batches alone": (drawn, None),
}


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    case = CASES[sys.argv[2]]
    run, make = SIDES[sys.argv[1]]
    run(case, case.task(TURNS), make)
    raise SystemExit("the steps ended before the turns")


if __name__ == "__main__":
    main()
