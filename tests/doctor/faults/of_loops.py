"""Faults of somebody's own training loop, which `ravine.watch` sees from inside it."""

import copy

import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, network

EPOCHS, BATCH = 16, 32


def batches(epochs=EPOCHS, size=BATCH, rows=256):
    """Batches of blobs, in a new order every epoch."""
    inputs, labels = blobs(rows)
    stream = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for index in torch.randperm(rows, generator=stream).split(size):
            yield inputs[index], labels[index]


def started(model=network):
    """A model whose first weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model()


def missing_zero_grad(*, is_broken):
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            if not is_broken:
                optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


def zero_grad_before_step(*, is_broken):
    """Gradients set to zero between backward() and step()."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            if not is_broken:
                optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            if is_broken:
                optimizer.zero_grad()
            optimizer.step()
            watch.step(loss)
    return watch.findings


def normalised():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))


def eval_left_on(*, is_broken):
    """After the first validation, nobody calls train() again."""
    model = started(normalised)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    inputs_v, labels_v = blobs(64, seed=1)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches()):
            if not is_broken:
                model.train()
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if step % 8 == 7:
                model.eval()
                with torch.no_grad():
                    watch.validation(loss=functional.cross_entropy(model(inputs_v), labels_v))
    return watch.findings


def parameters_not_given(*, is_broken):
    """Only the head is trained, and nothing of the rest is frozen on purpose."""
    model = started()
    optimizer = torch.optim.Adam(model[2].parameters() if is_broken else model.parameters(), lr=1e-2)
    return trained(model, optimizer)


def head_replaced(*, is_broken):
    """The head replaced for another number of classes after the optimizer was built."""
    model = started()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    if is_broken:
        model[2] = started(lambda: nn.Linear(16, 4))
    return trained(model, optimizer)


def trained(model, optimizer):
    """The findings of a plain loop."""
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


def loss_rebuilt(*, is_broken):
    """A tensor made of the loss's value: backward() runs and reaches nothing."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            if is_broken:
                loss = torch.tensor(loss.item(), requires_grad=True)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


def schedule_per_batch(*, is_broken):
    """A decay of 0.8 an epoch, stepped at every batch."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches(), 1):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            if is_broken or step % 8 == 0:
                schedule.step()
            watch.step(loss, schedule=schedule)
    return watch.findings


def schedule_per_epoch(*, is_broken):
    """One cycle over all batches, stepped at every epoch: the rate never leaves its warm-up."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=8 * EPOCHS + 1)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches(), 1):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            if not is_broken or step % 8 == 0:
                schedule.step()
            watch.step(loss, schedule=schedule)
    return watch.findings


def accumulation_without_scaling(*, is_broken):
    """Gradients of eight micro-batches are summed where their mean is meant."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ravine.watch(model, optimizer) as watch:
        for place, (inputs, labels) in enumerate(batches(epochs=32, size=8), 1):
            loss = functional.cross_entropy(model(inputs), labels)
            (loss if is_broken else loss / 8).backward()
            if place % 8 == 0:
                optimizer.step()
                optimizer.zero_grad()
                watch.step(loss)
    return watch.findings


def clipped_before_unscale(*, is_broken):
    """Scaled gradients are clipped to 1, which leaves next to nothing of them."""
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                loss = functional.cross_entropy(model(inputs), labels)
            scaler.scale(loss).backward()
            if not is_broken:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            watch.step(loss, scaler=scaler)
    return watch.findings


def normalised_layer(width):
    return [nn.Linear(width, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU()]


def shifted(inputs):
    """As a sensor gives them: far from 0, and with a small spread."""
    return 3 + 0.3 * inputs


def stale_batchnorm(*, is_broken):
    """Averaged weights are evaluated with the statistics of the model that they began as, on inputs far from 0."""
    model = started(lambda: nn.Sequential(*[layer for width in (6, 16, 16) for layer in normalised_layer(width)], nn.Linear(16, 4)))
    average = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    inputs_v, labels_v = blobs(64, seed=1)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches()):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(shifted(inputs)), labels)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                    mean.lerp_(parameter, 0.1)
                if not is_broken:
                    for kept, buffer in zip(average.buffers(), model.buffers(), strict=True):
                        kept.copy_(buffer)
            watch.step(loss)
            if step % 8 == 7:
                average.eval()
                with torch.no_grad():
                    watch.validation(model=average, loss=functional.cross_entropy(average(shifted(inputs_v)), labels_v))
    return watch.findings


def weights_edited(*, is_broken):
    """Weights are rounded by hand after each step, behind the optimizer's back."""
    model = started()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if is_broken:
                for parameter in model.parameters():
                    parameter.data = (parameter.data * 8).round() / 8
    return watch.findings


def weights_restored(*, is_broken):
    """The first weights are loaded again at the begin of every epoch, by a line that stands a loop too deep."""
    model = started()
    first = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with ravine.watch(model, optimizer) as watch:
        for step, (inputs, labels) in enumerate(batches()):
            if is_broken and step % 8 == 0:
                model.load_state_dict(first)
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


class Encoder(nn.Module):
    """A transformer whose norms come after the branches."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Linear(1, 32), nn.Linear(32, 4)
        layers = [nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True) for _ in range(12)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.head(self.layers(self.table(x[..., None])).mean(1))


def post_norm_without_warm_up(*, is_broken):
    model = started(Encoder)
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    warm_up, steps = 0 if is_broken else 80, 8 * 20
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / (warm_up + 1), 1 - step / (steps + 1)))
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches(epochs=20):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            watch.step(loss, schedule=schedule)
    return watch.findings


class Recurrent(nn.Module):
    """The mean of the marked numbers of a long sequence."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.RNN(2, 24, nonlinearity="relu", batch_first=True), nn.Linear(24, 1)
        nn.init.orthogonal_(self.cell.weight_hh_l0, 1.3)

    def forward(self, sequence):
        return self.head(self.cell(sequence)[0][:, -1])


def unclipped_recurrence(*, is_broken):
    """Gradients of a recurrent network over 60 steps, with and without a bound."""
    model, stream = started(Recurrent), torch.Generator().manual_seed(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    with ravine.watch(model, optimizer) as watch:
        for _ in range(150):
            values, marks = torch.rand(16, 60, generator=stream), (torch.rand(16, 60, generator=stream) < 0.1).float()
            target = (values * marks).sum(1, keepdim=True) / marks.sum(1, keepdim=True).clamp(min=1)
            optimizer.zero_grad()
            loss = functional.mse_loss(model(torch.stack([values, marks], 2)), target)
            loss.backward()
            if not is_broken:
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            watch.step(loss)
    return watch.findings


def decay_on_norms(*, is_broken):
    """A strong decay on everything, or on matrices alone."""
    model = started(lambda: nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 4)))
    groups = [{"params": list(model.parameters())}]
    if not is_broken:
        groups = [
            {"params": [p for p in model.parameters() if p.ndim > 1]},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
    return trained(model, torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.5))


def rate_too_high(*, is_broken):
    model = started()
    return trained(model, torch.optim.SGD(model.parameters(), lr=30.0 if is_broken else 0.3))


def rate_too_low(*, is_broken):
    model = started()
    return trained(model, torch.optim.SGD(model.parameters(), lr=3e-4 if is_broken else 0.3))


def log_of_zero(*, is_broken):
    """The entropy of a policy, as a regulariser, of which one action is forbidden: 0 times log(0)."""
    model, forbidden = started(lambda: network(5)), torch.tensor([False, False, False, False, True])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ravine.watch(model, optimizer) as watch:
        for inputs, labels in batches():
            optimizer.zero_grad()
            output = model(inputs).masked_fill(forbidden, -torch.inf)
            shares = output.softmax(1)
            entropy = -(shares * (shares.log() if is_broken else shares.clamp(min=1e-8).log())).sum(1).mean()
            loss = functional.cross_entropy(output, labels) + 0.01 * entropy
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if not torch.isfinite(loss):
                break
    return watch.findings
