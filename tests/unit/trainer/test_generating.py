"""A model learns a text of one sentence, and writes it."""

import re

import pytest
import torch

import ravine
from ravine.base.errors import InputError, RecordError
from ravine.trainer import Choice, Writer
from ravine.trainer.generating import START

LINE = "to be or not to be?\n"
# The context shares no factor with the line, so that a row may begin anywhere in it.
OPTIONS = "layers=1,heads=2,width=32,context=17"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("chars")
    (place / "line.txt").write_text(LINE * 100)
    ravine.train(f"chars:{place}/line.txt,{OPTIONS}", steps=80, lr=1e-2, evaluate_every=80, out=place / "trained")
    return place / "trained"


def text(path, prompt=None, **options):
    return "".join(Writer(path).characters(prompt, **options))


def test_it_writes_what_it_learnt(folder):
    assert text(folder, tokens=2 * len(LINE), choice=Choice(top_k=1)) == 2 * LINE
    # Longer than the context, of which only the end is seen.
    assert text(folder, prompt=LINE + LINE + "to be o", tokens=4, choice=Choice(temperature=1e-6)) == "r no"


def test_the_same_seed_writes_the_same_and_another_something_else(folder):
    hot = Choice(temperature=5.0)
    assert text(folder, choice=hot, tokens=30) == text(folder, choice=hot, tokens=30)
    assert text(folder, choice=hot, tokens=30) != text(folder, choice=hot, tokens=30, seed=1)


def test_the_symbol_of_rare_characters_is_never_drawn(folder):
    writer = Writer(folder)
    assert set("".join(writer.characters(tokens=300, choice=Choice(temperature=1e6)))) == set(writer.symbols) - {"\ufffd"}


def test_the_callers_random_stream_and_gradients_stay(folder):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    characters = Writer(folder).characters(tokens=2)
    next(characters)
    assert torch.ones(1, requires_grad=True).exp().requires_grad
    next(characters)
    assert torch.equal(before, torch.get_rng_state())


def test_every_file_of_a_training_will_do(folder, tmp_path):
    files = sorted(folder.glob("*.safetensors"))
    assert [path.name for path in files] == ["best.safetensors", "checkpoint-000000080.safetensors", "model.safetensors"]
    greedy = Choice(top_k=1)
    assert {text(path, tokens=10, choice=greedy) for path in files} == {LINE[:10]}
    # A training that has not ended holds checkpoints alone.
    (tmp_path / files[1].name).write_bytes(files[1].read_bytes())
    assert text(tmp_path, tokens=10, choice=greedy) == LINE[:10]


def test_weights_in_bfloat16(tmp_path, folder):
    ravine.train(f"chars:{folder.parent}/line.txt,{OPTIONS}", steps=1, precision="pure_bf16", out=tmp_path / "half")
    assert len(text(tmp_path / "half", tokens=5)) == 5


def test_another_text_is_no_training_to_go_on_with(tmp_path, folder):
    other = tmp_path / "other.txt"
    other.write_text(LINE[::-1] * 100)
    with pytest.raises(InputError, match=r"is of other data: its note 'text' is '[0-9a-f]+' and this task's is '[0-9a-f]+'\."):
        ravine.train(f"chars:{other},{OPTIONS}", steps=80, lr=1e-2, evaluate_every=80, out=folder, resume=True)


@pytest.mark.parametrize(
    ("prompt", "options", "sentence"),
    [
        ("to zé", {}, "the prompt holds 'zé', which the model does not know, for its text hardly had it; it knows '\\n ?benort'. Give"),
        ("", {}, "the prompt is empty. Leave it out to begin a line"),
        (None, {"tokens": 0}, "tokens=0: must be a whole number, at least 1"),
        (None, {"seed": -1}, "seed=-1: must be a whole number, at least 0"),
    ],
)
def test_unusable_options(folder, prompt, options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        text(folder, prompt, **options)


def test_what_is_no_such_training(tmp_path, folder):
    with pytest.raises(InputError, match=r"nowhere does not exist\. Give the folder \(--out\) of: ravine train chars\."):
        Writer(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no training\. Give the folder"):
        Writer(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(RecordError, match=r"a\.txt cannot be read .*is no checkpoint"):
        Writer(tmp_path / "a.txt")
    ravine.train("line", steps=1, out=tmp_path / "line")
    with pytest.raises(InputError, match=r"model\.safetensors holds a model of 'line', which does not write text\. Give a training"):
        Writer(tmp_path / "line")


def test_a_text_without_lines_needs_a_prompt(tmp_path):
    (tmp_path / "flat.txt").write_text("to be or not to be? " * 100)
    ravine.train(f"chars:{tmp_path}/flat.txt,{OPTIONS}", steps=1, out=tmp_path / "flat")
    assert START not in Writer(tmp_path / "flat").symbols
    with pytest.raises(InputError, match=r"the text has no lines.* give a prompt"):
        text(tmp_path / "flat")
    assert len(text(tmp_path / "flat", "to", tokens=3)) == 3
