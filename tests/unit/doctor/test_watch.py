import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from doctor_tasks import blobs, network
from ravine.base.errors import InputError
from ravine.records import open_record


def started(build=network, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def noisy():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4))


def batches(steps, size=32):
    inputs, labels = blobs(256)
    stream = torch.Generator().manual_seed(1)
    for _ in range(steps):
        index = torch.randint(256, (size,), generator=stream)
        yield inputs[index], labels[index]


def one_step(model, optimizer, inputs, labels, watch=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    if watch is not None:
        watch.step(loss)
    return loss


def trained(model, steps=12, optimizer=None, **settings):
    """A watch over a plain loop."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-2)
    with ravine.watch(model, optimizer, **settings) as watch:
        for batch in batches(steps):
            one_step(model, optimizer, *batch, watch=watch)
    return watch


# Ways to train: each takes a model, what is called to run it, its optimizer, and a watch or none.


def simply(model, called, optimizer, watch):
    for batch in batches(12):
        one_step(called, optimizer, *batch, watch=watch)


def accumulating(model, called, optimizer, watch):
    for place, (inputs, labels) in enumerate(batches(24), 1):
        loss = F.cross_entropy(called(inputs), labels) / 2
        loss.backward()
        if place % 2 == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
            if watch is not None:
                watch.step(loss)


def scaled(model, called, optimizer, watch):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=3)
    for inputs, labels in batches(12):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = F.cross_entropy(called(inputs), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if watch is not None:
            watch.step(loss, scaler=scaler)


def asked(model, called, optimizer, watch):
    for inputs, labels in batches(4):

        def closure(inputs=inputs, labels=labels):
            optimizer.zero_grad()
            loss = F.cross_entropy(called(inputs), labels)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        if watch is not None:
            watch.step(loss)


WAYS = {"simply": simply, "accumulating": accumulating, "scaled": scaled, "asked": asked}


@pytest.mark.parametrize("way", WAYS)
def test_no_bit_of_the_training_changes(way):
    found = []
    for is_watched in (False, True):
        model = started(noisy)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1) if way == "asked" else torch.optim.Adam(model.parameters(), lr=1e-2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            if is_watched:
                # Every step is looked at.
                with ravine.watch(model, optimizer, every=1) as watch:
                    WAYS[way](model, model, optimizer, watch)
                assert len(watch._log.looks) > 2
            else:
                WAYS[way](model, model, optimizer, None)
            found.append([*model.state_dict().values(), torch.random.get_rng_state()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.compile
@pytest.mark.slow
def test_a_compiled_model_is_looked_into_and_compiled_once():
    torch._dynamo.reset()
    found = []
    for is_watched in (False, True):
        model = started(noisy)
        called = torch.compile(model, backend="aot_eager")
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        torch.manual_seed(5)
        before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        if is_watched:
            with ravine.watch(called, optimizer, every=2) as watch:
                simply(model, called, optimizer, watch)
            assert [seen.kind for seen in watch._log.looks[-1].activations] == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"]
            assert watch._log.flats or watch._log.units
        else:
            simply(model, called, optimizer, None)
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before <= 1
        found.append([*model.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def traces(model, optimizer):
    parts = [(len(part._forward_hooks), len(part._forward_pre_hooks), sorted(vars(part))) for part in model.modules()]
    steps = (len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks), sorted(vars(optimizer)))
    return parts, steps, [p._backward_hooks for p in model.parameters()]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails):
    model = started(noisy)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = traces(model, optimizer)
    try:
        with ravine.watch(model, optimizer, every=1) as watch:
            for batch in batches(3):
                one_step(model, optimizer, *batch, watch=watch)
            if fails:
                model(torch.ones(2, 5))
    except RuntimeError:
        assert fails
    assert traces(model, optimizer) == before
    pickle.loads(pickle.dumps(model))


def test_between_looks_modules_have_no_hooks_but_one():
    model = started()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    counts = []
    with ravine.watch(model, optimizer, every=10) as watch:
        for batch in batches(40):
            one_step(model, optimizer, *batch, watch=watch)
            counts.append(sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()))
    assert counts.count(1) == 36 - 9
    assert [look.step for look in watch._log.looks] == [*range(10), 10, 20, 30]


class Log(nn.Module):
    def forward(self, x):
        return x.clamp(min=0).log()


@pytest.mark.parametrize("every", [1, 100], ids=["looked at", "between looks"])
def test_a_number_that_is_not_finite_is_placed(every):
    model = started(lambda: nn.Sequential(nn.Linear(6, 8), Log(), nn.Linear(8, 4)))
    with torch.no_grad():
        model[0].bias.fill_(50.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    with ravine.watch(model, optimizer, every=every) as watch:
        for step, batch in enumerate(batches(9)):
            if step == 6:
                with torch.no_grad():
                    model[0].bias.fill_(-50.0)
            one_step(model, optimizer, *batch, watch=watch)
            if step == 6:
                # It is told at once.
                assert watch.findings[0].title == "a loss or gradient is not finite"
    assert watch.findings[0].where == "the output of 1 (Log), step 7"


class Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


def test_a_backward_pass_that_breaks_is_placed():
    class Middle(nn.Module):
        def forward(self, x):
            return Slope.apply(x)

    model = started(lambda: nn.Sequential(nn.Linear(6, 8), Middle(), nn.Linear(8, 4)))
    watch = trained(model, steps=2)
    assert watch.findings[0].where == "the gradient of 0.bias, on the way back from the loss, step 1"


def test_each_optimizer_is_kept_from_a_step_that_is_not_finite():
    model = started(lambda: nn.ModuleList([nn.Linear(6, 2), nn.Linear(6, 2), nn.Linear(6, 2)]))
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in model]
    with ravine.watch(model, optimizers) as watch:
        for step in range(3):
            for place, (part, optimizer) in enumerate(zip(model, optimizers, strict=True)):
                out = part(torch.ones(4, 6))
                loss = (Slope.apply(out) if (step, place) == (2, 1) else out).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            watch.step(loss)
    assert watch.findings[0].where == "the gradient of 1.bias, on the way back from the loss, step 3"


def test_a_healthy_run_has_nothing_above_information():
    watch = trained(started(), steps=260)
    assert [finding for finding in watch.findings if finding.severity != "information"] == []
    assert {rung.rung for rung in watch.diagnosis.rungs} >= {"gradients", "update-to-weight", "dead units", "curve"}
    assert watch.diagnosis.rung("dead units").verdict == "pass"


def test_which_loss_is_trained_is_asked_at_the_first_looks_only():
    watch = trained(started(), steps=24, every=1)
    assert [look.measured.weight is not None for look in watch._log.looks] == [True] * 20 + [False] * 4
    assert watch._log.classes == 4


def test_findings_are_told_as_they_arise():
    told, model = [], started()
    optimizer = torch.optim.Adam(model[2].parameters(), lr=1e-2)
    with ravine.watch(model, optimizer, every=2, callback=lambda finding: told.append((watch._step, finding.title))) as watch:
        for batch in batches(20):
            one_step(model, optimizer, *batch, watch=watch)
    title = "parameters are not given to the optimizer"
    assert [step for step, name in told if name == title] == [told[0][0]]
    assert told[0][0] <= 4


def test_the_noise_scale_comes_from_backward_passes():
    model = started()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with ravine.watch(model, optimizer, every=1) as watch:
        for place, (inputs, labels) in enumerate(batches(160, size=8), 1):
            loss = F.cross_entropy(model(inputs), labels) / 8
            loss.backward()
            if place % 8 == 0:
                optimizer.step()
                optimizer.zero_grad()
                watch.step(8 * loss)
    found = next(finding for finding in watch.findings if finding.title == "the gradient noise scale")
    assert found.measured.startswith("64 rows a step")


def test_curvature_where_it_is_asked_for():
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.6)
    x = torch.full((4, 1), 2.0)
    with ravine.watch(model, optimizer, curvature=lambda: (model(x) - 1).square().mean()) as watch:
        for _ in range(3):
            optimizer.zero_grad()
            loss = (model(x) - 1).square().mean()
            loss.backward()
            optimizer.step()
            watch.step(loss)
    # The loss is (2w - 1)^2, whose second derivative is 8.
    assert watch._log.curvatures[0][1] == pytest.approx(8.0, rel=1e-4)
    assert "the loss begins steeper than the rate can follow" in [finding.title for finding in watch.findings]


def test_the_history_of_a_loss_scale():
    model = started()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with ravine.watch(model, optimizer) as watch:
        scaled(model, model, optimizer, watch)
    assert watch._log.scales[0][1] < 2.0**20 or watch._log.skipped
    assert "steps skipped" in watch.diagnosis.rung("precision").measured


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: ravine.watch(3, None), "optimizer=NoneType: must be a torch.optim.Optimizer"),
        (lambda: ravine.watch(3, torch.optim.SGD(network().parameters())), "model=int: must be a torch.nn.Module"),
        (lambda: ravine.watch(network().requires_grad_(False), torch.optim.SGD(network().parameters())), "nothing to watch"),
        (lambda: ravine.watch(network(), torch.optim.SGD(network().parameters()), every=0), "every=0: must be a whole number"),
    ],
)
def test_what_cannot_be_watched(given, says):
    with pytest.raises(InputError, match=says):
        given()


def test_a_loss_is_one_number():
    model = started()
    with (
        ravine.watch(model, torch.optim.SGD(model.parameters())) as watch,
        pytest.raises(InputError, match=r"shape \(3,\): must be a single"),
    ):
        watch.step(torch.ones(3))


def test_a_second_closing_does_nothing():
    watch = trained(started(), steps=3)
    before = watch.diagnosis
    watch.close()
    assert watch.diagnosis.summary() == before.summary()


@pytest.mark.slow
def test_processes_that_share_a_model(tmp_path):
    script = Path(__file__).parents[2] / "watching_processes.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for one in found:
        assert one["watched"] == one["alone"]
        assert one["findings"] == []
        # The noise scale comes from the two processes' gradients.
        assert one["batch size"].startswith("32 rows a step") or "drowns" in one["batch size"]
    with open_record(tmp_path / "run.ravine") as record:
        assert len(record.losses(0)) == 24
