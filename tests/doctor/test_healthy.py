"""Healthy models: the doctor finds nothing above information."""

import os

import pytest
import torch
from torch import nn
from torch.nn import functional

import ravine
from ravine.doctor import Settings, examine
from ravine.tasks import load


def severe(task, **settings):
    """What is above information, and rungs that broke, in words."""
    diagnosis = examine(task, Settings(**settings))
    found = [str(finding) for finding in diagnosis if finding.severity != "information"]
    return found + [f"{rung.rung}: {rung.measured}" for rung in diagnosis.rungs if "could not be measured" in rung.measured]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("line", "digits", "curve", "curve:two-bumps", "curve:sawtooth", "curve:step", "quadratic-deep"),
        *("line:noise=0", "chars:layers=2,heads=2,width=32,context=16"),
    ],
)
def test_built_in_tasks(name):
    assert severe(load(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_built_in_tasks_of_pictures(name):
    if not os.environ.get("RAVINE_DATA"):
        pytest.skip("RAVINE_DATA names no folder with the pictures")
    try:
        task = load(name)
        _ = task.data
    except ravine.base.errors.DataNotFoundError as error:
        pytest.skip(str(error))
    assert severe(task) == []


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.1), ("momentum", 0.01), ("adam", 1e-3), ("lion", 1e-4), ("muon", 1e-3)])
def test_digits_under_optimizers_at_their_usual_rates(optimizer, lr):
    assert severe(load("digits"), optimizer=optimizer, lr=lr) == []


def pictures(rows, seed):
    """Four kinds of stripes and their number, in noise."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % 4
    grid = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij"))
    ways = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [0.7, -0.7]])[labels]
    waves = torch.sin(0.8 * torch.einsum("nd,dhw->nhw", ways, grid) + 6.3 * torch.rand(rows, 1, 1, generator=stream))
    return waves[:, None].expand(-1, 3, -1, -1) + 0.3 * torch.randn(rows, 3, 32, 32, generator=stream), labels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_models_of_timm(name):
    timm = pytest.importorskip("timm")
    sizes = {"img_size": 32, "patch_size": 8, "depth": 3} if name.startswith("vit") else {}
    task = ravine.Task(
        name,
        lambda: timm.create_model(name, pretrained=False, num_classes=4, **sizes),
        pictures(128, 0),
        pictures(32, 1),
        functional.cross_entropy,
        metrics={"accuracy": ravine.metrics.accuracy},
        batch_size=16,
    )
    assert severe(task) == []


def sentences(rows, seed):
    """Numbers that count upwards from anywhere."""
    starts = torch.randint(0, 20, (rows, 1), generator=torch.Generator().manual_seed(seed))
    return (starts + torch.arange(9)) % 20


class Classifier(nn.Module):
    """Which number a sequence begins with, of four groups."""

    def __init__(self, transformers):
        super().__init__()
        config = transformers.BertConfig(
            vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=4
        )
        self.net = transformers.BertForSequenceClassification(config)

    def forward(self, ids):
        return self.net(input_ids=ids).logits


@pytest.mark.slow
def test_a_classifier_of_transformers():
    transformers = pytest.importorskip("transformers")
    data = [(ids, ids[:, 0] // 5) for ids in (sentences(256, 0), sentences(64, 1))]
    assert severe(ravine.Task("bert", lambda: Classifier(transformers), *data, functional.cross_entropy, batch_size=32)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
def test_language_models_of_transformers(kind):
    transformers = pytest.importorskip("transformers")
    own = {"n_embd": 32, "n_layer": 2, "n_head": 2} if kind == "GPT2" else {}
    own |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64} if kind == "Llama" else {}
    config = getattr(transformers, f"{kind}Config")(vocab_size=20, use_cache=False, bos_token_id=0, eos_token_id=0, **own)

    def step(model, batch):
        return model(input_ids=batch["ids"], labels=batch["ids"]).loss

    data = [{"ids": sentences(rows, seed)} for rows, seed in ((256, 0), (64, 1))]
    task = ravine.Task(
        kind, lambda: getattr(transformers, f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM")(config), *data, step=step
    )
    assert severe(task) == []
