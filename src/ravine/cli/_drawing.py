"""Where a figure of numbers goes: a picture, JSON, or the terminal alone."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _files

Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.png|svg|pdf|json", help="Draw it, or write its numbers.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file at --out.")]
Dark = Annotated[bool, typer.Option("--dark", help="On a dark ground.")]
Json = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON (schema 1), and nothing else, on the standard output.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png|svg|pdf", help="Draw it.")]
ForcePlot = Annotated[bool, typer.Option("--force", help="Replace an existing file at --plot.")]

NUMBERS = ".json"
PICTURES = (".pdf", ".png", ".svg")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of a figure once it is computed; made before, so that what cannot be written is refused at once.

    Attributes:
        out: the file; None for none.
        force: whether it may replace one.
        is_dark: whether the picture is dark.
        as_json: whether the terminal gets JSON.
        films: further endings that `draw` can write.

    Raises:
        InputError: a file that cannot be written, of no format of a figure, or an option without effect.
    """

    out: Path | None
    force: bool
    is_dark: bool
    as_json: bool
    films: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.out is None:
            given = "--force" if self.force else "--dark" if self.is_dark else ""
            if given:
                raise InputError(f"{given} has no effect without --out. Leave it out, or give --out.")
            return
        ending = self.out.suffix.lower()
        known = (NUMBERS, *PICTURES, *self.films)
        if ending not in known and not self.out.is_dir():
            raise InputError(f"{self.out}: a figure's name must end in {', '.join(known)}; give such a name.", given=self.out)
        if ending == NUMBERS and self.is_dark:
            raise InputError(f"--dark has no effect on the numbers in {self.out}. Leave it out, or give a picture's name.")
        _files.check_new(self.out, force=self.force)

    def deliver(self, text: Callable[[], str], summary: Mapping[str, Any], draw: Callable[[Path, str], object]) -> None:
        """Write and print.

        Args:
            text: for the terminal.
            summary: plain values.
            draw: draws into a file, in a theme.
        """
        if self.out is not None:
            if self.out.suffix.lower() == NUMBERS:
                with _files.whole(self.out) as draft:
                    draft.write_text(_dumped(summary) + "\n", encoding="utf-8")
            else:
                draw(self.out, "dark" if self.is_dark else "light")
        typer.echo(_dumped(summary) if self.as_json else text())
        if self.out is not None:
            typer.echo(f"figure  {self.out}", err=self.as_json)


@dataclass(frozen=True, slots=True)
class Plotted:
    """A picture beside a table; made before either is computed, so that what cannot be written is refused at once.

    Attributes:
        plot: the file; None for none.
        force: whether it may replace one.
        is_dark: whether it is dark.

    Raises:
        InputError: a file that cannot be written, of no format of a figure, or an option without effect.
    """

    plot: Path | None
    force: bool
    is_dark: bool

    def __post_init__(self) -> None:
        if self.plot is None:
            given = "--force" if self.force else "--dark" if self.is_dark else ""
            if given:
                raise InputError(f"{given} has no effect without --plot. Leave it out, or give --plot.")
            return
        if self.plot.suffix.lower() not in PICTURES and not self.plot.is_dir():
            raise InputError(f"{self.plot}: a figure's name must end in {', '.join(PICTURES)}; give such a name.", given=self.plot)
        _files.check_new(self.plot, force=self.force, option="another --plot")

    def draw(self, figure: Callable[[Path, str], object]) -> None:
        """Have it drawn, into its file and in its theme, where one is wanted."""
        if self.plot is not None:
            figure(self.plot, "dark" if self.is_dark else "light")

    def tell(self, *, is_message: bool) -> None:
        """Say where it lies."""
        if self.plot is not None:
            typer.echo(f"figure  {self.plot}", err=is_message)


def _dumped(summary: Mapping[str, Any]) -> str:
    return json.dumps(summary, allow_nan=False, indent=2)
