"""`ravine.watch`: the doctor inside of somebody else's training loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from ravine.base._checks import count
from ravine.doctor import checks_loop
from ravine.doctor import loop_parts as parts
from ravine.doctor.breaking import is_broken, place_of_break, witnesses
from ravine.doctor.checks_numbers import largest_eigenvalue
from ravine.doctor.edits import Edits
from ravine.doctor.evaluated import Start, evaluated, started
from ravine.doctor.looking import Look, bare, look_again
from ravine.doctor.loop_calls import Calls
from ravine.doctor.loop_log import Looked
from ravine.doctor.outcome import Outcome
from ravine.doctor.sampling import Measured, Sample
from ravine.doctor.watch_record import WatchRecord
from ravine.records.findings import Diagnosis, Finding

EARLY = 30
"""Looks before the first regular one, since a run that is broken is so from its first steps."""
GROWTH = 1.5
"""By how much longer the run is at each judgement: the cost of all of them grows with its length."""
SETTLED = 20
"""Looks that ask which loss is trained: a loop does not change it."""
CURVED = 10
"""Looks between two curvatures."""

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


@final
class Watch:
    """Watch a training loop: which layer, which step, what to do.

    Every `every` steps (and thirty times in the first of these) it looks at gradients, updates, units and activations by hooks that
    are gone again after the step; between, it keeps the loss. It changes no bit of the training and leaves nothing behind.
    Between looks on a GPU nothing is waited for.

    Args:
        model: that is trained; also compiled, or in DistributedDataParallel.
        optimizer: that steps it, or several.
        every: steps between two looks.
        record: file for everything seen, which `ravine show` opens; of several processes, the first writes it.
        callback: told of every finding when it arises first.
        curvature: gives the loss of some fixed batch, for the largest eigenvalue of its Hessian at every tenth look.

    Raises:
        InputError: something else than a model and optimizers, or a record that exists.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with Watch(model, optimizer) as watch:
        ...     for _ in range(4):
        ...         loss = (model(torch.ones(8, 2)) - 1).square().mean()
        ...         optimizer.zero_grad()
        ...         loss.backward()
        ...         optimizer.step()
        ...         watch.step(loss)
        >>> [finding.title for finding in watch.findings if finding.severity != "information"]
        []
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizers,
        *,
        every: int = 300,
        record: str | Path | None = None,
        callback: Callable[[Finding], object] | None = None,
        curvature: Callable[[], Tensor] | None = None,
    ) -> None:
        self._optimizers = parts.optimizers_of(optimizer)
        self._every, self._path, self._callback, self._curvature = count("every", every), record, callback, curvature
        own = bare(parts.checked(model))
        self._is_compiled = any(hasattr(part, "_orig_mod") for part in parts.around(model))
        self._root, self._own = model if self._is_compiled else own, own
        self._params, self._log = parts.begun(own, self._optimizers)
        self._log.distributed = parts.processes(model)
        self._calls = Calls(self._root, own if self._is_compiled else None, next(p.device.type for p in own.parameters()))
        self._witnesses = {id(one): witnesses(parts.stepped(self._params, one)) for one in self._optimizers}
        self._edits = Edits(list(self._params.values()))
        self._step, self._next_judgement = 0, 2
        self._pending: list[Tensor] = []
        self._outcomes: list[Outcome] = []
        self._told = set[str]()
        self._handles: list[Any] = []
        self._sample: Sample | None = None
        self._look: Look | None = None
        self._scaler: Any = None
        self._has_stepped = self._is_break_told = False
        self._record: WatchRecord | None = None
        self._average: Start | None = None

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(is_whole=kind is None)

    def begin(self) -> None:
        """Put the hooks in place; `with` does it."""
        if self._path is not None and parts.is_first():
            facts = {"name": type(self._own).__name__, "parameters": sum(p.numel() for p in self._own.parameters())}
            self._record = WatchRecord(self._path, facts, type(self._optimizers[0]).__name__, parts.highest_rate(self._optimizers))
        for optimizer in self._optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._before))
            self._handles.append(optimizer.register_step_post_hook(self._after))
        self._calls.attend([""])
        self._arm()

    def close(self, *, is_whole: bool = True) -> None:
        """Take everything away, judge the whole and finish the record; `with` does it, and a second call does nothing.

        Args:
            is_whole: whether the training came to its end.
        """
        if not self._handles:
            return
        self._disarm()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._calls.close()
        self._average = None
        self._settle()
        if self._log.broken is not None and len(self._log.losses) <= self._log.broken:
            self._log.losses.append(math.nan)
        self._log.rates.append((self._step, parts.highest_rate(self._optimizers)))
        self._log.judge_the_rest()
        self._judge(is_whole=is_whole)
        if self._record is not None:
            self._record.losses(self._log.losses)
            broken = None if self._log.broken is None else (self._log.broken, self._log.place)
            self._record.finish(self.diagnosis.summary(), broken=broken, is_whole=is_whole)
            self._record = None

    @property
    def findings(self) -> list[Finding]:
        """Most severe first, as of the last judgement: while it runs, or of the whole after it."""
        return list(self.diagnosis)

    @property
    def diagnosis(self) -> Diagnosis:
        """The findings, with the rungs that a loop shows."""
        findings = tuple(finding for outcome in self._outcomes for finding in outcome.findings)
        facts = {"name": type(self._own).__name__, "steps": self._step, "every": self._every}
        return Diagnosis(facts, findings, tuple(outcome.rung for outcome in self._outcomes))

    def step(self, loss: Tensor | float, *, scaler: Any = None, schedule: Any = None) -> None:
        """A training step has been taken: call it once for each, after `optimizer.step()`.

        Args:
            loss: of its batch, a single number; of several backward passes, any or their mean.
            scaler: the `torch.amp.GradScaler`, where there is one.
            schedule: whatever steps the rates, where there is one.

        Raises:
            InputError: the loss is no single number.
        """
        number = self._step
        self._step += 1
        self._take(loss)
        if scaler is not None:
            self._scaled(scaler, number)
        if schedule is not None:
            self._log.schedule = schedule
        self._has_stepped = False
        if self._log.broken is not None and not self._is_break_told:
            self._is_break_told = True
            self._judge()
        if self._sample is not None:
            self._read(self._sample, number)
        if self._sample is None and self._log.broken is None and self._is_due():
            self._arm()

    def validation(self, *, model: nn.Module | None = None, **values: Tensor | float) -> None:
        """Values on the validation split, such as loss=0.4, accuracy=0.9.

        Args:
            model: which was evaluated, where it is not the one that is trained but an average of its weights.
            values: by name.

        Raises:
            InputError: one is no single number.
        """
        known = {name: parts.number(name, value) for name, value in values.items()}
        self._log.validations.append((self._step, known))
        self._log.validated_at.append(parts.highest_rate(self._optimizers))
        if model is not None:
            self._average = self._average or started(model, self._own)
            self._log.evaluated.append(evaluated(model, self._own, self._average))
        if self._record is not None:
            self._record.values(self._step, "validation", known)

    def _is_due(self) -> bool:
        return self._step % self._every == 0 or (self._step < self._every and self._step % max(1, self._every // EARLY) == 0)

    def _take(self, loss: Tensor | float) -> None:
        if isinstance(loss, Tensor) and not loss.is_cpu and loss.numel() == 1:
            self._pending.append(loss.detach().reshape(()).clone())
            return
        value = parts.number("loss", loss)
        self._log.losses.append(value)
        if not math.isfinite(value) and self._log.broken is None:
            self._break(len(self._log.losses) - 1)

    def _settle(self) -> None:
        """Read losses that were left on a device."""
        if self._pending:
            values = torch.stack([loss.float() for loss in self._pending]).tolist()
            self._pending.clear()
            for value in values:
                self._take(value)

    def _scaled(self, scaler: Any, number: int) -> None:
        self._scaler, self._log.has_scaler = scaler, True
        # Asked for only where it may have changed, for a device must be waited for.
        if self._has_stepped and self._sample is None and self._log.scales:
            return
        scale = float(scaler.get_scale())
        known = self._log.scales[-1][1] if self._log.scales else scale
        if scale < known and not self._has_stepped:
            self._log.skipped.append(number)
            if self._sample is not None:
                # What came on the way to a step that was not taken is none of the next one.
                self._disarm()
                self._arm()
        if scale != known or not self._log.scales:
            self._log.scales.append((number, scale))
            if self._record is not None:
                self._record.values(number, "loss scale", {"scale": scale})

    def _arm(self) -> None:
        """Look at the next step."""
        scale = float(self._scaler.get_scale()) if self._scaler is not None else None
        self._sample = Sample(self._params, scale, is_distributed=self._log.distributed > 1)
        self._look = Look(self._root, self._sample.output if len(self._log.looks) < SETTLED else None)

    def _disarm(self) -> None:
        if self._sample is not None:
            self._sample.close()
        if self._look is not None:
            self._look.close()
        self._sample = self._look = None

    def _read(self, sample: Sample, number: int) -> None:
        """Keep what was measured of a step, once an optimizer has taken it."""
        measured = sample.read()
        if measured is None:
            return
        if self._scaler is not None and not sample.knows_scale:
            measured = replace(measured, small=None, big=None, raw=None, weight=None, squares=[])
        self._settle()
        look = self._look
        self._disarm()
        if look is not None:
            self._keep(look, measured, number)
        self._log.rates.append((number, parts.highest_rate(self._optimizers)))
        if self._log.broken is None and any(math.isinf(size) for size in measured.gradients):
            self._break(number)
        if self._curvature is not None and len(self._log.looks) % CURVED == 1:
            self._curve(self._curvature, number)
        if self._step >= self._next_judgement:
            self._next_judgement = max(self._step + self._every // EARLY, int(GROWTH * self._step))
            self._judge()

    def _keep(self, look: Look, measured: Measured, number: int) -> None:
        calls = self._calls.last()
        if look.entrances and look.entrances != self._calls.names and not self._is_compiled:
            self._calls.attend(look.entrances)
        if self._is_compiled and calls:
            asleep, look = look.asleep, look_again(self._own, [(self._own, calls[0][1])])
            look.asleep = asleep
        rows, mark = calls[0][1].rows if calls else None, self._calls.mark
        looked = Looked(number, measured, parts.highest_rate(self._optimizers), look.activations, look.asleep, rows, mark)
        self._log.looks.append(looked)
        self._log.take_flats(look.flats)
        self._log.half = self._log.half or any(given.dtype == torch.float16 for _, given in calls)
        if measured.was_edited:
            self._log.edits.append(number)
        if self._record is not None:
            self._record.losses(self._log.losses)
            self._record.look(self._log.names, looked)

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer is about to step."""
        if self._edits.found():
            self._log.edits.append(self._step)
        if self._sample is not None:
            self._sample.before(optimizer, is_closed=parts.has_closure(args, kwargs))
        # At every step: what hardly ever holds is asked first.
        if self._log.broken is None and is_broken(self._witnesses[id(optimizer)]) and parts.are_final(optimizer, args, kwargs):
            self._break(self._step)

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """It has stepped."""
        self._has_stepped = True
        if self._sample is not None:
            self._sample.after(optimizer, is_closed=parts.has_closure(args, kwargs))
        self._edits.mark()

    def _break(self, number: int) -> None:
        """Something is not finite: say where, and look no further."""
        self._log.broken = number
        seen = self._look.broken if self._look is not None else ""
        self._disarm()
        self._log.place = seen or place_of_break(self._own, self._calls.last())

    def _curve(self, curvature: Callable[[], Tensor], number: int) -> None:
        group = self._optimizers[0].param_groups[0]
        momentum = float(group.get("momentum", 0.0)) if type(self._optimizers[0]).__name__ == "SGD" else None
        value = largest_eigenvalue(_Fixed(self._own, curvature), ())
        self._log.curvatures.append((number, value, parts.highest_rate(self._optimizers), momentum))
        if self._record is not None:
            self._record.values(number, "curvature", {"lambda_max": value})

    def _judge(self, *, is_whole: bool = False) -> None:
        self._log.peak = parts.peak_rate(self._optimizers)
        # Groups may be added on the way.
        self._log.strangers = parts.strangers(self._params, self._optimizers)
        self._outcomes = checks_loop.judge(self._log, is_whole=is_whole)
        for finding in self.findings:
            if finding.title not in self._told:
                self._told.add(finding.title)
                if self._callback is not None:
                    self._callback(finding)


class _Fixed(nn.Module):
    """A loss that needs no batch."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor]) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, batch: Any) -> Tensor:
        return self._loss()
