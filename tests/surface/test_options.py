"""The commands and their options, frozen: a change here is a change of what users type."""

import typer

from ravine.cli.main import app

SURFACE = {
    "": ["--help", "--version"],
    "data": ["--help"],
    "data get": ["--folder", "--help", "NAME"],
    "export": ["--help", "--out", "--to", "-o", "FILE.ravine"],
    "optimizers": ["--help"],
    "race": [
        *(
            "--batch-size",
            "--device",
            "--epochs",
            "--exhaustive",
            "--explain",
            "--figure",
            "--force",
            "--help",
            "--json",
            "--lrs",
            "--no-figure",
            "--optimizers",
            "--out",
        ),
        *("--quiet", "--report", "--resume", "--schedule", "--seed", "--seeds", "--shared-lr", "--steps", "--target", "--workers", "TASK"),
    ],
    "recipe": ["--force", "--help", "--out", "-o", "FILE.ravine"],
    "report": ["--force", "--help", "--out", "-o", "FILE.ravine"],
    "schedules": ["--help"],
    "show": ["--compare", "--csv", "--help", "--json", "--lanes", "--profile", "FILE.ravine"],
    "tasks": ["--help"],
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
