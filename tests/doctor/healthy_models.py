"""Models that are healthy: the built-in tasks, plain networks, and what timm and transformers build from a configuration."""

import functools

import torch
from torch import nn
from torch.nn import functional

import ravine
from conformance.libraries import stand_in_for_torchvision
from doctor.faults.of_losses import Reader, counting
from ravine.doctor import Settings, examine
from ravine.tasks import load

SECONDS = 30.0
"""Processor time that the short trainings of a model should take; larger ones are trained for fewer steps."""

BUILT_IN = (
    *("line", "digits", "curve", "curve:two-bumps", "curve:sawtooth", "curve:step", "quadratic-deep"),
    *("line:noise=0", "chars:layers=2,heads=2,width=32,context=16"),
    *("mnist-1d", "mnist-1d:cnn", "deep:20", "deep:8,normalisation=batch,connection=plain", "pinn:poisson"),
)
OPTIMIZERS = (("sgd", 0.1), ("momentum", 0.01), ("adam", 1e-3), ("lion", 1e-4), ("muon", 1e-3))
"""And the rates that people give them."""

TIMM = {
    "resnet10t": {},
    "mobilenetv3_small_050": {},
    "regnetx_002": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"img_size": 32, "patch_size": 8, "depth": 3},
}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CLASSIFIERS = {
    "Bert": SMALL,
    "Roberta": SMALL,
    "Electra": SMALL | {"embedding_size": 32},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
}
LANGUAGE_MODELS = {
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "Llama": SMALL,
    "GPTNeoX": SMALL,
    "OPT": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 64, "word_embed_proj_dim": 32},
}


def examined(task, **settings):
    """The findings, and rungs that could not be measured."""
    return list(examine(task, Settings(**{"seconds": SECONDS} | settings)))


def pictures(rows, seed):
    """Four kinds of stripes and their number, in noise."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % 4
    grid = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij"))
    ways = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [0.7, -0.7]])[labels]
    waves = torch.sin(0.8 * torch.einsum("nd,dhw->nhw", ways, grid) + 6.3 * torch.rand(rows, 1, 1, generator=stream))
    return waves[:, None].expand(-1, 3, -1, -1) + 0.3 * torch.randn(rows, 3, 32, 32, generator=stream), labels


def of_pictures(name, make, **settings):
    given = {"metrics": {"accuracy": ravine.metrics.accuracy}, "batch_size": 16} | settings
    return ravine.Task(name, make, pictures(128, 0), pictures(32, 1), functional.cross_entropy, **given)


def of_timm(name):
    with stand_in_for_torchvision():
        import timm

    return of_pictures(name, lambda: timm.create_model(name, pretrained=False, num_classes=4, **TIMM[name]))


def mixer():
    """By its class: the registered ones cannot be made smaller."""
    with stand_in_for_torchvision():
        from timm.models.mlp_mixer import MlpMixer

    return of_pictures("mixer", lambda: MlpMixer(num_classes=4, img_size=32, patch_size=8, num_blocks=3, embed_dim=64))


def sentences(rows, seed):
    """Numbers that count upwards from anywhere."""
    starts = torch.randint(0, 20, (rows, 1), generator=torch.Generator().manual_seed(seed))
    return (starts + torch.arange(9)) % 20


class Classifier(nn.Module):
    """Which number a sequence begins with, of four groups."""

    def __init__(self, kind):
        super().__init__()
        import transformers

        config = getattr(transformers, f"{kind}Config")(vocab_size=21, num_labels=4, pad_token_id=20, **CLASSIFIERS[kind])
        self.net = getattr(transformers, f"{kind}ForSequenceClassification")(config)

    def forward(self, ids):
        return self.net(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


def of_classifier(kind):
    data = [(ids, ids[:, 0] // 5) for ids in (sentences(256, 0), sentences(64, 1))]
    return ravine.Task(kind, lambda: Classifier(kind), *data, functional.cross_entropy, batch_size=32)


def of_language(kind):
    import transformers

    config = getattr(transformers, f"{kind}Config")(vocab_size=20, use_cache=False, bos_token_id=0, eos_token_id=0, **LANGUAGE_MODELS[kind])
    name = f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"

    def step(model, batch):
        return model(input_ids=batch["ids"], labels=batch["ids"]).loss

    data = [{"ids": sentences(rows, seed)} for rows, seed in ((256, 0), (64, 1))]
    return ravine.Task(kind, lambda: getattr(transformers, name)(config), *data, step=step)


def convolutions():
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(64, 4))


def reading():
    def loss(output, target):
        return functional.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=0)

    return ravine.Task("reading", Reader, counting(256, 0), counting(64, 1), loss, batch_size=32)


def compression():
    """Points on a plane in eight dimensions, through two."""
    stream = torch.Generator().manual_seed(0)
    points = torch.randn(320, 2, generator=stream) @ torch.randn(2, 8, generator=stream)

    def model():
        return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2), nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 8))

    return ravine.Task("compression", model, (points[:256], points[:256]), (points[256:], points[256:]), functional.mse_loss, batch_size=32)


PLAIN = {
    "convolutions": lambda: of_pictures("convolutions", convolutions),
    "a GRU that reads padded rows": reading,
    "an autoencoder": compression,
}
MODELS = (
    {name: functools.partial(load, name) for name in BUILT_IN}
    | PLAIN
    | {f"timm {name}": functools.partial(of_timm, name) for name in TIMM}
    | {"timm MlpMixer": mixer}
    | {f"transformers {kind}": functools.partial(of_classifier, kind) for kind in CLASSIFIERS}
    | {f"transformers {kind}": functools.partial(of_language, kind) for kind in LANGUAGE_MODELS}
)
"""Name -> a function that makes the task."""
