"""One lane's parameters laid end to end, with their optimiser slots: an element rule runs once and not once a tensor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ravine.fleet.stacking import compute_dtype
from ravine.rules import Rule, Slot
from ravine.tasks.kinds import Kind


@dataclass(slots=True)
class Block:
    """Parameters that are updated together.

    Attributes:
        storage: their values; the parameters are views of it.
        members: which parameters, by position.
        slots: symbol -> tensor of the storage's shape, in the compute dtype.
        age: updates taken, the rule's t. Parameters without a gradient are left out of a step, as in torch.optim.
    """

    storage: Tensor
    members: list[int]
    slots: dict[str, Tensor]
    age: int = 0


def is_joinable(rule: Rule) -> bool:
    """Whether a rule may see all parameters as one: it works element by element, whatever a parameter is for."""
    return rule.granularity == "element" and type(rule).part is Rule.part


def lay_out(parameters: Sequence[nn.Parameter], rule: Rule, hypers: Mapping[str, float], kinds: Sequence[Kind]) -> list[Block]:
    """Blocks of a model: one a dtype for rules that may see all parameters as one, else one a parameter.

    Args:
        parameters: trainable ones; they become views of the blocks.
        rule: of the lane.
        hypers: by symbol.
        kinds: of each parameter.
    """
    if is_joinable(rule):
        dtypes = dict.fromkeys(p.dtype for p in parameters)
        groups = [[index for index, p in enumerate(parameters) if p.dtype == dtype] for dtype in dtypes]
        storages = [_join(parameters, members) for members in groups]
    else:
        groups = [[index] for index in range(len(parameters))]
        storages = [p.data for p in parameters]
    return [
        Block(storage, members, {slot.symbol: start(slot, storage, hypers) for slot in rule.part(kinds[members[0]]).active_slots})
        for storage, members in zip(storages, groups, strict=True)
    ]


def separate(block: Block, parameters: Sequence[nn.Parameter], present: Sequence[bool]) -> list[Block]:
    """The block, cut in two if some of its parameters have a gradient and some have none.

    Args:
        block: used up if it is cut.
        parameters: all parameters of the lane.
        present: for each parameter, whether it has a gradient.
    """
    if len({present[index] for index in block.members}) == 1:
        return [block]
    sizes = [parameters[index].numel() for index in block.members]
    # A slot that is one number holds for all members, and for both parts.
    numbers = {symbol: slot for symbol, slot in block.slots.items() if slot.shape != block.storage.shape}
    split = {symbol: torch.split(slot, sizes) for symbol, slot in block.slots.items() if symbol not in numbers}
    pieces = {symbol: dict(zip(block.members, parts, strict=True)) for symbol, parts in split.items()}
    result = []
    for wanted in (True, False):
        members = [index for index in block.members if present[index] == wanted]
        slots = {symbol: torch.cat([piece[index] for index in members]) for symbol, piece in pieces.items()}
        slots |= {symbol: number.clone() for symbol, number in numbers.items()}
        result.append(Block(_join(parameters, members), members, slots, block.age))
    return result


def save_blocks(blocks: Sequence[Block]) -> dict[str, Tensor]:
    """Everything that blocks hold, under flat names."""
    saved: dict[str, Tensor] = {}
    for index, block in enumerate(blocks):
        saved |= {f"block.{index}.slot.{symbol}": slot for symbol, slot in block.slots.items()}
        saved[f"block.{index}.values"] = block.storage
        saved[f"block.{index}.members"], saved[f"block.{index}.age"] = torch.tensor(block.members), torch.tensor(block.age)
    return saved


def restore_blocks(parameters: Sequence[nn.Parameter], rule: Rule, saved: Mapping[str, Tensor]) -> list[Block]:
    """Blocks as `save_blocks` found them, however they had been separated; the parameters take their values.

    Args:
        parameters: all parameters of the lane.
        rule: its rule.
        saved: what `save_blocks` returned, among other things.
    """
    blocks: list[Block] = []
    while f"block.{len(blocks)}.values" in saved:
        prefix = f"block.{len(blocks)}."
        members = saved[prefix + "members"].tolist()
        storage = _join(parameters, members) if is_joinable(rule) else parameters[members[0]].data
        storage.copy_(saved[prefix + "values"])
        held = [name for name in saved if name.startswith(f"{prefix}slot.")]
        slots = {name.removeprefix(f"{prefix}slot."): saved[name].to(storage.device, copy=True) for name in held}
        blocks.append(Block(storage, members, slots, int(saved[prefix + "age"])))
    return blocks


def _join(parameters: Sequence[nn.Parameter], members: Sequence[int]) -> Tensor:
    """One tensor of several parameters, which become views of it, so that writing it moves the module."""
    storage = torch.cat([parameters[index].detach().reshape(-1) for index in members])
    offset = 0
    for index in members:
        p = parameters[index]
        p.data = storage[offset : offset + p.numel()].view(p.shape)
        offset += p.numel()
    return storage


def start(slot: Slot, storage: Tensor, hypers: Mapping[str, float]) -> Tensor:
    """A slot of a block before the first step."""
    dtype = compute_dtype(storage)
    if slot.copies:
        return storage.to(dtype, copy=True)
    return torch.full(slot.shape_for(storage.shape), float(hypers[slot.fill]) if slot.fill else 0.0, dtype=dtype, device=storage.device)
