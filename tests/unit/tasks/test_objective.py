import pytest
import torch
from torch import nn
from torch.nn import functional

from ravine.base.errors import TaskError
from ravine.tasks import Objective, Task, metrics

PAIR = (torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2)


def task(**changes):
    parts = {"loss": functional.cross_entropy, "metrics": {"accuracy": metrics.accuracy}} | changes
    return Task("t", lambda: nn.Linear(3, 2), PAIR, PAIR, **parts)


def test_the_loss_and_with_evaluate_every_metric():
    own = task()
    objective = Objective(own.build(0), own)
    output = objective.model(PAIR[0])
    assert torch.equal(objective(PAIR), functional.cross_entropy(output, PAIR[1]))
    values = objective(PAIR, evaluate=True)
    assert list(values) == ["loss", "accuracy"]
    assert torch.equal(values["loss"], objective(PAIR))
    assert torch.equal(values["accuracy"], metrics.accuracy(output, PAIR[1]))


def test_a_step_sees_the_model_and_the_whole_batch_and_so_do_its_metrics():
    own = task(
        loss=None,
        step=lambda model, batch: functional.cross_entropy(model(batch["x"]), batch["y"]),
        metrics={"size": lambda model, batch: batch["x"].abs().mean()},
    )
    batch = {"x": PAIR[0], "y": PAIR[1]}
    objective = Objective(own.build(0), own)
    assert torch.equal(objective(batch), functional.cross_entropy(objective.model(PAIR[0]), PAIR[1]))
    assert objective(batch, evaluate=True)["size"] == PAIR[0].abs().mean()


def test_what_a_step_takes_out_of_its_batch_is_there_for_the_next_call():
    def popped(model, batch):
        return functional.cross_entropy(model(batch["x"]), batch.pop("y"))

    own = task(loss=None, step=popped, metrics={"again": popped})
    batch = {"x": PAIR[0], "y": PAIR[1]}
    objective = Objective(own.build(0), own)
    values = objective(batch, evaluate=True)
    assert torch.equal(values["loss"], values["again"])
    assert torch.equal(objective(batch), values["loss"])


def test_parameters_carry_the_prefix_and_functional_call_works_under_vmap_and_grad():
    own = task()
    objective = Objective(own.build(0), own)
    assert [name for name, _ in objective.named_parameters()] == ["model.weight", "model.bias"]
    lanes = {name: torch.stack([value.detach(), value.detach() * 2]) for name, value in objective.named_parameters()}

    def loss(parameters, batch):
        return torch.func.functional_call(objective, parameters, (batch,))

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(lanes, PAIR)
    objective(PAIR).backward()
    torch.testing.assert_close(gradients["model.weight"][0], objective.model.weight.grad)
    values = torch.func.vmap(lambda p: torch.func.functional_call(objective, p, (PAIR,), {"evaluate": True}))(lanes)
    assert values["accuracy"].shape == (2,)


def test_several_inputs_are_the_models_arguments():
    own = Task("t", lambda: nn.Bilinear(3, 3, 2), (PAIR[0], *PAIR), (PAIR[0], *PAIR), functional.cross_entropy)
    objective = Objective(own.build(0), own)
    assert torch.equal(objective((PAIR[0], *PAIR)), functional.cross_entropy(objective.model(PAIR[0], PAIR[0]), PAIR[1]))


@pytest.mark.parametrize(("batch", "kind"), [({"x": PAIR[0]}, "a dict of 1"), ((PAIR[0],), "a tuple of 1"), (PAIR[0], "a Tensor")])
def test_a_loss_needs_a_target(batch, kind):
    own = task()
    with pytest.raises(TaskError, match=f"a batch is {kind}: with loss= it must be a tuple"):
        Objective(own.build(0), own)(batch)
