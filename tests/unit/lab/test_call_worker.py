from ravine.base.errors import InputError, PlanError
from ravine.lab.call_worker import Call, carry_out


def answers(value):
    return value + 1


def refuses(value):
    raise InputError(f"{value} is too much.")


def refuses_twice():
    raise PlanError(["one.", "two."])


def fails():
    raise ZeroDivisionError("nothing")


def leaves():
    raise SystemExit(3)


def goes_on(tell):
    tell("half of it")
    return "all of it"


def called(monkeypatch, name, **settings):
    import sys

    monkeypatch.setitem(sys.modules, "called_module", sys.modules[__name__])
    return carry_out(Call(4, f"called_module:{name}", settings))


def test_what_a_function_returns(monkeypatch):
    found = called(monkeypatch, "answers", value=1)
    assert (found.number, found.value, found.error, found.defect) == (4, 2, "", "")


def test_what_it_has_to_say(monkeypatch):
    assert called(monkeypatch, "refuses", value=7).error == "7 is too much."
    assert called(monkeypatch, "refuses_twice").error == "one. two."


def test_whatever_else_it_raises(monkeypatch):
    assert called(monkeypatch, "fails").defect == "ZeroDivisionError: nothing"
    assert called(monkeypatch, "leaves").defect == "SystemExit: 3"
    assert called(monkeypatch, "missing").defect.startswith("AttributeError")


def test_how_far_it_is(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "called_module", sys.modules[__name__])
    told = []
    found = carry_out(Call(4, "called_module:goes_on", {}, tells=True), told.append)
    assert (found.value, [(one.number, one.words) for one in told]) == ("all of it", [(4, "half of it")])
