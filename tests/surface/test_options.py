"""The commands and their options, frozen: a change here is a change of what users type."""

import typer

from ravine.cli.main import app

SURFACE = {
    "": ["--help", "--version"],
    "data": ["--help"],
    "data get": ["--folder", "--help", "NAME"],
    "doctor": [
        *("--columns", "--curve", "--force", "--help", "--html", "--json", "--lane", "--lr", "--optimizer", "--out", "--quiet"),
        *("--seed", "--seeds", "--set", "--steps", "-o", "TASK"),
    ],
    "export": ["--help", "--out", "--to", "-o", "FILE.ravine"],
    "figure": ["--help"],
    "figure depth": [
        *("--activations", "--dark", "--depth", "--force", "--help", "--initialisations", "--json", "--normalisations", "--out"),
        *("--plain", "--residual", "--seed", "--seeds", "--width", "-o"),
    ],
    "figure internals": [
        *("--dark", "--force", "--help", "--json", "--lr", "--optimizer", "--out", "--seed", "--steps", "-o", "TASK"),
    ],
    "figure loss-scaling": [
        *("--after", "--dark", "--force", "--formats", "--gradients", "--help", "--json", "--out", "--scales", "--seed", "-o", "[TASK]"),
    ],
    "figure loss-shapes": [
        *("--at", "--classes", "--dark", "--delta", "--force", "--gamma", "--help", "--json", "--losses", "--out", "--smoothing", "-o"),
    ],
    "figure memory": [
        *("--batch-size", "--bits", "--dark", "--force", "--help", "--json", "--optimizers", "--out", "--params", "--precision"),
        *("--shards", "--weights", "--zero", "-o", "[TASK]"),
    ],
    "figure schedules": ["--dark", "--force", "--help", "--horizon", "--json", "--out", "--warmup", "-o", "[NAMES]"],
    "figure time": [
        *("--cells", "--clip", "--dark", "--force", "--gains", "--help", "--json", "--no-clip", "--out", "--seed", "--seeds"),
        *("--steps", "--width", "-o"),
    ],
    "generate": ["--help", "--prompt", "--seed", "--temperature", "--tokens", "--top-k", "--top-p", "DIR|FILE"],
    "memory": [
        *("--batch-size", "--bits", "--help", "--json", "--optimizer", "--params", "--precision", "--shards", "--weights", "--zero"),
        "[TASK]",
    ],
    "lab": ["--help", "--no-open", "--port", "--task", "FILE.ravine"],
    "lessons": ["--help"],
    "lessons run": ["--all", "--force", "--full", "--help", "--json", "--out", "--quick", "-o", "NAME"],
    "optimizers": ["--help"],
    "race": [
        *(
            "--batch-size",
            "--budget",
            "--budget-gradients",
            "--configurations",
            "--dark",
            "--device",
            "--epochs",
            "--exhaustive",
            "--explain",
            "--figure",
            "--force",
            "--help",
            "--json",
            "--lrs",
            "--max-seeds",
            "--min-seeds",
            "--no-figure",
            "--nodes",
            "--optimizers",
            "--out",
            "--plan",
        ),
        *(
            "--quiet",
            "--ray",
            "--report",
            "--resume",
            "--schedule",
            "--seed",
            "--seeds",
            "--shared-lr",
            "--steps",
            "--studies",
            "--target",
            "--tune",
            "--workers",
            "TASK...",
        ),
    ],
    "range-test": [
        *("--dark", "--force", "--from", "--help", "--json", "--optimizer", "--plot", "--seed", "--seeds", "--steps", "--to", "TASK"),
    ],
    "recipe": ["--force", "--form", "--help", "--out", "-o", "FILE.ravine"],
    "report": ["--force", "--help", "--out", "-o", "FILE.ravine"],
    "schedule": [
        *("--csv", "--dark", "--every", "--force", "--help", "--horizon", "--json", "--lr", "--plot", "--set", "--warmup", "NAME"),
    ],
    "schedules": ["--help"],
    "show": ["--compare", "--csv", "--help", "--json", "--lanes", "--profile", "--studies", "FILE.ravine"],
    "surface": [
        *("--dark", "--dimensions", "--domain", "--force", "--help", "--json", "--lr", "--noise", "--of", "--optimizers", "--out"),
        *("--points", "--seed", "--span", "--start", "--steps", "--trajectory", "--tuned", "-o", "NAME|FORMULA|slice:TASK"),
    ],
    "tasks": ["--help"],
    "train": [
        *(
            "--accumulate",
            "--augment",
            "--batch-size",
            "--check",
            "--clip",
            "--compile",
            "--device",
            "--ema",
            "--epochs",
            "--evaluate-every",
        ),
        *(
            "--force",
            "--help",
            "--json",
            "--log",
            "--lr",
            "--monitor",
            "--no-check",
            "--optimizer",
            "--out",
            "--patience",
            "--precision",
            "--quiet",
        ),
        *(
            "--recipe",
            "--recompute",
            "--resume",
            "--save-every",
            "--schedule",
            "--seed",
            "--set",
            "--snapshots",
            "--steps",
            "--strategy",
            "--text",
            "--warmup",
            "--weights",
            "TASK",
        ),
    ],
}


def surface(command, context, path=""):
    """Command path -> its options, sorted, and its arguments."""
    names = []
    for parameter in command.get_params(context):
        names += [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else [parameter.metavar]
    found = {path: sorted(names)}
    for name, inner in getattr(command, "commands", {}).items():
        found |= surface(inner, context, f"{path} {name}".strip())
    return found


def test_commands_and_options_are_frozen():
    command = typer.main.get_command(app)
    with command.make_context("ravine", ["tasks"]) as context:
        assert surface(command, context) == {path: sorted(names) for path, names in SURFACE.items()}


def test_every_command_and_option_has_a_line_of_help():
    command = typer.main.get_command(app)
    with command.make_context("ravine", ["tasks"]) as context:
        pending = [command]
        while pending:
            current = pending.pop()
            assert current.help, current.name
            assert all(getattr(parameter, "help", True) for parameter in current.get_params(context)), current.name
            pending += getattr(current, "commands", {}).values()
