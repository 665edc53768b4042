"""Runs of W&B's offline mode, read by its own messages."""

import json
import struct
import time

PATIENCE_S = 60.0


def read_wandb(path):
    """(Name, (config, [(step, row)])) by W&B's own messages, which its log frames in blocks of 32 KiB as LevelDB does."""
    name, config, history = "", {}, []
    for message in messages(path):
        kind = message.WhichOneof("record_type")
        if kind == "run":
            name = message.run.display_name
            config |= {item.key: json.loads(item.value_json) for item in message.run.config.update}
        if kind == "history":
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in message.history.item}
            history.append((message.history.step.num, {key: float(value) for key, value in row.items() if not key.startswith("_")}))
    return name, (config, history)


def messages(path):
    """Every message of a run that has ended; W&B writes on after it says that it is done."""
    from wandb.proto import wandb_internal_pb2

    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = []
        for data in framed(path.read_bytes()):
            found.append(wandb_internal_pb2.Record())
            found[-1].ParseFromString(data)
        if "exit" in {message.WhichOneof("record_type") for message in found}:
            return found
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.05)


def framed(data, block=32768, header=7):
    """Records of a log: each part has a checksum, a length and a kind (1 whole, 2 first, 3 middle, 4 last)."""
    at, kept = header, b""
    while at + header <= len(data):
        if block - at % block < header:
            at += block - at % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if at + header + length > len(data):
            return
        kept += data[at + header : at + header + length]
        at += header + length
        if kind in (1, 4):
            yield kept
            kept = b""
