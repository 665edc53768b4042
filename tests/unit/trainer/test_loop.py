"""The loop: equal to plain PyTorch bit for bit, and to itself however often it is broken off."""

import importlib.util
import math
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.base.errors import DivergedError, InputError, RecordError
from ravine.trainer import Stepped, checkpoint, load_weights, loop

ROOT = Path(__file__).parents[3]


class Net(nn.Module):
    """Everything whose state a resumed run must have: statistics, dropout, and a layer that the loss does not use."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.body(x)


def task(rows=50, batch_size=8, **settings):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator)
    pair = x, (x[:, :3] + 0.1 * torch.randn(rows, 3, generator=generator)).argmax(1)
    return ravine.Task(
        "net", Net, pair, pair, F.cross_entropy, metrics={"accuracy": ravine.metrics.accuracy}, batch_size=batch_size, **settings
    )


def same(one, other):
    """Whether two trainings have the same curves and weights, to the bit."""
    states = one.model.state_dict(), other.model.state_dict()
    facts = [(found.history, found.best, found.best_step, found.step, found.reason, found.metrics) for found in (one, other)]
    return facts[0] == facts[1] and all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


class Break(Exception):
    pass


def broken(at, out, **options):
    """A training that ends with an exception after a step, as a kill would end it."""

    def observe(event):
        if isinstance(event, Stepped) and event.step == at:
            raise Break

    with pytest.raises(Break):
        ravine.train(task(), out=out, observer=observe, **options)


@pytest.fixture
def _eager(monkeypatch):
    """Save at every step, whatever it costs."""
    monkeypatch.setattr(loop, "COST_SHARE", math.inf)


def plain_loop():
    spec = importlib.util.spec_from_file_location("plain_loop", ROOT / "examples" / "plain_loop.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_equals_the_plain_loop_bit_for_bit():
    with torch.random.fork_rng():
        model, losses, (loss, accuracy) = plain_loop().train(200)
    trained = ravine.train("digits", steps=200)
    assert list(trained.history.loss) == losses
    assert all(torch.equal(trained.model.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert trained.metrics["validation"] == {"loss": loss, "accuracy": accuracy}


@pytest.mark.slow  # builds native code
def test_a_long_one_equals_it_too():
    with torch.random.fork_rng():
        model, losses, _ = plain_loop().train(2000)
    trained = ravine.train("digits", steps=2000, check=False)
    assert list(trained.history.loss) == losses
    assert all(torch.equal(trained.model.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "make", [lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), lambda p: torch.optim.AdamW(p, lr=0.01)], ids=["sgd", "adamw"]
)
def test_it_equals_a_plain_loop_with_torchs_own_optimizer_and_dropout(make):
    own = task()
    trained = ravine.train(own, steps=20, optimizer=lambda model: make(model.parameters()), schedule="constant", warmup=0, clip=0)
    from ravine.base._seeds import derive

    model, losses = own.build(derive(0, 0, "init")).train(), []
    optimizer = make(model.parameters())
    generator, (x, y) = torch.Generator().manual_seed(derive(0, 0, "order")), own.data.train
    with torch.random.fork_rng():
        while len(losses) < 20:
            order = torch.randperm(50, generator=generator)
            for rows in order[:48].view(6, 8)[: 20 - len(losses)]:
                torch.manual_seed(derive(0, 0, "dropout") + len(losses))
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    assert list(trained.history.loss) == losses
    assert all(torch.equal(trained.model.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


def test_gradients_of_what_the_optimizer_does_not_hold_do_not_add_up():
    x, y = task(rows=8).data.train
    own = ravine.Task("part", lambda: nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3)), (x, y), (x, y), F.cross_entropy, batch_size=8)
    trained = ravine.train(own, steps=3, optimizer=lambda model: torch.optim.SGD(model[1].parameters(), lr=1e-12), clip=0)
    assert list(trained.history.norm) == pytest.approx([trained.history.norm[0]] * 3, rel=1e-5)


def test_streams_of_the_caller_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ravine.train(task(), steps=3)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("pieces", [2, 3, 7])
def test_unequal_pieces_have_the_gradient_of_the_whole(pieces):
    """In float64, without layers that look at the batch as a whole."""

    def linear():
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()

    x, y = task().data.train
    own = ravine.Task("f64", linear, (x.double(), y), (x.double(), y), F.cross_entropy, batch_size=16)
    whole, parts = (ravine.train(own, steps=15, accumulate=number) for number in (1, pieces))
    assert list(parts.history.loss) == pytest.approx(list(whole.history.loss), rel=1e-12)
    assert list(parts.history.norm) == pytest.approx(list(whole.history.norm), rel=1e-10)


OPTIONS = {
    "plain": {},
    "patience": {"patience": 6, "evaluate_every": 1, "lr": 0.5, "monitor": "accuracy"},
    "average and mixtures": {"ema": 0.9, "augment": "smooth=0.1,mixup=0.4", "accumulate": 3},
    "momentum on a line": {"optimizer": "momentum", "lr": 0.05, "schedule": "linear", "clip": 0},
    "schedule-free": {"optimizer": "schedule_free_adamw", "lr": 0.01, "schedule": "constant"},
    "two gradients": {"optimizer": "sgd+sam", "lr": 0.05},
    "curvature": {"optimizer": "sophia_h", "lr": 0.01},
    "matrices apart": {"optimizer": "muon", "lr": 0.02, "hypers": {"weight_decay": 0.1}},
    "plateau": {"schedule": "plateau:patience=0,factor=0.5", "evaluate_every": 2, "lr": 0.2},
    "other hypers": {"schedule": {"lr": "one_cycle", "beta1": "one_cycle", "weight_decay": "linear"}},
    "bfloat16": {"precision": "bf16"},
    "rounded by chance": {"precision": "pure_bf16", "weights": "stochastic"},
    "torch's own": {"optimizer": lambda model: torch.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)},
    "recomputed": {"recompute": ["body.*"]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.usefixtures("_eager")
def test_a_run_that_goes_on_has_the_same_bits(options, tmp_path):
    """Broken off twice in the middle of epochs."""
    whole = ravine.train(task(), steps=17, **options)
    broken(4, tmp_path, steps=17, save_s=0.0, **options)
    broken(7, tmp_path, steps=17, save_s=0.0, resume=True, **options)
    assert [path.name for path in sorted(tmp_path.glob("check*"))] == [
        "checkpoint-000000005.safetensors",
        "checkpoint-000000006.safetensors",
    ]
    assert same(ravine.train(task(), steps=17, out=tmp_path, resume=True, **options), whole)


def test_two_gradients_differ_from_one():
    one, two = (ravine.train(task(), steps=5, optimizer=name, lr=0.05, clip=0) for name in ("sgd", "sgd+sam"))
    assert one.history.loss[0] == two.history.loss[0]
    assert one.history.loss[2] != two.history.loss[2]


@pytest.mark.usefixtures("_eager")
def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(tmp_path):
    whole, said = ravine.train(task(), steps=9), []
    broken(6, tmp_path, steps=9, save_s=0.0)
    last = tmp_path / "checkpoint-000000005.safetensors"
    last.write_bytes(last.read_bytes()[:-30])
    assert same(ravine.train(task(), steps=9, out=tmp_path, resume=True, observer=said.append), whole)
    notes = [event.text for event in said if type(event).__name__ == "Noted"]
    assert len(notes) == 1
    assert notes[0].endswith("The one before it is used.")
    assert next(event.step for event in said if type(event).__name__ == "Began") == 4


@pytest.mark.usefixtures("_eager")
def test_other_options_cannot_go_on(tmp_path):
    broken(3, tmp_path, steps=9, save_s=0.0)
    for options, said in [
        ({"lr": 0.5}, "lr=0.001 and this training has lr=0.5"),
        ({"seed": 3}, "seed=0 and"),
        ({"ema": 0.5}, "ema=None and"),
    ]:
        with pytest.raises(InputError, match=f"was written with {said}"):
            ravine.train(task(), steps=9, out=tmp_path, resume=True, **options)
    with pytest.raises(InputError, match="was written with steps=9 and this training has steps=10"):
        ravine.train(task(), steps=10, out=tmp_path, resume=True)
    with pytest.raises(
        InputError, match=r"is of another model: 0\.weight is missing there and float32 of shape \(10, 64\) here|of another model"
    ):
        ravine.train("digits", steps=9, out=tmp_path, resume=True)


def test_a_finished_training_is_given_back(tmp_path):
    first, said = ravine.train(task(), steps=5, out=tmp_path), []
    again = ravine.train(task(), steps=5, out=tmp_path, resume=True, observer=said.append)
    assert same(first, again)
    assert again.metrics == first.metrics
    assert "Stepped" not in {type(event).__name__ for event in said}


def test_patience_gives_the_best_weights_back(tmp_path):
    trained = ravine.train(task(), steps=200, lr=0.5, patience=3, evaluate_every=1, monitor="accuracy", out=tmp_path)
    assert trained.reason == "patience"
    assert trained.step == trained.best_step + 3
    best = max(values["accuracy"] for values in trained.history.evaluations)
    assert trained.best == trained.metrics["validation"]["accuracy"] == best
    fresh = Net()
    load_weights(fresh, tmp_path / "best.safetensors")
    assert all(torch.equal(trained.model.state_dict()[name], tensor) for name, tensor in fresh.state_dict().items())


def test_the_model_given_back_is_an_ordinary_one_at_the_weights_that_were_measured(tmp_path):
    trained = ravine.train(task(), steps=30, ema=0.9, recompute=["body.0"], out=tmp_path)
    assert not trained.model.training
    x, y = task().data.validation
    assert F.cross_entropy(trained.model(x), y).item() == pytest.approx(trained.metrics["validation"]["loss"], rel=1e-6)
    fresh = Net()
    load_weights(fresh, tmp_path / "model.safetensors")
    assert all(torch.equal(trained.model.state_dict()[name], tensor) for name, tensor in fresh.state_dict().items())
    assert all(p.grad is None for p in trained.model.parameters())


def test_a_loss_that_is_no_number_stops_before_the_step(tmp_path):
    x, y = task().data.train

    def loss(output, target):
        return F.cross_entropy(output, target) * (math.nan if broken_loss else 1.0)

    broken_loss, seen = False, []

    def observe(event):
        nonlocal broken_loss
        seen.append(event)
        broken_loss = isinstance(event, Stepped) and event.step == 3

    own = ravine.Task("nan", Net, (x, y), (x, y), loss, batch_size=8)
    with pytest.raises(DivergedError) as raised:
        ravine.train(own, steps=9, out=tmp_path, evaluate_every=9, observer=observe)
    assert str(raised.value).startswith("the training loss is nan at step 4 (lr ")
    assert "the step was not taken." in str(raised.value)
    assert "`ravine doctor TASK` looks for the cause" in str(raised.value)
    assert raised.value.step == 4
    assert sum(isinstance(event, Stepped) for event in seen) == 3


def test_a_gradient_that_is_no_number_stops_too():
    x = torch.zeros(8, 1)
    own = ravine.Task(
        "root", lambda: nn.Linear(1, 1, bias=False), (x, x), (x, x), lambda output, target: (output - target).abs().sqrt().mean()
    )
    with pytest.raises(DivergedError, match=r"the norm of the gradients is (nan|inf) at step 1"):
        ravine.train(own, steps=2, clip=0)


@pytest.mark.usefixtures("_eager")
def test_a_full_disk_costs_no_step_but_is_said_once_and_at_the_end(tmp_path, monkeypatch):
    said, real, full = [], checkpoint.save_file, False

    def save_file(tensors, path, metadata):
        if full:
            raise OSError(28, "No space left on device")
        real(tensors, path, metadata)

    def observe(event):
        nonlocal full
        said.append(event)
        full = full or (isinstance(event, Stepped) and event.step == 4)

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    with pytest.raises(
        RecordError,
        match=r"cannot be written \(No space left on device\): .*000000003\.safetensors is the last good checkpoint\. Make room",
    ):
        ravine.train(task(), steps=9, out=tmp_path, save_s=0.0, observer=observe)
    notes = [event.text for event in said if type(event).__name__ == "Noted"]
    assert len(notes) == 1
    assert notes[0].endswith("The training goes on.")
    full, said[:] = False, []
    monkeypatch.undo()
    assert same(ravine.train(task(), steps=9, out=tmp_path, resume=True), ravine.train(task(), steps=9))


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_signals_save_and_end(number, reason, tmp_path):
    def observe(event):
        if isinstance(event, Stepped) and event.step == 5:
            signal.raise_signal(number)

    if reason == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            ravine.train(task(), steps=9, out=tmp_path, observer=observe)
    else:
        trained = ravine.train(task(), steps=9, out=tmp_path, observer=observe)
        assert (trained.reason, trained.step, trained.metrics) == ("terminated", 5, {})
    assert [path.name for path in tmp_path.iterdir() if "check" in path.name] == ["checkpoint-000000005.safetensors"]
    assert same(ravine.train(task(), steps=9, out=tmp_path, resume=True), ravine.train(task(), steps=9))


def test_one_batch_of_all_rows():
    trained = ravine.train(task(batch_size=None), steps=4)
    assert trained.settings.batch_size == 50
    assert len(set(trained.history.loss)) == 4


@pytest.mark.compile
@pytest.mark.slow
def test_a_compiled_model_learns_the_same():
    eager, compiled = (ravine.train("digits", steps=20, compile=compile) for compile in (False, True))
    assert list(compiled.history.loss) == pytest.approx(list(eager.history.loss), rel=1e-4)
    assert compiled.model.state_dict().keys() == eager.model.state_dict().keys()
    compiled.model(torch.zeros(1, 64))
