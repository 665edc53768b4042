"""A small GPT: a decoder of text, one symbol after the other.

References:
    Radford et al. (2019), Language models are unsupervised multitask learners: layers, initial weights and the shared
    table. Xiong et al. (2020), On layer normalization in the Transformer architecture, arXiv:2002.04745: pre-norm.

Shapes: B rows, T time, V symbols.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Causal attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What every place takes from those up to it, (B, T, width), from x of the same shape."""
        parts = self.query_key_value(x).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.transpose(1, 3).unbind(2)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and two dense layers, each on normalised input and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.dense_norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width, bias=False)
        self.out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The residual stream after the block, (B, T, width)."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.out(F.gelu(self.wide(self.dense_norm(x)), approximate="tanh"))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """Logits of the next symbol at every place.

    The table of symbols is the output layer too. Weights begin normal with a deviation of 0.02, and those that write into the
    residual stream with 0.02 / sqrt(2 layers), so that its scale does not grow with the depth. Dense layers have no biases.
    """

    def __init__(self, symbols: int, layers: int = 4, heads: int = 4, width: int = 128, context: int = 64) -> None:
        super().__init__()
        self.symbols, self.positions = nn.Embedding(symbols, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if name.endswith("out.weight") else 0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits, (B, T, V), from the numbers of symbols, (B, T); T is at most the context."""
        x = self.symbols(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.symbols.weight)
