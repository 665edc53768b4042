"""Estimates of the curvature as text, for rules that need them: the draws are those of a race, step by step."""

from ravine.base._seeds import derive
from ravine.race._source_text import definition_of

IMPORTS = ("import hashlib", "import numpy as np", "import torch")

LABELS = '''def curvature(model, {batch}, t):
    """Squared gradients of the loss on labels that the model draws, times their number; buffers stay as they are."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
{seed}    output = {output}
    dim = 1 if (output.shape[0], *output.shape[2:]) == tuple(target.shape) else -1
    scores = output.detach().movedim(dim, -1)
    # The largest of scores plus Gumbel noise is a draw from their softmax.
    noise = np.random.Generator(np.random.PCG64(derive(RACE_SEED, LANE_SEED, "labels", t))).gumbel(size=tuple(scores.shape))
    labels = (scores + torch.from_numpy(noise).to(scores)).argmax(-1).to(target.dtype)
    loss = {criterion}(output, torch.where(target >= 0, labels, target))
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    with torch.no_grad():
        for buffer, values in kept:
            buffer.copy_(values)
    return {{p: (target >= 0).sum() * g * g for p, g in zip(parameters, gradients)}}'''

PRODUCTS = '''def curvature(model, {batch}, t):
    """Random signs times the Hessian's product with them, an estimate of its diagonal; buffers stay as they are."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
{seed}    loss = {criterion}({arguments})
    named = {{f"model.{{name}}": p for name, p in model.named_parameters() if p.requires_grad}}
    parameters, signs = list(named.values()), []
    for name, p in named.items():
        stream = np.random.Generator(np.random.PCG64(derive(RACE_SEED, LANE_SEED, "curvature", t, name)))
        signs.append(torch.tensor(stream.integers(0, 2, tuple(p.shape)) * 2.0 - 1.0).to(p))
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
    along = sum((g * u).sum() for g, u in zip(gradients, signs))
    products = torch.autograd.grad(along, parameters, materialize_grads=True)
    with torch.no_grad():
        for buffer, values in kept:
            buffer.copy_(values)
    return {{p: u * h for p, u, h in zip(parameters, signs, products)}}'''

SEED = 'derive(RACE_SEED, LANE_SEED, "curvature dropout", t)'


def curvature_text(*, from_labels: bool, batch: str, output: str, criterion: str, seed: str) -> tuple[str, ...]:
    """The definition of `curvature(model, batch, t)`, with what it needs.

    Args:
        from_labels: from gradients on drawn labels, not from Hessian products.
        batch: name of the batch, or of its parts, separated by commas.
        output: expression of the model's output on it; not read where `batch` is one name.
        criterion: expression of the loss function.
        seed: line that seeds what the model draws from, with `{seed}` for the seed; empty where it draws nothing.
    """
    return (
        definition_of(derive),
        (LABELS if from_labels else PRODUCTS).format(
            batch=batch,
            output=output,
            criterion=criterion,
            arguments="model, batch" if batch == "batch" else f"{output}, target",
            seed=f"    {seed.format(seed=SEED)}\n" if seed else "",
        ),
    )
