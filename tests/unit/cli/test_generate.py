"""`ravine generate`, and `ravine train chars --text`, in this process."""

import pytest

from ravine.cli.main import main
from ravine.trainer import Writer

TASK = "chars:layers=1,heads=1,width=8,context=4"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("text")
    (place / "a.txt").write_text("abc\n" * 300)
    arguments = ["train", TASK, "--text", str(place / "a.txt"), "--steps", "2", "--out", str(place / "trained"), "--quiet"]
    assert main(arguments) == 0
    return place


def test_the_text_is_the_prompt_and_what_follows(trained, capsys):
    folder = str(trained / "trained")
    assert main(["generate", folder, "--tokens", "7", "--seed", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == "".join(Writer(folder).characters(tokens=7, seed=2)) + "\n"
    assert main(["generate", folder, "--prompt", "cab", "--tokens", "3", "--top-k", "2", "--top-p", "0.5", "--temperature", "0.1"]) == 0
    assert capsys.readouterr().out.startswith("cab")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--temperature", "0"], "ravine: temperature=0.0: must be above 0 and finite. For the likeliest symbol each time, use top_k=1."),
        (["--top-k", "0"], "ravine: top_k=0: must be a whole number, at least 1."),
        (["--prompt", "xa"], "ravine: the prompt holds 'x', which the model does not know"),
    ],
)
def test_unusable_options(trained, options, sentence, capsys):
    assert main(["generate", str(trained / "trained"), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(sentence)


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("line", "ravine: --text {file} with line: it is for chars only. Leave it out, or train chars."),
        ("own.py", "ravine: --text {file} with own.py: it is for chars only."),
        ("chars:other.txt", "ravine: --text {file} with chars:other.txt: the text is given twice. Leave one out."),
    ],
)
def test_a_text_for_what_learns_none(trained, task, sentence, capsys):
    assert main(["train", task, "--text", str(trained / "a.txt")]) == 2
    assert capsys.readouterr().err.startswith(sentence.format(file=trained / "a.txt"))
