"""What the processes of the sharding tests do; a module of its own, for spawned processes import it by name."""

import os

import torch
from torch import distributed, nn

from ravine import optim

BF16 = torch.bfloat16
WAYS = [
    (torch.float32, {}),
    (torch.float32, {"state_dtype": "8bit"}),
    (BF16, {"weights": "master"}),
    (BF16, {"weights": "stochastic", "state_dtype": BF16}),
    (BF16, {"weights": "kahan", "driver": "per_tensor"}),
]


def model(dtype):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(128, 64), nn.Tanh(), nn.Linear(64, 5)).to(dtype)


def gradients(module, step):
    torch.manual_seed(100 + step)
    module.zero_grad()
    module(torch.randn(8, 128).to(next(module.parameters()).dtype)).square().mean().backward()


def full(value):
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def equal(one, two):
    """Whether two optimizers hold the same state, dtypes and all."""
    for left, right in zip(one.state.values(), two.state.values(), strict=True):
        assert left.keys() == right.keys()
        for key in left:
            a, b = full(left[key]), full(right[key])
            assert a.dtype == b.dtype
            assert torch.equal(a, b), key


def train_both(whole, sharded, steps):
    """The same gradients for both; the whole model's are cut into parts."""
    from torch.distributed.tensor import distribute_tensor

    (module, first), (parts, second) = whole, sharded
    for step in steps:
        gradients(module, step)
        for part, param in zip(parts.parameters(), module.parameters(), strict=True):
            part.grad = distribute_tensor(param.grad.clone(), part.device_mesh, part.placements)
        first.step()
        second.step()
    for part, param in zip(parts.parameters(), module.parameters(), strict=True):
        assert torch.equal(full(part), param)
    equal(first, second)


def fsdp(mesh, dtype, options):
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict, set_optimizer_state_dict
    from torch.distributed.fsdp import fully_shard

    def sharded():
        parts = fully_shard(model(dtype), mesh=mesh)
        return parts, optim.AdamW(parts.parameters(), lr=1e-2, **options)

    whole = model(dtype)
    pair, one = sharded(), (whole, optim.AdamW(whole.parameters(), lr=1e-2, **options))
    train_both(one, pair, range(3))
    assert all(hasattr(pair[1].state[param]["exp_avg"], "placements") for param in pair[0].parameters())
    for full_state in (False, True):
        settings = StateDictOptions(full_state_dict=full_state, cpu_offload=False)
        saved = get_optimizer_state_dict(*pair, options=settings)
        other = sharded()
        set_optimizer_state_dict(*other, saved, options=settings)
        equal(pair[1], other[1])


def ddp(dtype):
    whole, copied = model(dtype), model(dtype)
    rank = distributed.get_rank()
    parallel = nn.parallel.DistributedDataParallel(copied)
    one, two = optim.AdamW(whole.parameters(), lr=1e-2), optim.AdamW(parallel.parameters(), lr=1e-2)
    torch.manual_seed(5)
    batch = torch.randn(8, 128)
    for module, optimizer, part in ((whole, one, batch), (parallel, two, batch.chunk(2)[rank])):
        module(part).square().mean().backward()
        optimizer.step()
    for a, b in zip(whole.parameters(), copied.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def work(rank, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    mesh = distributed.device_mesh.init_device_mesh("cpu", (2,))
    for dtype, options in WAYS:
        fsdp(mesh, dtype, options)
    ddp(torch.float32)
    distributed.destroy_process_group()
