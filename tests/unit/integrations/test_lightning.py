import importlib.util
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from doctor_tasks import blobs, network

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lightning") is None, reason="lightning is not installed: make oracles installs it"
)


@pytest.fixture(scope="module")
def fitted():
    """Fits one model, whose optimizer lacks a layer, and its healthy twin; gives callbacks and models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning

        from ravine.integrations.lightning import Watch

        class Module(lightning.LightningModule):
            def __init__(self, is_broken):
                super().__init__()
                self.net, self.is_broken = network(), is_broken

            def training_step(self, batch, _):
                return F.cross_entropy(self.net(batch[0]), batch[1])

            def validation_step(self, batch, _):
                self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

            def configure_optimizers(self):
                return torch.optim.Adam(self.net[2].parameters() if self.is_broken else self.net.parameters(), lr=1e-2)

        found = {}
        quiet = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        for name, callbacks in (("broken", [Watch(every=4)]), ("healthy", [Watch(every=4)]), ("alone", [])):
            torch.manual_seed(0)
            module = Module(name == "broken")
            rows = DataLoader(TensorDataset(*blobs(64)), batch_size=16)
            settings = {"max_epochs": 3, "accumulate_grad_batches": 2, "enable_model_summary": False}
            lightning.Trainer(callbacks=callbacks, **settings, **quiet).fit(module, rows, rows)
            found[name] = callbacks[0] if callbacks else None, module
    return found


def test_findings_come_out_of_a_fit(fitted):
    assert fitted["broken"][0].findings[0].title == "parameters are not given to the optimizer"
    assert [one for one in fitted["healthy"][0].findings if one.severity != "information"] == []


def test_a_step_of_several_batches_is_one(fitted):
    assert fitted["healthy"][0].diagnosis.task["steps"] == 6
    log = fitted["healthy"][0]._loop._log
    assert {look.measured.passes for look in log.looks} == {2}
    assert [step for step, _ in log.validations] == [2, 4, 6]


def test_modules_are_seen_although_the_module_itself_is_not_called(fitted):
    assert [seen.kind for seen in fitted["healthy"][0]._loop._log.looks[-1].activations] == ["Linear", "ReLU", "Linear"]


def test_no_bit_changes_and_nothing_is_left(fitted):
    (_, watched), (_, alone) = fitted["healthy"], fitted["alone"]
    assert all(torch.equal(p, q) for p, q in zip(watched.parameters(), alone.parameters(), strict=True))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in watched.net.modules() if isinstance(part, nn.Module))
