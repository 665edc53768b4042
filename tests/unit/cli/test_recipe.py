"""`ravine recipe`."""

import ast

import pytest

import ravine
from ravine.cli.main import main


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return ravine.race("line", optimizers=["sgd"], steps=4, seeds=2, lrs=[0.1], out=tmp_path_factory.mktemp("recipe") / "line.ravine").path


def test_the_script_goes_to_the_output_or_to_a_file(path, tmp_path, capsys):
    assert main(["recipe", str(path)]) == 0
    code = capsys.readouterr().out
    imported = {name.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import) for name in node.names}
    assert "torch" in imported
    assert "ravine" not in imported
    target = tmp_path / "train.py"
    assert main(["recipe", str(path), "-o", str(target)]) == 0
    assert target.read_text(encoding="utf-8").rstrip() == code.rstrip()
    assert capsys.readouterr().out == f"script  {target}\n"


def test_a_file_is_replaced_only_with_force(path, tmp_path, capsys):
    target = tmp_path / "train.py"
    target.write_text("mine")
    assert main(["recipe", str(path), "-o", str(target)]) == 2
    assert "exists; give --force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["recipe", str(path), "-o", str(target), "--force"]) == 0
    assert target.read_text() != "mine"


def test_what_the_task_file_prints_stays_out_of_the_script(tmp_path, capsys):
    (tmp_path / "noisy.py").write_text("from ravine.tasks import create\nprint('noise')\ntask = create('line')\n")
    record = tmp_path / "noisy.ravine"
    ravine.race(f"{tmp_path / 'noisy.py'}", optimizers=["sgd"], steps=2, seeds=1, lrs=[0.1], out=record)
    capsys.readouterr()
    assert main(["recipe", str(record)]) == 0
    captured = capsys.readouterr()
    assert "noise\n" in captured.err
    ast.parse(captured.out)


def test_a_record_is_never_replaced_by_a_script(path, capsys):
    before = path.read_bytes()
    assert main(["recipe", str(path), "-o", str(path), "--force"]) == 2
    assert "would be a record, not a script; give a name that ends in .py" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_script_is_a_python_file(path, tmp_path, capsys):
    assert main(["recipe", str(path), "-o", str(tmp_path / "x.html")]) == 2
    assert "x.html: a script's name must end in .py; give such a name." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_form_is_chosen_and_an_unknown_one_refused(path, capsys):
    for form, words in (("ravine", "import ravine"), ("transformers", "TrainingArguments(")):
        assert main(["recipe", str(path), "--form", form]) == 0
        code = capsys.readouterr().out
        ast.parse(code)
        assert words in code
    assert main(["recipe", str(path), "--form", "raven"]) == 2
    assert "did you mean 'ravine'" in capsys.readouterr().err
