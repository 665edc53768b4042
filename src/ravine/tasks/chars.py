"""`chars`: a small GPT learns to continue a text, character by character."""

import hashlib
import platform
import sys
import sysconfig
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ravine.base._checks import count
from ravine.base.errors import DataError, InputError
from ravine.tasks import metrics
from ravine.tasks._task import IMPORTS, Sources, Task
from ravine.tasks.gpt import GPT, Attention, Block

STANDARD = "stdlib"
"""Stands for the standard library's own source where a file may be named."""
CHARACTERS = "characters"
"""Value of the note `generates`: what a model of this task writes."""


def read_text(path: str) -> str:
    """The text of a file; of "stdlib", the standard library's modules of one file each, by name, up to 4,000,000 characters."""
    if path != "stdlib":
        return Path(path).read_text(encoding="utf-8")
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"), key=lambda file: file.name)
    names = sys.stdlib_module_names
    return "".join(file.read_text(encoding="utf-8") for file in files if file.stem in names)[:4_000_000]


def divided(text: str) -> tuple[str, str, str]:
    """Train, validation and test: the last two are a twentieth of the text each, at most 32,768 characters, from its end."""
    held_out = min(len(text) // 20, 32_768)
    first, second = len(text) - 2 * held_out, len(text) - held_out
    return text[:first], text[first:second], text[second:]


def alphabet(text: str) -> str:
    """The symbols of a text: U+FFFD, which stands for every rare character, then those that occur ten times, by code point."""
    counts = np.bincount(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32))
    return "\ufffd" + "".join(chr(code) for code in np.flatnonzero(counts >= 10) if code != 0xFFFD)


def encoded(text: str, symbols: str) -> torch.Tensor:
    """The number of every character among the symbols, 0 for those that are not there; (T,)."""
    codes, known = (np.frombuffer(part.encode("utf-32-le"), dtype=np.uint32) for part in (text, symbols))
    numbers = np.zeros(0x110000, dtype=np.int64)
    numbers[known] = np.arange(len(known))
    return torch.from_numpy(numbers[codes])


def chars_splits(path: str, context: int) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test: rows of `context` characters, one after the other, and the characters that follow each."""
    parts = divided(read_text(path))
    rows = []
    for part in parts:
        numbers = encoded(part, alphabet(parts[0]))
        length = (len(numbers) - 1) // context * context
        rows.append((numbers[:length].view(-1, context), numbers[1 : length + 1].view(-1, context)))
    return tuple(rows)


def token_cross_entropy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over rows and time of -ln of the target's probability, from logits, (B, T, V), and numbers, (B, T)."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


token_cross_entropy.is_cross_entropy = True  # type: ignore[attr-defined]  # so that the best constant output is known


def chars(text: str = STANDARD, layers: int = 4, heads: int = 4, width: int = 128, context: int = 64) -> Task:
    """A small GPT continues a text, by default Python's own standard library, or text=FILE.

    Pre-norm, causal attention, the table of symbols shared with the output layer. The standard library is that of the Python
    that runs: only losses from the same version compare.
    """
    for name, value in (("layers", layers), ("heads", heads), ("width", width)):
        count(name, value)
    count("context", context, at_least=2)
    if width % heads:
        raise InputError(f"width={width} with heads={heads}: every head takes an equal share of the width. Use a multiple.", given=width)
    content = _checked(text, context)
    symbols, shape = alphabet(divided(content)[0]), (layers, heads, width, context)
    source = f"the source of Python {platform.python_version()}'s standard library" if text == STANDARD else Path(text).name
    return Task(
        "chars",
        partial(GPT, len(symbols), *shape),
        load=partial(chars_splits, text, context),
        loss=token_cross_entropy,
        metrics={"bits_per_character": metrics.bits_per_symbol, "accuracy": metrics.accuracy},
        batch_size=32,
        sources=Sources(
            (read_text, divided, alphabet, encoded, chars_splits, Attention, Block, GPT, token_cross_entropy),
            model=f"GPT({len(symbols)}, {', '.join(map(str, shape))})",
            data=f"chars_splits({text!r}, {context})",
            loss="token_cross_entropy",
            imports=("import sys", "import sysconfig", "from pathlib import Path", "", *IMPORTS),
        ),
        description=f"a GPT of {layers} layers and width {width} continues {source}",
        notes={
            "generates": CHARACTERS,
            "text": hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
            "symbols": symbols,
            "shape": list(shape),
        },
    )


def _checked(path: str, context: int) -> str:
    """The text, if it is one that can be learnt from."""
    given = f"text={path}"
    try:
        content = read_text(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{given}: byte {error.start} is no UTF-8. Convert the file, as with: iconv -t UTF-8.") from error
    except OSError as error:
        raise DataError(f"{given} cannot be read ({error.strerror or error}). Give the path of a text file.") from error
    # Two rows are the least that validation and test can be measured on.
    needed = 20 * (2 * context + 1)
    if len(content) < needed:
        what = "holds no modules as files, for Python was installed without them" if path == STANDARD and not content else ""
        remedy = "Give text=FILE" if what else "Give a longer text, or a smaller context"
        raise DataError(f"{given} {what or f'holds {len(content):,} characters: must be {needed:,} for a context of {context}'}. {remedy}.")
    return content
