import pytest
import torch

from ravine.base.errors import InputError
from ravine.optim import AdamW, _state, _storage, quantised
from ravine.rules.adagrad import Adagrad
from ravine.rules.adam import Adam
from ravine.rules.sgd import SGD

PARAM = torch.nn.Parameter(torch.ones(2, 3, dtype=torch.bfloat16))


def test_fresh_state_has_every_slot_in_float32():
    state = {}
    _state.prepare(state, PARAM, Adam(amsgrad=True), {})
    assert list(state) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert state["exp_avg"].shape == PARAM.shape
    assert not state["exp_avg"].requires_grad
    assert all(value.count_nonzero() == 0 for value in state.values())


def test_a_slot_starts_at_its_hyper():
    state = {}
    _state.prepare(state, PARAM, Adagrad(), {"initial": 0.5})
    assert state["sum"].unique().tolist() == [0.5]


def test_memory_format_is_the_parameters():
    param = torch.nn.Parameter(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last))
    state = {}
    _state.prepare(state, param, Adam(), {})
    assert state["exp_avg"].stride() == param.stride()


def test_what_exists_is_kept():
    state = {"step": torch.tensor(7.0), "exp_avg": torch.ones(2, 3), "exp_avg_sq": torch.ones(2, 3)}
    moments = state["exp_avg"]
    _state.prepare(state, PARAM, Adam(amsgrad=True), {})
    assert state["exp_avg"] is moments
    assert state["step"] == 7.0
    assert state["max_exp_avg_sq"].count_nonzero() == 0


def test_momentum_switched_on_late_begins_with_its_first_step():
    state = {"step": torch.tensor(7.0)}
    _state.prepare(state, PARAM, SGD(), {})
    assert state["step"] == 7.0
    _state.prepare(state, PARAM, SGD(buffered=True), {})
    assert state["step"] == 0.0


def test_a_buffer_without_a_count_is_not_at_its_first_step():
    state = {"momentum_buffer": torch.ones(2, 3)}
    _state.prepare(state, PARAM, SGD(buffered=True), {})
    assert state["step"] == 1.0


def test_loading_keeps_float32_and_copies():
    saved = {"step": 3, "exp_avg": torch.full((2, 3), 1 + 2**-20), "exp_avg_sq": torch.ones(2, 3, dtype=torch.bfloat16), "mine": [1]}
    state = _state.load(saved, PARAM, Adam, where="parameter 0")
    assert state["step"].dtype == torch.float32
    assert state["step"].shape == ()
    assert state["exp_avg"].unique().tolist() == [1 + 2**-20]
    assert state["exp_avg_sq"].dtype == torch.float32
    assert state["exp_avg"].data_ptr() != saved["exp_avg"].data_ptr()
    assert state["mine"] == [1]
    assert state["mine"] is not saved["mine"]


def test_loading_keeps_foreign_tensors_as_they_are():
    saved = {"extra": torch.ones(5, dtype=torch.int64)}
    state = _state.load(saved, PARAM, Adam, where="parameter 0")
    assert state["extra"].dtype == torch.int64
    assert state["extra"] is not saved["extra"]


def test_a_buffer_saved_as_none_is_missing():
    assert _state.load({"momentum_buffer": None}, PARAM, SGD, where="parameter 0") == {}


@pytest.mark.parametrize("value", [torch.ones(3, 2), 1.0])
def test_a_foreign_shape_is_refused(value):
    with pytest.raises(InputError, match=r"exp_avg of parameter 4 of group 1 in the state dict is .*: must be a tensor of shape \(2, 3\)"):
        _state.load({"exp_avg": value}, PARAM, Adam, where="parameter 4 of group 1")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")
@pytest.mark.parametrize(("rows", "world", "is_coded"), [(128, 2, True), (66, 2, False), (64, 4, False)])
def test_codes_that_one_process_wrote_are_read_into_shards(rows, world, is_coded):
    """Shards that whole blocks fill, that begin within a block, and that are too small for codes.

    Always the last process's: torch remembers by the mesh which shard a process has.
    """
    from torch.distributed.tensor import Shard, distribute_tensor
    from torch.testing._internal.distributed.fake_pg import FakeStore

    whole, gradient = torch.nn.Parameter(torch.ones(rows, 128)), torch.randn(rows, 128, generator=torch.Generator().manual_seed(0))
    optimizer = AdamW([whole], state_dtype="8bit")
    whole.grad = gradient
    optimizer.step()
    saved = optimizer.state_dict()["state"][0]
    torch.distributed.init_process_group("fake", rank=world - 1, world_size=world, store=FakeStore())
    try:
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (world,))

        def cut(tensor):
            return distribute_tensor(tensor.detach(), mesh, [Shard(0)], src_data_rank=None)

        param = torch.nn.Parameter(cut(whole))
        # As a checkpoint is read: what is shaped like the weight in shards, the scales whole.
        parts = {name: cut(value) if value.shape == whole.shape else value for name, value in saved.items()}
        found = _state.load(parts, param, Adam, where="weight", storage=_storage.Storage("8bit"))
        for name in ("exp_avg", "exp_avg_sq"):
            expected = cut(quantised.decode(saved[name], saved[f"{name}_scale"])).to_local()
            own = found[name].to_local()
            assert (f"{name}_scale" in found, own.dtype != torch.float32) == (is_coded, is_coded)
            assert torch.equal(quantised.decode(own, found[f"{name}_scale"].to_local()) if is_coded else own, expected)
    finally:
        torch.distributed.destroy_process_group()
