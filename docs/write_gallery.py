"""Write docs/figures.md and its pictures, every picture by the very command that stands beside it.

Names of pictures after the script's own restrict it to these; all of them take minutes.
"""

import contextlib
import math
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer
from PIL import Image

import ravine
from ravine.cli.main import main as run_command
from ravine.report import read_facts
from ravine.report.drawing import save
from ravine.report.lane_figures import lane_panels
from ravine.report.seed_figure import reached_by_seed, seeds_figure

PAGE = Path(__file__).with_name("figures.md")
IMAGES = PAGE.parent / "images"
WIDEST = 1000
"""Pixels."""
STEP = 4
"""Of 256 levels of each colour: nobody sees so little, and files are smaller by a third."""

INTRODUCTION = """# The figures

All that `ravine` draws, each with the command that makes it. A name's ending decides: PNG, SVG or PDF, and JSON for the numbers behind
most of them; `--dark` draws on a dark ground. In every figure an optimiser has the same colour, a curve differs
from its neighbours in dash and mark as well, and no colour has to be seen for the figure to be read. What cannot be written is refused
before the work begins.

This page and its pictures are written by `make gallery`.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure.

    Attributes:
        name: of its picture.
        title: of its section.
        text: what it shows.
        command: what makes it, with the picture named NAME.png; another page's or report's where `made_here` is false.
        made_here: whether this script runs the command.
    """

    name: str
    title: str
    text: str
    command: str
    made_here: bool = True


FIGURES = (
    Shown(
        "digits",
        "A race",
        "The loss of each optimiser at its own rate, and the final loss against the rate: how much it matters, and where it diverges.",
        "ravine race digits --optimizers sgd,momentum,rmsprop,adam,adamw,lion --seeds 5 --out digits.ravine --figure",
        made_here=False,
    ),
    Shown(
        "lanes",
        "Every lane of an optimiser",
        "In the report: all rates that were tried, those that diverged crossed where they broke, the ranked ones strong.",
        "ravine report digits.ravine -o report.html",
    ),
    Shown(
        "seeds",
        "Steps to the target, seed by seed",
        "In the report: a dot for each fresh seed and a tick for the median, and a place of its own for never.",
        "ravine report digits.ravine -o report.html",
    ),
    Shown(
        "schedules",
        "Schedules",
        "All fifteen side by side, each with its own defaults.",
        "ravine figure schedules -o schedules.png",
        made_here=False,
    ),
    Shown(
        "schedule",
        "One schedule",
        "The rate at every step, with its warm-up.",
        "ravine schedule cosine --warmup 50 --horizon 1000 --lr 3e-4 --plot schedule.png",
    ),
    Shown(
        "range-test",
        "A range test",
        "The loss while the rate rises, on several seeds: where it begins to fall and where it diverges bound the rate.",
        "ravine range-test digits --optimizer sgd --plot range-test.png",
    ),
    Shown(
        "curve",
        "A run's curve",
        "The doctor's reading of a loss that any tool has logged.",
        "ravine doctor --curve losses.csv -o curve.png",
    ),
    Shown(
        "surface",
        "A race over a ravine",
        "Each optimiser at its own rate on a function of two numbers, and the height above the minimum at each step.",
        "ravine surface ravine --optimizers sgd,momentum,rmsprop,adam,lion --tuned -o surface.png",
    ),
    Shown(
        "surface-dark",
        "A race over a formula of one's own",
        "Any formula in x and y; here all at one rate, on a dark ground.",
        'ravine surface "x**4 + y**2 - x**2*y" --optimizers sgd,momentum,adam --lr 0.05 --start 1.5,-1 --domain=-2,2,-1.5,2 '
        "--dark -o surface-dark.png",
    ),
    Shown(
        "slice",
        "The loss around a trained model",
        "Along two random directions that are scaled filter by filter.",
        "ravine surface slice:digits --points 31 -o slice.png",
    ),
    Shown(
        "loss-shapes",
        "Loss shapes",
        "Six losses against the probability of the true class: at p = 0.01 cross-entropy is 4.61 and squared error 0.98, and on a sure "
        "mistake cross-entropy and its relatives alone push the logit.",
        "ravine figure loss-shapes -o loss-shapes.png",
    ),
    Shown(
        "loss-scaling",
        "Loss scaling",
        "Which gradients fp16, bf16 and fp8 hold, by real casts: a scale of 2^15 moves fp16 to where gradients are, bf16 needs none.",
        "ravine figure loss-scaling -o loss-scaling.png",
    ),
    Shown(
        "gradients",
        "A model's own gradients",
        "The same for every gradient of a model, with the share that survives on the right.",
        "ravine figure loss-scaling digits --after 50 -o gradients.png",
    ),
    Shown(
        "depth",
        "Depth",
        "Activations and gradients through fifty layers: sigmoids vanish, ReLU under He's initialisation is level, and normalisation makes "
        "the initialisation matter less.",
        "ravine figure depth -o depth.png",
    ),
    Shown(
        "time",
        "Time",
        "Gradients back through a hundred steps of recurrent networks: clipping tames what explodes and leaves vanished what vanished.",
        "ravine figure time -o time.png",
    ),
    Shown(
        "memory",
        "Memory",
        "Bytes per parameter by optimiser, precision, 8-bit state and ZeRO stage; `ravine memory` prints them for any number or task "
        "([more](memory.md)).",
        "ravine figure memory -o memory.png",
    ),
    Shown(
        "internals",
        "An optimiser from inside",
        "One run of Adam: its moments, the effective rate of each entry (plain SGD has one for all), and how far a step moves the weights.",
        "ravine figure internals digits --optimizer adam --dark -o internals.png",
    ),
    Shown("power", "Power", "How many seeds a difference needs, by simulation ([more](power.md)).", "make power-page", made_here=False),
)


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *map(section, FIGURES)])


def section(shown: Shown) -> str:
    """One figure: its title, what it shows, the command and the picture."""
    return f"## {shown.title}\n\n{shown.text}\n\n```sh\n{shown.command}\n```\n\n![{shown.title}](images/{shown.name}.png)\n"


def draw(names: set[str]) -> None:
    """Make these pictures, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_losses(Path("losses.csv"))
        if names & {"lanes", "seeds"}:
            draw_panels()
        for shown in FIGURES:
            if shown.name in names and shown.made_here:
                if not shown.command.startswith("ravine report"):
                    run(shown.command)
                shrink(Path(f"{shown.name}.png"), IMAGES / f"{shown.name}.png")


def run(command: str) -> None:
    """Run one command of ravine's."""
    typer.echo(command)
    status = run_command(shlex.split(command)[1:])
    if status:
        sys.exit(status)


def write_losses(path: Path) -> None:
    """A curve with a spike and a plateau, as a run might have logged it."""
    rows = ["step,loss"]
    for step in range(400):
        wobble = 0.03 * math.sin(1.7 * step) + 0.02 * math.sin(0.61 * step)
        rows.append(f"{step},{0.4 + 1.9 * math.exp(-step / 60) + wobble + (3.0 if step == 240 else 0.0):.4f}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def draw_panels() -> None:
    """The figures that only the report has, from a race of their own."""
    options = {"optimizers": ["sgd", "momentum", "adam", "lion"], "steps": 300, "seeds": 5, "exhaustive": True}
    with ravine.race("digits", **options).record() as record:
        facts = read_facts(record)
        save(next(figure for name, figure, _ in lane_panels(record, facts) if name == "momentum"), Path("lanes.png"))
        save(seeds_figure(facts, reached_by_seed(record, facts)), Path("seeds.png"))


def shrink(source: Path, target: Path) -> None:
    """A picture at most so wide, for the page; its colours stay, since they mean something."""
    with Image.open(source) as picture:
        whole = picture.convert("RGB")
    if whole.width > WIDEST:
        whole = whole.resize((WIDEST, round(whole.height * WIDEST / whole.width)), Image.Resampling.LANCZOS)
    levels = [min(255, round(level / STEP) * STEP) for level in range(256)]
    whole.point(levels * 3).save(target, optimize=True)


def main(arguments: list[str]) -> None:
    """Write the page, and the pictures that are named, or all."""
    known = {shown.name for shown in FIGURES if shown.made_here}
    unknown = sorted(set(arguments) - known)
    if unknown:
        sys.exit(f"no picture is called {unknown[0]!r}; known: {', '.join(sorted(known))}.")
    PAGE.write_text(page(), encoding="utf-8")
    draw(set(arguments) or known)


if __name__ == "__main__":
    main(sys.argv[1:])
