"""Transformers and their parts."""

import torch
from torch import nn
from torch.nn import functional as F

from conformance.row import Built, Row, generator, looped, numbers, over_places, text, tokens

SEQUENCE, TOKENS, TEXT = numbers(5, 8), tokens(6, 11), text(6, 11)


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (2, 4)).transpose(1, 2)


class Attention(nn.Module):
    """Causal self-attention by `scaled_dot_product_attention`."""

    def __init__(self, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.qkv, self.out, self.causal, self.dropout = nn.Linear(8, 24), nn.Linear(8, 8), causal, dropout

    def forward(self, x, mask=None):
        query, key, value = (heads(part) for part in self.qkv(x).chunk(3, dim=-1))
        rate = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=self.causal, dropout_p=rate)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """One pre-norm block."""

    def __init__(self, **settings) -> None:
        super().__init__()
        self.attention = Attention(**settings)
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x, mask=None):
        x = x + self.attention(self.first(x), mask)
        return x + self.mlp(self.second(x))


class GPT(nn.Module):
    """Two layers over tokens and positions, the head tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.layers = nn.ModuleList(Layer(causal=True) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x):
        h = self.tokens(x) + self.places(torch.arange(x.shape[1]))
        for layer in self.layers:
            h = layer(h)
        return self.head(self.norm(h))


def mean_of(part: nn.Module) -> nn.Module:
    return Built(lambda m, x: m.head(m.part(x).mean(1)), part=part, head=nn.Linear(8, 3))


def multihead(**settings) -> nn.Module:
    def run(m, x):
        return m.head(m.part(x, x, x, need_weights=settings.get("dropout") is None)[0].mean(1))

    return Built(run, part=nn.MultiheadAttention(8, 2, batch_first=True, **settings), head=nn.Linear(8, 3))


def encoder(**settings) -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **settings)
    return mean_of(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))


def padded(rows: int, dtype: torch.dtype):
    x = torch.randn(rows, 5, 8, generator=generator(rows), dtype=torch.float64)
    length = torch.randint(1, 6, (rows,), generator=generator(rows))
    return x.to(dtype), torch.arange(5) >= length[:, None], (x.mean((1, 2)) > 0).long()


def with_padding() -> nn.Module:
    def run(m, x, padding):
        h = m.part(x, src_key_padding_mask=padding).masked_fill(padding.unsqueeze(-1), 0)
        return m.head(h.sum(1) / (~padding).sum(1, keepdim=True))

    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    return Built(run, part=nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), head=nn.Linear(8, 3))


def masked() -> nn.Module:
    def run(m, x, padding):
        return m.head(m.part(x, ~padding[:, None, None, :]).mean(1))

    return Built(run, part=Layer(causal=False), head=nn.Linear(8, 3))


def decoder() -> nn.Module:
    def run(m, x):
        mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=x.dtype)
        return m.head(m.part(x, x.flip(1), tgt_mask=mask, tgt_is_causal=True).mean(1))

    return Built(run, part=nn.TransformerDecoderLayer(8, 2, 16, batch_first=True, dropout=0.1), head=nn.Linear(8, 3))


def both() -> nn.Module:
    part = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)
    return Built(lambda m, x: m.head(m.part(x, x.flip(1)).mean(1)), part=part, head=nn.Linear(8, 3))


def rotary(m, x):
    query, key, value = (heads(part) for part in m.qkv(x).chunk(3, dim=-1))
    angle = torch.outer(torch.arange(x.shape[1], dtype=x.dtype), 1 / 10 ** torch.arange(2, dtype=x.dtype))

    def turn(t):
        even, odd = t[..., ::2], t[..., 1::2]
        return torch.stack([even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()], -1).flatten(-2)

    return m.head(F.scaled_dot_product_attention(turn(query), turn(key), value).transpose(1, 2).flatten(2).mean(1))


def bag(**settings) -> nn.Module:
    return Built(lambda m, x: m.head(m.table(x)), table=nn.EmbeddingBag(11, 8, **settings), head=nn.Linear(8, 3))


def table(**settings) -> nn.Module:
    return Built(lambda m, x: m.head(m.table(x).mean(1)), table=nn.Embedding(11, 8, **settings), head=nn.Linear(8, 3))


TABLE = [
    Row("scaled dot-product attention", lambda: mean_of(Layer(causal=False)), SEQUENCE),
    Row("scaled dot-product attention with dropout", lambda: mean_of(Layer(causal=True, dropout=0.2)), SEQUENCE, is_slow=True),
    Row("scaled dot-product attention with a padding mask", masked, padded, is_slow=True),
    Row("decoder: tokens, positions, causal, tied head", GPT, TEXT, loss=over_places),
    Row("rotary positions", lambda: Built(rotary, qkv=nn.Linear(8, 24), head=nn.Linear(8, 3)), SEQUENCE, is_slow=True),
    Row("nn.MultiheadAttention", multihead, SEQUENCE),
    Row("nn.MultiheadAttention with dropout", lambda: multihead(dropout=0.2), SEQUENCE, is_slow=True),
    Row("nn.TransformerEncoder", lambda: encoder(dropout=0.0), SEQUENCE),
    Row("nn.TransformerEncoder with dropout, pre-norm, GELU", lambda: encoder(dropout=0.1, norm_first=True, activation="gelu"), SEQUENCE),
    Row("nn.TransformerEncoder with padding", with_padding, padded, is_slow=True),
    Row("nn.TransformerDecoderLayer", decoder, SEQUENCE, is_slow=True),
    Row("nn.Transformer", both, SEQUENCE, is_slow=True),
    Row("embedding with padding_idx", lambda: table(padding_idx=0), TOKENS, is_slow=True),
    Row(
        "embedding with max_norm",
        lambda: table(max_norm=1.0),
        TOKENS,
        looped("its forward writes into a parameter (model.table.weight)"),
        traceable=False,
    ),
    Row("EmbeddingBag", bag, TOKENS, is_slow=True),
]
