import gc
import importlib.util
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from doctor_tasks import blobs, network

MISSING = [name for name in ("transformers", "accelerate") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason="transformers or accelerate is not installed: make oracles installs them")


class Rows(torch.utils.data.Dataset):
    def __init__(self):
        self.x, self.y = blobs(64)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return {"x": self.x[place], "labels": self.y[place]}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains one model, whose optimizer lacks a layer, and its healthy twin; gives callbacks and models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import Trainer, TrainingArguments

        from ravine.integrations.transformers import Watch

        found = {}
        settings = {"max_steps": 6, "per_device_train_batch_size": 16, "report_to": [], "use_cpu": True, "save_strategy": "no", "seed": 1}
        for name, callbacks in (("broken", [Watch(every=4)]), ("healthy", [Watch(every=4)]), ("alone", [])):
            torch.manual_seed(0)
            model = Net()
            given = model.net[2] if name == "broken" else model
            optimizer = torch.optim.Adam(given.parameters(), lr=1e-2)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
            arguments = TrainingArguments(str(tmp_path_factory.mktemp(name)), disable_tqdm=True, **settings)
            Trainer(model, arguments, train_dataset=Rows(), callbacks=callbacks, optimizers=(optimizer, schedule)).train()
            found[name] = callbacks[0] if callbacks else None, model
    return found


def test_findings_come_out_of_a_training(trained):
    assert trained["broken"][0].findings[0].title == "parameters are not given to the optimizer"
    assert [one for one in trained["healthy"][0].findings if one.severity != "information"] == []


def test_every_step_and_its_loss_are_seen(trained):
    log = trained["healthy"][0]._loop._log
    assert len(log.losses) == 6
    assert log.losses[-1] < log.losses[0]
    assert log.schedule is not None


def test_no_bit_changes_and_nothing_is_left(trained):
    (_, watched), (_, alone) = trained["healthy"], trained["alone"]
    assert all(torch.equal(p, q) for p, q in zip(watched.parameters(), alone.parameters(), strict=True))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in watched.modules())


def hooks(model):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


def forgotten(callback, model, optimizer):
    del callback
    gc.collect()


def closed(callback, model, optimizer):
    callback.close()
    assert callback.diagnosis.task["steps"] == 1


def begun_anew(callback, model, optimizer):
    before = hooks(model)
    callback.on_train_begin(None, None, None, model=model, optimizer=optimizer)
    assert hooks(model) == before
    callback.on_train_end(None, None, None)


@pytest.mark.parametrize("afterwards", [forgotten, closed, begun_anew])
def test_nothing_is_left_of_a_training_that_raised(trained, afterwards):
    from ravine.integrations.transformers import Watch

    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    made = [Watch(every=1)]
    made[0].on_train_begin(None, None, None, model=model, optimizer=optimizer)
    model(*blobs(8))["loss"].backward()
    optimizer.step()
    made[0].on_step_end(None, None, None)
    assert hooks(model) > 1
    afterwards(made.pop(), model, optimizer)
    assert hooks(model) == 0
    assert not optimizer._optimizer_step_pre_hooks
