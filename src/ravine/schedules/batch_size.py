"""How a learning rate is carried from one batch size to another."""

import math

from ravine.base._checks import count, number, unknown_name

RULES = ("linear", "sqrt")


def scaled_lr(lr: float, old_batch: int, new_batch: int, rule: str = "linear") -> float:
    """The learning rate for another batch size, as a starting point: only a race tells whether it is the best.

        linear    lr * new / old          for SGD: as much progress per example while the batch is small beside the noise scale
        sqrt      lr * sqrt(new / old)    for Adam and its kin, whose step does not grow with the gradient; the first advice for SGD

    Args:
        lr: the rate at the old batch size, above 0.
        old_batch: rows of a step.
        new_batch: rows of a step.
        rule: "linear" or "sqrt".

    Raises:
        InputError: a number outside its interval.
        UnknownNameError: no such rule.

    Example:
        >>> scaled_lr(0.1, 256, 8192), scaled_lr(1e-3, 64, 256, rule="sqrt")
        (3.2, 0.002)

    References:
        Linear: Goyal et al. (2017), Accurate, large minibatch SGD, arXiv:1706.02677, section 2.1.
        Square root: Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997,
        section 5; for adaptive methods Malladi et al. (2022), On the SDEs and scaling rules for adaptive gradient
        algorithms, arXiv:2205.10287, which scales the betas and eps as well.
    """
    number("lr", lr, above=0, below=math.inf, do="Give the rate that is used at the old batch size.")
    ratio = count("new_batch", new_batch) / count("old_batch", old_batch)
    if rule not in RULES:
        raise unknown_name("rule for batch sizes", rule, RULES, do="SGD takes 'linear', Adam takes 'sqrt'.")
    return lr * (ratio if rule == "linear" else math.sqrt(ratio))
