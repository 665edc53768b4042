import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import ravine
from ravine import Result, report
from ravine.base.errors import InputError
from ravine.cli.main import app
from ravine.records import open_record


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A short training whose optimizer lacks the last layer."""
    target = tmp_path_factory.mktemp("watched") / "run.ravine"
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    with ravine.watch(model, optimizer, record=target) as watch:
        for step in range(30):
            model.zero_grad()
            loss = (model(torch.ones(4, 3)) - 1).square().mean()
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if step % 10 == 9:
                watch.validation(loss=loss, accuracy=0.5)
    return target


def test_a_watched_training_as_text(path):
    with open_record(path) as record:
        assert report.is_watched(record)
        text = report.watched_text(record)
    assert "Sequential was trained by SGD for 30 steps." in text
    assert "error: parameters are not given to the optimizer (loading)" in text
    assert "Validation accuracy: 0.5 at first" in text


def test_the_same_as_json(path):
    with open_record(path) as record:
        values = report.watched_summary(record)
    json.dumps(values, allow_nan=False)
    assert values["findings"][0]["title"] == "parameters are not given to the optimizer"
    assert (values["training"]["steps"], values["training"]["status"]) == (30, "done")


def test_the_same_as_a_page(path, tmp_path):
    Result(path).report(tmp_path / "a.html")
    assert "parameters are not given to the optimizer" in (tmp_path / "a.html").read_text()
    with pytest.raises(InputError, match="must be a race"):
        Result(path).recipe()


def test_show_opens_it(path):
    runner = CliRunner()
    assert "was trained by SGD" in runner.invoke(app, ["show", str(path)]).output
    assert json.loads(runner.invoke(app, ["show", str(path), "--json"]).stdout)["schema"] == 1
    assert "--lanes is for races" in str(runner.invoke(app, ["show", str(path), "--lanes"]).exception)
