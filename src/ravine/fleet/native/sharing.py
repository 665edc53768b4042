"""Which outputs of a graph may lie in the memory of an input: those whose every element is read before it is written."""

from collections.abc import Sequence

from ravine.fleet.native.loops import Loop, Recorder, loop_indices
from ravine.fleet.native.lowering import Lowering
from ravine.fleet.native.values import Buffer


def sharable(low: Lowering, pairs: Sequence[tuple[int, int]]) -> frozenset[int]:
    """The outputs that may share memory with their inputs.

    Args:
        low: statements in their final order.
        pairs: number of an output, and of the input that it would overwrite; no input twice.
    """
    return frozenset(out for out, given in pairs if _is_sharable(low, low.outputs[out], low.inputs[given]))


def _is_sharable(low: Lowering, out: Buffer, given: Buffer) -> bool:
    if (out.size, out.dtype) != (given.size, given.dtype):
        return False
    writers = [number for number, statement in enumerate(low.statements) if out in statement.writes]
    readers = [number for number, statement in enumerate(low.statements) if given in statement.reads]
    if len(writers) != 1 or any(number > writers[0] for number in readers):
        return False
    writer = low.statements[writers[0]]
    return writers[0] not in readers or (isinstance(writer, Loop) and _reads_what_it_stores(writer, out, given))


def _reads_what_it_stores(loop: Loop, out: Buffer, given: Buffer) -> bool:
    """Whether a nest reads of `given` only the element that it stores to `out`, and not for the first time after that."""
    target = next(store for store in loop.stores if store.target.buffer is out)
    if target.kind != "store":
        return False
    own = target.target.address(loop_indices(target.target.shape))
    was_read = was_written = False
    for store in loop.stores:
        recorder = Recorder()
        store.value.at(recorder, loop_indices(store.value.shape))
        addresses = {address for buffer, address in recorder.loads if buffer is given}
        # What has been read once in an iteration stays in a local variable.
        if given in recorder.tables or addresses - {own} or (addresses and was_written and not was_read):
            return False
        was_read, was_written = was_read or bool(addresses), was_written or store is target
    return True
