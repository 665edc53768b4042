"""Small models of timm and transformers, built from their configuration, without weights."""

import importlib.util
import sys
import types
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from conformance.row import Row, numbers, text, tokens

PICTURE, LARGER = numbers(3, 32, 32), numbers(3, 64, 64)
"""Larger where BatchNorm would else see four numbers a channel, which makes rounding of their variance."""


def timm(name: str, **settings) -> nn.Module:
    with stand_in_for_torchvision():
        from timm.models import create_model
    return create_model(name, pretrained=False, num_classes=3, **settings)


class Names(type):
    """A class with every constant that is asked for."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Anything(types.ModuleType):
    """A package with every class and every part that is asked for."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = sys.modules.get(f"{self.__name__}.{name}") or Names(name, (nn.Module,), {})
        setattr(self, name, made)
        return made


@contextmanager
def stand_in_for_torchvision():
    """While timm is imported: it names classes of torchvision that its small models never use; torchvision would bring another torch."""
    if "timm" in sys.modules or importlib.util.find_spec("torchvision"):
        yield
        return
    names = ["torchvision"] + [
        f"torchvision.{part}"
        for part in (
            "datasets",
            "datasets.folder",
            "ops",
            "ops.misc",
            "transforms",
            "transforms.functional",
            "models",
            "models.feature_extraction",
        )
    ]
    sys.modules |= {name: Anything(name) for name in names}
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


class Logits(nn.Module):
    """A model of transformers from token numbers to logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(input_ids=x).logits


SMALL = {"vocab_size": 17, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return Logits(
        GPT2LMHeadModel(
            GPT2Config(vocab_size=17, n_positions=8, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, use_cache=False)
        )
    )


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    return Logits(BertForSequenceClassification(BertConfig(**SMALL, max_position_embeddings=8, num_labels=3)))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return Logits(LlamaForCausalLM(LlamaConfig(**SMALL, num_key_value_heads=1, max_position_embeddings=8, use_cache=False)))


def t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=17, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0, use_cache=False
    )
    return T5ForConditionalGeneration(config)


def with_labels(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return model(input_ids=batch[0], labels=batch[1]).loss


def over_places(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


TEXT, TOKENS = text(6, 17), tokens(6, 17)
# Thirty BatchNorms, the last over sixteen numbers a channel: in float32 rounding of one grows in the next; float64 tells it from a fault.
NORMED = {torch.float32: 1e-4, torch.float64: 1e-8}
TIMM, HF = ("timm",), ("transformers",)

TABLE = [
    Row("timm resnet10t", lambda: timm("resnet10t", channels=(4, 4, 8, 8), stem_width=8), LARGER, rate=0.02, needs=TIMM, is_slow=True),
    Row(
        "timm mobilenetv3_small_050",
        lambda: timm("mobilenetv3_small_050"),
        LARGER,
        {"native": "native code gave other numbers than torch"},
        rate=0.01,
        is_slow=True,
        tolerance=NORMED,
        needs=TIMM,
    ),
    Row(
        "timm convnext_atto",
        lambda: timm("convnext_atto", depths=(1, 1, 1, 1), dims=(4, 8, 8, 8)),
        PICTURE,
        {"native": "no native code is known for aten.as_strided"},
        rate=0.1,
        needs=TIMM,
        is_slow=True,
    ),
    Row(
        "timm vit_tiny",
        lambda: timm("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2),
        PICTURE,
        needs=TIMM,
    ),
    Row("transformers GPT-2", gpt2, TEXT, loss=over_places, needs=HF),
    Row("transformers BERT", bert, TOKENS, needs=HF, is_slow=True),
    Row(
        "transformers Llama", llama, TEXT, {"native": "native code gave other numbers than torch"}, loss=over_places, needs=HF, is_slow=True
    ),
    Row("transformers T5", t5, TEXT, {"native": "native code gave other numbers than torch"}, step=with_labels, needs=HF, is_slow=True),
]
