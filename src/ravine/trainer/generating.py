"""Text from a trained model of `chars`: what its files hold is enough, and none of them is executed."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.tasks._randomness import isolated
from ravine.tasks.chars import CHARACTERS, encoded
from ravine.tasks.gpt import GPT
from ravine.trainer.checkpoint import ENDING, MODEL, Checkpoint, fill, read
from ravine.trainer.sampling import Choice, draw

START = "\n"
"""What a text begins behind where nothing is given: the start of a line."""
RARE = 0
"""Number of the symbol that stands for rare characters: it is no character, and never drawn."""
LISTED = 200
"""Most characters that an error lists."""


class Writer:
    """A model that continues a text.

    Args:
        path: the folder of a training of `chars`, or a file of weights or a checkpoint in it. Of a folder, the weights that
            the training ended with, or its latest checkpoint where it has not ended.

    Attributes:
        symbols: the characters that it knows.

    Raises:
        InputError: nothing is there, or the model does not write text.
        RecordError: the file is damaged, or another program's.

    Example:
        >>> Writer("nowhere")
        Traceback (most recent call last):
        ravine.base.errors.InputError: nowhere does not exist. Give the folder (--out) of: ravine train chars.
    """

    def __init__(self, path: str | Path) -> None:
        found = read(_file(Path(path)))
        notes = found.header.get("notes", {})
        if notes.get("generates") != CHARACTERS:
            given = f"{found.path} holds a model of {found.header.get('task', 'another task')!r}, which does not write text"
            raise InputError(f"{given}. Give a training of: ravine train chars.", given=path)
        self.symbols: str = notes["symbols"]
        with isolated(0):
            self._model, self._context = GPT(len(self.symbols), *notes["shape"]).eval(), notes["shape"][-1]
        fill(self._model, _weights(found), where=str(found.path))

    def characters(self, prompt: str | None = None, *, tokens: int = 500, choice: Choice | None = None, seed: int = 0) -> Iterator[str]:
        """One character after the other, behind the prompt.

        Args:
            prompt: what the text begins with; the start of a line if None.
            tokens: how many characters.
            choice: how each is chosen; from the model's own probabilities if None.
            seed: of the draws: the same one gives the same text.

        Raises:
            InputError: the prompt is empty or holds characters that the model does not know, or an option is out of range.
        """
        if prompt is None and START not in self.symbols:
            raise InputError("prompt is missing, and the text has no lines that could begin: give a prompt (--prompt).", given=prompt)
        numbers = self._numbers(START if prompt is None else prompt)
        count("tokens", tokens)
        generator = torch.Generator().manual_seed(count("seed", seed, at_least=0))
        return self._drawn(numbers, tokens, Choice() if choice is None else choice, generator)

    def _drawn(self, numbers: list[int], tokens: int, choice: Choice, generator: torch.Generator) -> Iterator[str]:
        for _ in range(tokens):
            numbers = [*numbers[-self._context :], draw(self._logits(numbers), choice, generator)]
            yield self.symbols[numbers[-1]]

    @torch.inference_mode()
    def _logits(self, numbers: list[int]) -> Tensor:
        """Of the symbol behind these, (V,); no more of them than the context are seen."""
        logits: Tensor = self._model(torch.tensor([numbers[-self._context :]]))[0, -1]
        logits[RARE] = -torch.inf
        return logits

    def _numbers(self, prompt: str) -> list[int]:
        if not prompt:
            raise InputError("the prompt is empty. Leave it out to begin a line, or give at least one character.", given=prompt)
        numbers: list[int] = encoded(prompt, self.symbols).tolist()
        if RARE not in numbers:
            return numbers
        rare = "".join(dict.fromkeys(char for char, number in zip(prompt, numbers, strict=True) if number == RARE))
        known = self.symbols[RARE + 1 :]
        allowed = repr(known) if len(known) <= LISTED else f"{len(known):,} others"
        given = f"the prompt holds {rare!r}, which the model does not know, for its text hardly had it; it knows {allowed}"
        raise InputError(f"{given}. Give a prompt of these.", given=prompt)


def _file(path: Path) -> Path:
    """The file to read, where a folder was given."""
    training = "Give the folder (--out) of: ravine train chars."
    if not path.exists():
        raise InputError(f"{path} does not exist. {training}", given=path)
    if not path.is_dir():
        return path
    found = [path / MODEL] if (path / MODEL).exists() else sorted(path.glob(f"checkpoint-*{ENDING}"))
    if not found:
        raise InputError(f"{path} holds no training. {training}", given=path)
    return found[-1]


def _weights(found: Checkpoint) -> dict[str, Tensor]:
    """Weights alone, in float32, whatever the training computed in."""
    prefix = "model." if "optimizer" in found.header else ""
    return {name.removeprefix(prefix): tensor.float() for name, tensor in found.tensors.items() if name.startswith(prefix)}
