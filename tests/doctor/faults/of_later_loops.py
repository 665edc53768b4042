"""Faults of somebody's own training loop that raise nothing and leave the loss a number."""

import copy

import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor.faults.of_loops import Recurrent, batches, started
from doctor_tasks import blobs


def evaluated(model):
    """Loss and accuracy on rows of their own."""
    inputs, labels = blobs(64, seed=1)
    with torch.no_grad():
        scores = model(inputs.to(next(model.parameters()).dtype)).float()
    return {"loss": functional.cross_entropy(scores, labels), "accuracy": (scores.argmax(1) == labels).float().mean()}


def coupled_decay(*, is_broken):
    """Decay that Adam takes for a part of the gradient, and AdamW does not."""
    model = started(lambda: nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4)))
    optimizer = (torch.optim.Adam if is_broken else torch.optim.AdamW)(model.parameters(), lr=3e-3, weight_decay=1.0)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches(epochs=40):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


def narrow_average(*, is_broken):
    """An average whose small steps are lost in bfloat16."""
    model = started()
    average = copy.deepcopy(model).to(torch.bfloat16 if is_broken else torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches(epochs=150)):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                    mean.mul_(0.997).add_(parameter.to(mean.dtype), alpha=0.003)
            watch.step(loss)
            if step % 100 == 99:
                watch.validation(model=average, **evaluated(average))
    return watch.findings


def first_batch_only(*, is_broken):
    """A loader that is begun anew at every step, whose first batch has rows of two classes alone."""
    model = started()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    stream = batches(epochs=40, size=16)
    first = next(stream)
    keep = first[1] < 2
    first = first[0][keep], first[1][keep]
    with ravine.watch(model, optimizer) as watch:
        for step, batch in enumerate(stream):
            inputs, labels = first if is_broken else batch
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if step % 32 == 31:
                watch.validation(**evaluated(model))
    return watch.findings


def plateau(*, is_broken):
    """A schedule that waits for the accuracy to fall."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min" if is_broken else "max", patience=2)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches(epochs=30)):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss, schedule=schedule)
            if step % 8 == 7:
                values = evaluated(model)
                watch.validation(**values)
                schedule.step(values["accuracy"])
    return watch.findings


def clipped_after_the_step(*, is_broken):
    """The bound on a recurrent network's gradients comes when they have been used."""
    model, stream = started(Recurrent), torch.Generator().manual_seed(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    with ravine.watch(model, optimizer) as watch:
        for _ in range(60):
            values = torch.rand(8, 12, generator=stream)
            optimizer.zero_grad()
            output = model(torch.stack([values, torch.zeros_like(values)], 2))
            loss = functional.mse_loss(output, values.mean(1, keepdim=True))
            loss.backward()
            if not is_broken:
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            if is_broken:
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            watch.step(loss)
            if not torch.isfinite(loss):
                break
    return watch.findings
