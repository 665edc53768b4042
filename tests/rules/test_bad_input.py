"""Bad input to the drop-in classes: one clear sentence each, with group and parameter, what is allowed and what to do."""

import copy
import re

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError


def leaf(*shape):
    return torch.nn.Parameter(torch.ones(shape))


def two_groups(**second):
    return [{"params": [("body", leaf(3))]}, {"params": [("head", leaf(2))], **second}]


def stepped(optimizer, steps=1):
    for _ in range(steps):
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.ones_like(param)
        optimizer.step()
    return optimizer


def step_in_eval_mode(kind):
    optimizer = stepped(kind([leaf(3)]))
    optimizer.eval()
    stepped(optimizer)


def load_blocks_of(size):
    weight = leaf(64, 128)
    optimizer = stepped(optim.AdamW([("layer.weight", weight)], state_dtype="8bit"))
    saved = copy.deepcopy(optimizer.state_dict())
    scale = saved["state"][0]["exp_avg_scale"]
    saved["state"][0]["exp_avg_scale"] = scale.repeat_interleave(256 // size) if size else None
    optimizer.load_state_dict(saved)


def exchanged(saver, loader):
    loader([("w", leaf(3, 3))]).load_state_dict(stepped(saver([leaf(3, 3)])).state_dict())


def load_other_shape():
    optim.AdamW([("head.bias", leaf(4))]).load_state_dict(stepped(optim.AdamW([leaf(3)])).state_dict())


def wrapped(name):
    return lambda params: optim.create(name, params)


OTHER = "another kind of optimizer saved it. Load it into that kind."
DISTANCE = "one rate is estimated for all groups, so theirs must be equal, or 0 for a group that is to stand still."
VECTOR = (
    "Muon takes at least two dimensions, unless the group has elementwise=True, which is AdamW. "
    "Use Muon(ravine.optim.muon_groups(model)) to have both groups made."
)
LARGE = "Load it into what saved it, and save it there with state_dtype=None. Blocks here have 256."
EVAL = (
    "step() after eval(), while the model holds the averaged weights: gradients belong to the weights that are trained. "
    "Call optimizer.train() before training."
)
SENTENCES = {
    "rate below 0": (
        lambda: optim.AdamW([leaf(3)], lr=-0.1),
        "lr=-0.1 for AdamW: must be at least 0 and finite. Use such a value, or leave it out.",
    ),
    "rate of a group": (
        lambda: optim.AdamW(two_groups(lr=-1.0)),
        "lr=-1.0 for AdamW, group 1: must be at least 0 and finite. Use such a value, or leave it out.",
    ),
    "beta of a group": (
        lambda: optim.AdamW(two_groups(betas=(0.9, 1.0))),
        "beta2=1.0 for AdamW, group 1: must be at least 0 and below 1. Leave it out to use the default.",
    ),
    "one beta": (lambda: optim.AdamW([leaf(3)], betas=(0.9,)), "betas=(0.9,) for AdamW: must be a pair of numbers, such as (0.9, 0.999)."),
    "no number": (
        lambda: optim.AdamW([leaf(3)], eps=float("nan")),
        "eps=nan for AdamW: must be at least 0 and finite. Leave it out to use the default.",
    ),
    "text": (lambda: optim.AdamW([leaf(3)], lr="0.1"), "lr='0.1' for AdamW: must be a number. Give one such as 0.001."),
    "truth for a number": (lambda: optim.SGD([leaf(3)], momentum=True), "momentum=True for SGD: must be a number. Give one such as 0."),
    "number for truth": (lambda: optim.AdamW([leaf(3)], amsgrad=1), "amsgrad=1 for AdamW: must be True or False."),
    "many rates": (
        lambda: optim.AdamW([leaf(3)], lr=torch.ones(2)),
        "lr for AdamW is a tensor of shape (2,): must be a number or a tensor with one element.",
    ),
    "what decay is decoupled from": (
        lambda: optim.AdamW([leaf(3)], decoupled="rate"),
        "decoupled='rate' for AdamW: must be 'lr', as in torch, or 'schedule', for a decay that the rate does not multiply. "
        "Leave it out for 'lr'.",
    ),
    "unknown keyword": (
        lambda: optim.Lion([leaf(3)], weigth_decay=0.1),
        "no setting of Lion is called 'weigth_decay'; did you mean 'weight_decay'",
    ),
    "unknown key of a group": (
        lambda: optim.Lion(two_groups(wieght_decay=0.1)),
        "no setting of Lion, group 1 is called 'wieght_decay'; did you mean 'weight_decay'",
    ),
    "unknown setting of a name": (
        lambda: optim.create("adam+clip", [leaf(3)], clip_nrom=0.1),
        "no setting of 'adam+clip' is called 'clip_nrom'; did you mean 'clip_norm'",
    ),
    "unknown optimizer": (lambda: optim.create("adamm", [leaf(3)]), "no optimizer is called 'adamm'; did you mean 'adam'"),
    "unknown wrapper": (lambda: optim.create("adam+clp", [leaf(3)]), "no wrapper (in 'adam+clp') is called 'clp'; did you mean 'clip'?"),
    "unknown driver": (lambda: optim.Adam([leaf(3)], driver="foraech"), "no driver is called 'foraech'; did you mean 'foreach'?"),
    "vector for Muon": (
        lambda: optim.Muon([{"params": [("w", leaf(3, 3)), ("bias", leaf(3))]}]),
        f"parameter 'bias' of group 0 has shape (3,): {VECTOR}",
    ),
    "unnamed vector for Muon": (
        lambda: optim.Muon([{"params": [leaf(3, 3)]}, {"params": [leaf(2, 2), leaf(5)]}]),
        f"parameter 1 of group 1 has shape (5,): {VECTOR}",
    ),
    "Schedule-Free in eval mode": (lambda: step_in_eval_mode(optim.AdamWScheduleFree), f"AdamWScheduleFree, group 0: {EVAL}"),
    "Schedule-Free SGD in eval mode": (lambda: step_in_eval_mode(optim.SGDScheduleFree), f"SGDScheduleFree, group 0: {EVAL}"),
    "Sophia-G without curvature": (
        lambda: stepped(optim.SophiaG([leaf(3)]), 11),
        "SophiaG, group 0: 10 steps without any estimate of the curvature: must have one every 10 steps or so. "
        "Call update_curvature(sampled_cross_entropy(model(inputs))) before the step.",
    ),
    "Sophia-H without curvature": (
        lambda: stepped(optim.SophiaH([leaf(3)]), 11),
        "SophiaH, group 0: 10 steps without any estimate of the curvature: must have one every 10 steps or so. "
        "Call update_curvature(loss) before loss.backward().",
    ),
    "curvature of another shape": (
        lambda: optim.SophiaH([("w", leaf(3))]).update_curvature(products=[torch.ones(4)]),
        "a tensor of shape (4,) for parameter 'w' of group 0, whose shape is (3,): must be equal. "
        "Give one a parameter, in the order of the groups.",
    ),
    "Sophia in wrappers": (
        lambda: optim.create("sophia_g+clip", [leaf(3)]),
        "'sophia_g+clip' needs curvature, which only the class of 'sophia_g' itself takes: must be used without wrappers. "
        "Race it, or leave the wrappers out.",
    ),
    "Prodigy with differing rates": (
        lambda: stepped(optim.Prodigy(two_groups(lr=0.5))),
        f"lr=0.5 for Prodigy, group 1, where group 0 has lr=1: {DISTANCE} Scale all of them with a schedule.",
    ),
    "D-Adaptation with differing rates": (
        lambda: stepped(optim.DAdaptAdam(two_groups(lr=0.5))),
        f"lr=0.5 for DAdaptAdam, group 1, where group 0 has lr=1: {DISTANCE} Give factors between groups as layer_scale.",
    ),
    "Prodigy with differing estimates": (
        lambda: optim.Prodigy(two_groups(d0=0.5)),
        "d0=0.5 for Prodigy, group 1, where group 0 has d0=1e-06: must be equal, since one rate is estimated for all groups. Give it once.",
    ),
    "8-bit state in other blocks": (
        lambda: load_blocks_of(64),
        f"exp_avg of parameter 'layer.weight' of group 0 in the state dict has torch.int8 codes in blocks of 64. {LARGE}",
    ),
    "8-bit state without scales": (
        lambda: load_blocks_of(0),
        f"exp_avg of parameter 'layer.weight' of group 0 in the state dict has torch.int8 codes in blocks of unknown size. {LARGE}",
    ),
    "unknown state format": (
        lambda: optim.AdamW([leaf(3)], state_dtype="4bit"),
        "state_dtype='4bit' for AdamW: must be None, torch.bfloat16 or '8bit'. Leave it out for float32.",
    ),
    "checkpoint of our SGD": (
        lambda: exchanged(optim.SGD, optim.AdamW),
        f"the state dict is of 'sgd' and this AdamW is 'adamw': {OTHER}",
    ),
    "checkpoint of torch's SGD": (
        lambda: exchanged(torch.optim.SGD, optim.AdamW),
        f"AdamW, group 0 of the state dict has no 'betas': {OTHER}",
    ),
    "checkpoint of torch's AdamW in Adam": (
        lambda: exchanged(torch.optim.AdamW, optim.Adam),
        f"Adam, group 0 of the state dict has decoupled_weight_decay=True: {OTHER}",
    ),
    "checkpoint of torch's Adam in AdamW": (
        lambda: exchanged(torch.optim.Adam, optim.AdamW),
        f"AdamW, group 0 of the state dict has decoupled_weight_decay=False: {OTHER}",
    ),
    "checkpoint of torch's Adamax in Adam": (
        lambda: exchanged(torch.optim.Adamax, optim.Adam),
        f"the state of parameter 'w' of group 0 in the state dict has no 'exp_avg_sq', which 'adam' keeps: {OTHER}",
    ),
    "checkpoint of a wrapped optimizer": (
        lambda: exchanged(wrapped("adamw+clip"), optim.AdamW),
        f"the state dict is of 'adamw+clip' and this AdamW is 'adamw': {OTHER}",
    ),
    "checkpoint in a wrapped optimizer": (
        lambda: exchanged(optim.AdamW, wrapped("adamw+clip")),
        "the state dict is of 'adamw' and this optimizer is 'adamw+clip': they must be equal. "
        "Build the optimizer as it was built when saving.",
    ),
    "checkpoint of other groups": (
        lambda: optim.AdamW(two_groups()).load_state_dict(optim.AdamW([leaf(3)]).state_dict()),
        "the state dict has groups of [1] parameters and this AdamW has [1, 1]: they must be equal. "
        "Build the optimizer as it was built when saving.",
    ),
    "checkpoint of another shape": (
        load_other_shape,
        "exp_avg of parameter 'head.bias' of group 0 in the state dict is (3,): must be a tensor of shape (4,). "
        "Load it into the model it was saved with.",
    ),
    "SAM without a closure": (
        lambda: stepped(optim.create("sgd+sam", [leaf(3)])),
        "step() of 'sgd+sam' without a closure: it takes two gradients. Pass a function that computes both loss and them.",
    ),
    "an average around an average": (
        lambda: optim.create("schedule_free_sgd+ema", [leaf(3)]),
        "'ema' cannot stand around 'schedule_free_sgd' (in 'schedule_free_sgd+ema'): it is evaluated at an average of its own. "
        "Put 'ema' further to the front, or leave one of the two out.",
    ),
}
"""What is done -> how the error begins; a sentence that ends in a stop is all there is."""


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is_clear(name):
    act, sentence = SENTENCES[name]
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}" + ("$" if sentence.endswith((".", "?")) else "")):
        act()


def test_a_refused_group_leaves_the_optimizer_as_it_was():
    optimizer = optim.Muon([leaf(3, 3)])
    with pytest.raises(InputError):
        optimizer.add_param_group({"params": [leaf(3)]})
    assert len(optimizer.param_groups) == 1
    stepped(optimizer)
