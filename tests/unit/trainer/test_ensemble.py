"""Snapshot ensembles: where they are taken, what they predict, and that they survive a break."""

import functools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.base.errors import InputError, RecordError, TaskError
from ravine.schedules import Cosine, CosineRestarts
from ravine.trainer import Began, Ensemble, Evaluated, Saved, Stepped, load_weights, loop
from ravine.trainer.ensemble import snapshot_steps

OPTIONS = {"steps": 12, "snapshots": 3, "lr": 0.05, "evaluate_every": 4, "warmup": 0}


def task(loss=F.cross_entropy, model=None, **settings):
    x = torch.randn(48, 6, generator=torch.Generator().manual_seed(0))
    pair = (x, x[:, :3].argmax(1)) if loss is F.cross_entropy else (x, x[:, :3])
    metrics = {"accuracy": ravine.metrics.accuracy} if loss is F.cross_entropy else {}
    return ravine.Task("small", model or (lambda: nn.Linear(6, 3)), pair, pair, loss, metrics=metrics, batch_size=16, **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    events = []
    return ravine.train(task(), out=folder, observer=events.append, **OPTIONS), folder, events


def test_the_weights_at_the_end_of_each_cycle_are_kept(trained):
    found, folder, _ = trained
    assert found.settings.schedule == CosineRestarts(horizon=12, cycles=3, t_mult=1)
    assert found.ensemble.steps == (4, 8, 12)
    assert sorted(path.name for path in folder.glob("snapshot-*")) == [f"snapshot-{step:09}.safetensors" for step in (4, 8, 12)]
    models = [task().build(1) for _ in range(3)]
    for model, path in zip(models, sorted(folder.glob("snapshot-*")), strict=True):
        load_weights(model, path)
    assert torch.equal(models[-1].weight, found.model.weight), "the last cycle ends with the training"
    short = ravine.train(task(), **{**OPTIONS, "steps": 12}).ensemble.model
    x, y = task().data.validation
    mean = torch.stack([model(x).softmax(1) for model in models]).mean(0)
    for ensemble in (found.ensemble.model, short):
        torch.testing.assert_close(ensemble(x).exp(), mean)
    assert found.ensemble.metrics["validation"]["loss"] == pytest.approx(F.nll_loss(mean.log(), y).item(), rel=1e-5)
    assert found.ensemble.prediction == "mean of probabilities"


def test_it_is_measured_beside_the_last_model(trained):
    found, _, events = trained
    splits = [event.split for event in events if isinstance(event, Evaluated)]
    assert splits == ["validation"] * 3 + ["ensemble/validation"]
    assert found.ensemble.metrics.keys() == found.metrics.keys() == {"validation"}
    assert found.metrics["validation"]["loss"] == found.history.evaluations[-1]["loss"]


def stacked(loss, *outputs):
    """What two models that return these give together."""

    class Given(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, _):
            return self.weight

    return Ensemble(Given(), [{"weight": torch.as_tensor(output)} for output in outputs], loss)


@pytest.mark.parametrize(
    ("loss", "to_probability"),
    [
        (F.cross_entropy, lambda output: output.softmax(1)),
        (nn.CrossEntropyLoss(label_smoothing=0.1), lambda output: output.softmax(1)),
        (functools.partial(F.cross_entropy, label_smoothing=0.1), lambda output: output.softmax(1)),
        (F.nll_loss, torch.exp),
        (F.binary_cross_entropy_with_logits, torch.sigmoid),
        (nn.BCEWithLogitsLoss(), torch.sigmoid),
        (F.binary_cross_entropy, lambda output: output),
    ],
    ids=["cross_entropy", "module", "partial", "nll", "bce_logits", "bce_module", "bce"],
)
def test_probabilities_are_averaged_where_the_loss_compares_them(loss, to_probability):
    generator = torch.Generator().manual_seed(0)
    outputs = [3 * torch.randn(4, 5, 2, generator=generator, dtype=torch.float64) for _ in range(2)]
    if loss is F.nll_loss:
        outputs = [output.log_softmax(1) for output in outputs]
    if loss is F.binary_cross_entropy:
        outputs = [output.sigmoid() for output in outputs]
    ensemble = stacked(loss, *outputs)
    mean = (to_probability(outputs[0]) + to_probability(outputs[1])) / 2
    torch.testing.assert_close(to_probability(ensemble(None)), mean)
    assert ensemble.prediction == "mean of probabilities"


def test_a_loss_that_says_so_has_its_classes_last():
    def of_tokens(output, target):
        return F.cross_entropy(output.flatten(0, 1), target.flatten())

    outputs = [torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    assert stacked(of_tokens, *outputs).prediction == "mean of outputs"
    of_tokens.is_cross_entropy = True
    mean = (outputs[0].softmax(-1) + outputs[1].softmax(-1)) / 2
    torch.testing.assert_close(stacked(of_tokens, *outputs)(None).exp(), mean)


def test_far_logits_stay_finite():
    ensemble = stacked(F.binary_cross_entropy_with_logits, torch.tensor([200.0]), torch.tensor([200.0]))
    assert ensemble(None).item() == pytest.approx(200.0)
    assert math.isfinite(stacked(F.cross_entropy, torch.tensor([[900.0, 0.0]]), torch.tensor([[900.0, 0.0]]))(None)[0, 1].item())


def test_outputs_are_averaged_for_any_other_loss():
    found = ravine.train(task(F.mse_loss), **OPTIONS).ensemble
    assert found.prediction == "mean of outputs"
    assert math.isfinite(found.metrics["validation"]["loss"])


class Break(Exception):
    pass


def test_a_training_that_goes_on_has_the_same_ensemble(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "COST_SHARE", math.inf)

    def observe(event):
        if isinstance(event, Stepped) and event.step == 10:
            raise Break

    with pytest.raises(Break):
        ravine.train(task(), out=tmp_path, save_s=0.0, observer=observe, **OPTIONS)
    found = ravine.train(task(), out=tmp_path, resume=True, **OPTIONS)
    assert found.ensemble.metrics == trained[0].ensemble.metrics
    again = ravine.train(task(), out=tmp_path, resume=True, **OPTIONS)
    assert again.ensemble.metrics == found.ensemble.metrics
    (tmp_path / "snapshot-000000008.safetensors").unlink()
    with pytest.raises(RecordError, match=r"snapshot-000000008\.safetensors cannot be read .* begin again with force \(--force\)"):
        ravine.train(task(), out=tmp_path, resume=True, **OPTIONS)
    events = []
    ravine.train(task(), out=tmp_path, force=True, observer=events.append, **{**OPTIONS, "snapshots": 2})
    assert [event.step for event in events if isinstance(event, (Began, Saved))] == [0, 12]
    assert len(list(tmp_path.glob("snapshot-*"))) == 2, "those of the training before are gone"


@pytest.mark.parametrize("options", [{"ema": 0.5}, {"precision": "pure_bf16"}], ids=str)
def test_snapshots_are_of_the_weights_to_evaluate_at(options, tmp_path):
    found = ravine.train(task(), out=tmp_path, **OPTIONS, **options)
    before = {name: tensor.clone() for name, tensor in found.model.state_dict().items()}
    load_weights(found.model, tmp_path / "snapshot-000000012.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.model.state_dict().items())


def test_where_snapshots_are_taken():
    assert snapshot_steps(task(), None, Cosine(), 10, None) == ()
    assert snapshot_steps(task(), 2, CosineRestarts(t_0=3, t_mult=1), 10, None) == (6, 9), "the last ones, as in the paper"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"snapshots": 1}, r"snapshots=1: must be a whole number, at least 2\. One is no ensemble"),
        ({"snapshots": 3, "schedule": "cosine"}, "snapshots=3 with the schedule cosine: snapshots are taken where the cycles"),
        ({"snapshots": 9, "schedule": "cosine_restarts"}, "with 3 cycles that end within 30 steps: every snapshot needs one"),
        ({"snapshots": 2, "patience": 3}, "snapshots=2 with patience=3: every restart makes the model worse for a while"),
    ],
)
def test_what_makes_no_ensemble_is_said(options, sentence):
    with pytest.raises(InputError, match=sentence):
        ravine.train(task(), steps=30, **options)


def test_what_cannot_be_averaged_is_said_before_the_training():
    class Pair(nn.Linear):
        def forward(self, x):
            return {"logits": super().forward(x)}

    with pytest.raises(TaskError, match="the model's output is of type dict: predictions of an ensemble are means of one tensor"):
        ravine.train(task(lambda output, y: F.mse_loss(output["logits"], y), lambda: Pair(6, 3)), steps=9, snapshots=2)
    x = torch.randn(32, 6)
    own = ravine.Task("step", lambda: nn.Linear(6, 3), (x,), (x,), step=lambda model, batch: model(*batch).square().mean(), batch_size=16)
    with pytest.raises(InputError, match="the task has a step of its own, which hides the model's output"):
        ravine.train(own, steps=9, snapshots=2)
