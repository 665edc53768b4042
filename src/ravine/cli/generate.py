"""`ravine generate`."""

from pathlib import Path
from typing import Annotated

import typer

from ravine.cli import _values

Trained = Annotated[Path, typer.Argument(metavar="DIR|FILE", help="What `ravine train chars` wrote: its folder, or a file in it.")]
Prompt = Annotated[str | None, typer.Option(metavar="TEXT", help="What the text begins with; else the start of a line.")]
Tokens = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="How many characters.")]
Temperature = Annotated[
    float, typer.Option(metavar="T", parser=_values.number, help="Above 0; below 1 likely characters become likelier still.")
]
TopK = Annotated[int | None, typer.Option(metavar="K", parser=_values.whole_number, help="Draw from the K likeliest characters only.")]
TopP = Annotated[
    float | None, typer.Option(metavar="P", parser=_values.number, help="Draw from the fewest that together have this probability.")
]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of the draws; the same one gives the same text.")]


def generate(
    trained: Trained,
    *,
    prompt: Prompt = None,
    tokens: Tokens = 500,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = 0,
) -> None:
    """Continue a text with a model that `ravine train chars` has trained."""
    from ravine.trainer.generating import Writer
    from ravine.trainer.sampling import Choice

    choice = Choice(temperature, top_k, top_p)
    text = Writer(trained).characters(prompt, tokens=tokens, choice=choice, seed=seed)
    typer.echo(prompt or "", nl=False)
    for character in text:
        typer.echo(character, nl=False)
    typer.echo()
