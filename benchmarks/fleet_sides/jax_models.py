"""The workloads in JAX, from the same weights: loss of (parameters, x, y), in every form that may be the fastest.

Layouts are those that XLA likes: weights (inputs, outputs), images with channels last.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fleet_sides.workloads import CONTEXT, DEPTH, HEADS, VOCABULARY, WIDTH


def cross_entropy(logits, target):
    return optax.softmax_cross_entropy_with_integer_labels(logits, target).mean()


def dense(activation, loss):
    def objective(p, x, y):
        for weight, bias in p[:-1]:
            x = activation(x @ weight + bias)
        return loss(x @ p[-1][0] + p[-1][1], y)

    return objective


def dense_weights(state):
    names = sorted({name.rpartition(".")[0] for name in state}, key=int)
    return [(state[f"{name}.weight"].T, state[f"{name}.bias"]) for name in names]


def convolution(x, kernel):
    """(B, H, W, C) with (3, 3, C, D)."""
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def shifted_products(x, kernel):
    """The same as one matrix product over nine shifted copies."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    columns = jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def window_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def reshaped_pool(x):
    """The same as a maximum over two axes; after a ReLU, ties (at zero) get no gradient either way."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def cnn(convolve, pool):
    def objective(p, x, y):
        for kernel, bias in p["convolutions"]:
            x = pool(jax.nn.relu(convolve(x, kernel) + bias))
        return cross_entropy(x.reshape(len(x), -1) @ p["head"][0] + p["head"][1], y)

    return objective


def cnn_weights(state):
    head = state["7.weight"].reshape(10, 16, 7, 7).transpose(2, 3, 1, 0).reshape(-1, 10)
    pairs = [(state[f"{name}.weight"].transpose(2, 3, 1, 0), state[f"{name}.bias"]) for name in ("0", "3")]
    return {"convolutions": pairs, "head": (head, state["7.bias"])}


def normed(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * weight + bias


def attention(p, x, layer):
    def heads(part):
        return part.reshape(*part.shape[:-1], HEADS, -1)

    query, key, value = (heads(part) for part in jnp.split(x @ p[f"{layer}.qkv.weight"] + p[f"{layer}.qkv.bias"], 3, axis=-1))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * (WIDTH // HEADS) ** -0.5
    causal = np.tril(np.ones((CONTEXT, CONTEXT), bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)
    return mixed @ p[f"{layer}.proj.weight"] + p[f"{layer}.proj.bias"]


def transformer(embed):
    def objective(p, x, y):
        x = embed(p["tokens.weight"], x) + p["positions.weight"]
        for layer in (f"layers.{index}" for index in range(DEPTH)):
            x = x + attention(p, normed(x, p[f"{layer}.norm1.weight"], p[f"{layer}.norm1.bias"]), layer)
            inner = normed(x, p[f"{layer}.norm2.weight"], p[f"{layer}.norm2.bias"]) @ p[f"{layer}.up.weight"] + p[f"{layer}.up.bias"]
            x = x + jax.nn.gelu(inner, approximate=False) @ p[f"{layer}.down.weight"] + p[f"{layer}.down.bias"]
        return cross_entropy(normed(x, p["norm.weight"], p["norm.bias"]) @ p["head.weight"] + p["head.bias"], y)

    return objective


def transformer_weights(state):
    embeddings = ("tokens.weight", "positions.weight")
    return {name: value.T if value.ndim == 2 and name not in embeddings else value for name, value in state.items()}


def one_hot(table, text):
    """Embedding as a product: its gradient is a product too, not a scatter."""
    return jax.nn.one_hot(text, VOCABULARY, dtype=table.dtype) @ table


def forms(workload):
    """Name -> objective, for each way of writing the workload."""
    if workload.kind == "cnn":
        return {
            "convolutions": cnn(convolution, window_pool),
            "convolutions, pools as maxima": cnn(convolution, reshaped_pool),
            "shifted products": cnn(shifted_products, reshaped_pool),
        }
    if workload.kind == "transformer":
        return {"gather": transformer(lambda table, text: table[text]), "one-hot": transformer(one_hot)}
    if workload.title.startswith("1-"):
        return {"plain": dense(jnp.tanh, lambda output, target: jnp.mean((output - target) ** 2))}
    return {"plain": dense(jax.nn.relu, cross_entropy)}


def weights(workload, model):
    """The torch model's parameters as JAX reads them."""
    state = {name: p.detach().cpu().numpy() for name, p in model.named_parameters()}
    convert = {"dense": dense_weights, "cnn": cnn_weights, "transformer": transformer_weights}[workload.kind]
    return jax.tree.map(jnp.asarray, convert(state))


def data(workload):
    x, y = (part.numpy() for part in workload.data())
    if workload.kind == "cnn":
        x = x.transpose(0, 2, 3, 1)
    return jnp.asarray(x), jnp.asarray(y.astype(np.int32) if y.dtype == np.int64 else y)
