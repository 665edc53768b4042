"""The exception tree. Every error of ravine is a `RavineError` and also the built-in a caller would expect.

RavineError
├── InputError (ValueError)            an argument, option or file of the user's is unusable
│   ├── UnknownNameError (LookupError) a name that is not registered
│   └── PlanError                      several problems of one plan, reported together
├── TaskError (ValueError)             the user's task cannot be loaded or run
├── DataError (ValueError)             a data set is malformed, empty or holds NaN
│   └── DataNotFoundError (FileNotFoundError)
├── RecordError (ValueError)           a `.ravine` file is corrupt, foreign or cannot be written
│   └── RecordVersionError             written by a newer ravine
├── DivergedError (ArithmeticError)     a training came to a number that is not finite
└── MissingExtraError (ImportError)    an optional dependency is not installed
"""

from collections.abc import Sequence


class RavineError(Exception):
    """Root of every error that ravine raises on purpose; `str(error)` is one clear sentence."""


class InputError(RavineError, ValueError):
    """An argument is unusable.

    Attributes:
        given: the offending value, where there is one.
    """

    def __init__(self, message: str, *, given: object = None) -> None:
        super().__init__(message)
        self.given = given


class UnknownNameError(InputError, LookupError):
    """A registry has no such name.

    Attributes:
        given: the unknown name.
        nearest: registered names that resemble it, best first.
    """

    def __init__(self, message: str, *, given: str, nearest: Sequence[str]) -> None:
        super().__init__(message, given=given)
        self.nearest = tuple(nearest)


class PlanError(InputError):
    """One plan, several problems.

    Attributes:
        problems: one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class TaskError(RavineError, ValueError):
    """The user's task cannot be loaded or run; the cause is chained where there is one."""


class DataError(RavineError, ValueError):
    """A data set is malformed, empty or holds non-finite numbers."""


class DataNotFoundError(DataError, FileNotFoundError):
    """A data set is not where it was looked for; the message says how to get it."""


class RecordError(RavineError, ValueError):
    """A `.ravine` file is corrupt, foreign, or cannot be read or written."""


class RecordVersionError(RecordError):
    """A record of a newer schema.

    Attributes:
        found: schema number of the file.
        supported: newest schema number that this ravine reads.
    """

    def __init__(self, message: str, *, found: int, supported: int) -> None:
        super().__init__(message)
        self.found = found
        self.supported = supported


class DivergedError(RavineError, ArithmeticError):
    """A training came to a loss or a gradient that is not finite, and stopped before the step.

    Attributes:
        step: the step that was not taken, counted from 1.
        loss: the training loss of its batch.
    """

    def __init__(self, message: str, *, step: int, loss: float) -> None:
        super().__init__(message)
        self.step = step
        self.loss = loss


class MissingExtraError(RavineError, ImportError):
    """An optional dependency is missing.

    Attributes:
        extra: the extra of ravine that installs it.
    """

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message)
        self.extra = extra
