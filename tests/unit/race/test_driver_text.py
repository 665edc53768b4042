import pytest
import torch

from ravine.race._driver_text import DriverText, opened
from ravine.race._rule_text import RuleText
from ravine.rules import resolve


def driver(name, *, is_narrow=False, **settings):
    return DriverText(RuleText(*resolve(name, settings)), is_narrow=is_narrow)


def methods_of(text):
    return {line.split("def ")[1].partition("(")[0] for line in text.splitlines() if line.startswith("    def ")}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("lion", set()),
        ("adafactor", {"start"}),
        ("schedule_free_sgd", {"start", "average"}),
        ("momentum+sam", {"uphill"}),
        ("muon", {"start"}),
        ("adamw+clip+ema", {"start", "average"}),
    ],
)
def test_the_class_has_what_the_loop_calls_and_no_more(name, more):
    text = driver(name)
    assert methods_of(text.sections[-1]) & {"step", "start", "average", "uphill"} == more | {"step"}
    assert text.averages == ("average" in more)


def test_only_rules_that_tell_kinds_apart_are_given_them():
    assert driver("muon").first_arguments == ["model.parameters()", "parameter_kinds(model).values()"]
    assert any(section.startswith("def parameter_kinds") for section in driver("muon").sections)
    assert driver("lion").first_arguments == ["model.parameters()"]


def test_state_of_some_parameters_only_is_asked_for():
    text = driver("muon").sections[-1]
    assert (
        """        state = {"m": torch.zeros_like(p)}
        if rule.on("elementwise"):
            state["v"] = torch.zeros_like(p)
        return state"""
        in text
    )


def test_slots_of_all_axes_stand_on_one_line():
    text = driver("shampoo").sections[-1]
    assert '**{f"l{axis}": p.new_zeros(_shape(axis, 1024, 0, True, p.shape)) for axis in range(5)}' in text
    assert '**{f"r{axis}"' in text


def test_slots_that_copy_never_share_memory_with_the_weights():
    assert '"z": p.clone()' in driver("schedule_free_sgd").sections[-1]
    assert '"z": p.to(torch.float32, copy=True)' in driver("schedule_free_sgd", is_narrow=True).sections[-1]


def test_the_second_gradient_is_taken_uphill_and_everything_put_back():
    text = driver("momentum+sam", sam_rho=0.5)
    model = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), torch.nn.BatchNorm1d(1, affine=False))
    scope = {"torch": torch}
    exec("from contextlib import contextmanager\nfrom types import SimpleNamespace\n" + "\n\n".join(text.sections), scope)
    exec("\n".join(text._text.definitions.imports), scope)
    weight = model[0].weight
    optimizer = scope["SGDSAM"](model.parameters(), lr=0.1, momentum=0.9, sam_rho=0.5)
    before, weight.grad = weight.detach().clone(), torch.tensor([[3.0, 4.0]])
    with optimizer.uphill(model):
        torch.testing.assert_close(weight.detach(), before + torch.tensor([[0.3, 0.4]]))
        model(torch.ones(4, 2))
        assert model[1].num_batches_tracked == 1
    assert torch.equal(weight, before)
    assert model[1].num_batches_tracked == 0


def test_brackets_open_as_a_formatter_would_open_them():
    assert opened("    f(", ["a", "b"], ")", indent=4) == "    f(a, b)"
    long, longer = ["a" * 60, "b" * 60], ["a" * 80, "b" * 80]
    assert opened(f"    {'f' * 20}(", long, ")", indent=4) == f"    {'f' * 20}(\n        {', '.join(long)}\n    )"
    assert opened("    f(", longer, ")", indent=4) == f"    f(\n        {longer[0]},\n        {longer[1]},\n    )"
    assert opened(f"    {'f' * 20} = {{", long, "}", indent=4).endswith(f"\n        {long[1]},\n    }}")
