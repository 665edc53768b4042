"""The lowest rung: whether the task runs at all, and whether training reaches everything that it should."""

import traceback
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.base.errors import DataError, RavineError, TaskError
from ravine.doctor import checks_data, checks_model, structure
from ravine.doctor.outcome import Outcome, judged
from ravine.doctor.probe import Reading, probe
from ravine.doctor.subject import Subject, variant
from ravine.fleet.data import duplicate, size
from ravine.records.findings import Finding
from ravine.tasks import Task
from ravine.tasks._randomness import isolated
from ravine.tasks.finiteness import BEFORE
from ravine.tasks.splits import first_line

LOADING = "loading"
LARGE = 100.0
"""Root mean square of the inputs above which they are not scaled: a hundred times what initialisations suppose."""
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
RANDOM = "parameters stay at their random values"
UNSCALED = "inputs are not scaled"
CONSTANT = "inputs are the same in every row"
_KARPATHY = "Karpathy (2019), A recipe for training neural networks"
_LECUN = "LeCun et al. (1998), Efficient BackProp, section 4.3"


def runnable(task: Task) -> tuple[Task, list[Finding]]:
    """The task, without metrics where one of them fails, and what was found on the way.

    Args:
        task: anything that `ravine.Task` accepted.

    Raises:
        Blocked: nothing of it can be run.
    """
    try:
        _ = task.data
        bare = variant(task, metrics={}, rank_by="loss")
        bare.check()
    except Exception as error:  # whatever the user's model or data raises is what this rung is for
        raise Blocked(_refused(error)) from error
    try:
        task.check()
    except TaskError as error:
        found = _finding("a metric cannot be used", str(error), "a 0-d tensor for every batch", _where(error), "Correct the metric.")
        return bare, [found]
    return task, []


class Blocked(RavineError):
    """Nothing of a task can be run.

    Attributes:
        finding: why.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.measured)
        self.finding = finding


def _refused(error: Exception) -> Finding:
    text = str(error) if isinstance(error, RavineError) else f"{type(error).__name__}: {first_line(error)}"
    if BEFORE in text:
        remedy = "Look at the named place for a division by zero, the log or root of zero, or an overflow."
        return Finding("error", "initial loss", "the loss is not finite before any step", text, "a finite number", _KARPATHY, "", remedy)
    title = "the data cannot be used" if isinstance(error, DataError) else "the task does not run"
    return _finding(title, text, "one batch forwards and backwards", _where(error), "Correct what the sentence names.")


def _where(error: BaseException) -> str:
    """The line of the user's that raised: the last frame outside of ravine and torch."""
    cause = error.__cause__ if isinstance(error, RavineError) else error
    frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
    own = [frame for frame in frames if not any(part in frame.filename for part in ("/ravine/", "/torch/", "<frozen"))]
    return f"line {own[-1].lineno} of {own[-1].filename}: {own[-1].line}" if own else ""


def _finding(title: str, measured: str, threshold: str, where: str, remedy: str, *, severity: Any = "error") -> Finding:
    return Finding(severity, LOADING, title, measured, threshold, _KARPATHY, where, remedy)


def loading(subject: Subject, before: list[Finding]) -> Outcome:
    """The rung `loading`, of a task that runs.

    Args:
        subject: what is examined.
        before: what was found while it was made to run.
    """
    reading = probe(subject.objective(), subject.batch)
    found = [*before, *_parameters(subject, reading), *_edited(subject), *_modes(reading), *_layers(subject)]
    found += [*_inputs(subject), *_labels(subject), *checks_data.data(subject), *checks_model.model(subject)]
    sizes = subject.task.data.sizes
    rows = ", ".join(f"{count:,} {name}" for name, count in sizes.items() if count)
    count = sum(p.numel() for p in subject.model().parameters() if p.requires_grad)
    return judged(LOADING, f"{rows} rows; {count:,} parameters; batches of {subject.batch_size}", found)


def _parameters(subject: Subject, reading: Reading) -> Iterator[Finding]:
    idle = [name for name, norm in reading.gradients.items() if norm is None]
    if idle:
        remedy = "Use them in forward() (look for .detach(), torch.no_grad() or .data on the way), or delete them."
        yield _finding(
            "parameters get no gradient", f"{len(idle)} of {len(reading.gradients)} parameters", "none", structure.few(idle), remedy
        )
    model = subject.model()
    hidden = structure.unregistered(model)
    if hidden:
        remedy = "Hold modules in nn.ModuleList or nn.ModuleDict, and tensors in nn.Parameter: self.layers = nn.ModuleList(layers)"
        yield _finding("tensors are not registered with the model", f"{len(hidden)} tensors", "none", structure.few(hidden), remedy)
    for names in structure.repeated(model):
        remedy = "Build a new one for each place: nn.ModuleList(make() for _ in range(n)), not [layer] * n."
        yield _finding("one parameter stands at several places", f"{len(names)} names", "one", " = ".join(names), remedy)
    drawn, kept = structure.frozen_at_random(subject.model)
    if drawn:
        remedy = "Leave requires_grad as it is, or give it weights that were trained."
        yield _finding(
            RANDOM,
            f"{len(drawn)} with requires_grad=False that every seed draws anew",
            "none",
            structure.few(drawn),
            remedy,
            severity="warning",
        )
    if kept:
        yield _finding(
            "parameters are not trained", f"{len(kept)} with requires_grad=False", "", structure.few(kept), "", severity="information"
        )


def _modes(reading: Reading) -> Iterator[Finding]:
    if reading.not_training:
        remedy = "Call model.train() before each epoch, and no eval() inside forward(); a layer meant to stay so overrides train()."
        where, measured = structure.few(reading.not_training), f"{len(reading.not_training)} modules in evaluation mode after model.train()"
        yield _finding("modules are in evaluation mode while training", measured, "none", where, remedy, severity="warning")


def _edited(subject: Subject) -> Iterator[Finding]:
    objective = subject.objective()
    # An embedding with max_norm renews its rows on purpose.
    own = {id(module.weight) for module in objective.modules() if isinstance(module, nn.Embedding) and module.max_norm is not None}
    trained = [(name, p) for name, p in objective.model.named_parameters() if p.requires_grad and id(p) not in own]
    held = [(name, p, p.detach().clone()) for name, p in trained]
    with isolated(0), torch.enable_grad():
        objective(duplicate(subject.batch))
    moved = [name for name, p, old in held if not torch.equal(p.detach(), old)]
    if moved:
        remedy = "Compute with a changed copy: weight = self.weight * 0.9; edit weights after optimizer.step(), not in forward()."
        measured, where = f"{len(moved)} of {len(held)} parameters after one forward", structure.few(moved)
        yield _finding("the forward changes the weights", measured, "none", where, remedy)


def _layers(subject: Subject) -> Iterator[Finding]:
    model = subject.model()
    strong = structure.strong_dropout(model)
    if strong:
        measured = ", ".join(f"{share:g}" for share in list(strong.values())[:3])
        remedy = "nn.Dropout takes the share that it drops: nn.Dropout(0.1) to 0.5."
        title, source = "dropout drops nearly everything", "Srivastava et al. (2014), Dropout, section 7.3; decision 0019"
        yield Finding("warning", LOADING, title, measured, f"{structure.STRONG:g}", source, structure.few(strong), remedy)
    norms = [name for name, module in model.named_modules() if isinstance(module, _BATCH_NORMS) and module.training]
    if norms and subject.batch_size == 1:
        remedy = "Use larger batches, or nn.GroupNorm or nn.LayerNorm, which look at one row alone."
        title, source = "batches of one under BatchNorm", "Wu and He (2018), Group normalization, arXiv:1803.08494"
        yield Finding("warning", LOADING, title, "batch_size 1", "2, better 16", source, structure.few(norms), remedy)


def _inputs(subject: Subject) -> Iterator[Finding]:
    is_own = subject.task.step is not None
    parts = subject.train if is_own else subject.train[:-1]
    for path, leaf in pytree.tree_flatten_with_path(parts)[0]:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            continue
        # A step takes inputs and targets as it likes.
        where = f"{'part' if is_own else 'input'} {pytree.keystr(path)} of the batch, with rows of {tuple(leaf.shape[1:])}"
        if size(leaf) > 1 and bool((leaf == leaf[:1]).all()):
            yield _finding(CONSTANT, f"{size(leaf):,} equal rows", "rows that differ", where, "Look at what fills this tensor.")
            continue
        scale = float(leaf.float().square().mean().sqrt())
        if scale > LARGE:
            remedy = "Standardise with the training split: x = (x - x_train.mean(0)) / x_train.std(0)"
            title, threshold = UNSCALED, f"at most {LARGE:g}; about 1 is best"
            yield Finding("warning", LOADING, title, f"a root mean square of {scale:.3g}", threshold, _LECUN, where, remedy)


def _labels(subject: Subject) -> Iterator[Finding]:
    target = subject.target
    if not isinstance(target, Tensor) or not subject.has_classes or target.is_floating_point():
        return
    output = subject.output(subject.batch, subject.model())
    if not isinstance(output, Tensor) or output.ndim < 2:
        return
    seen, classes = torch.unique(target), output.shape[1] if output.ndim == 2 else output.shape[-1]
    if int(seen[0]) == 1 and int(seen[-1]) == classes - 1 and len(seen) == classes - 1:
        remedy = "Number the classes from 0: y = y - 1, and give the model one output less."
        measured = f"labels 1 to {classes - 1} for {classes} outputs"
        yield _finding("labels begin at 1", measured, f"0 to {classes - 1}", "the targets", remedy, severity="warning")
