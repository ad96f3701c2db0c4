"""Everything narrows can refuse or warn about, as one tree.

::

    NarrowsError
    ├── ParameterError (ValueError)        a setting that cannot be: name, value, bound, remedy
    │   └── CompositionError               two parts that do not go together
    ├── DataError (ValueError)             a table that cannot be used as it is
    │   └── SourceError                    the same, found in a file: file, row, column
    │       └── WriteError (OSError)       a file that was not written: which, why, what stands
    ├── DivergenceError (ArithmeticError)  training went to infinity before one good epoch
    ├── DeviceError (RuntimeError)         a device or precision this machine does not have
    ├── CheckpointError (RuntimeError)     checkpoints that are taken, damaged or of another fit
    ├── ProcessGroupError (RuntimeError)   processes that fit together do not hear of each other
    ├── MissingDependencyError (ImportError)  an extra that is not installed
    └── ModelFileError (ValueError)        a model folder that cannot be trusted
        ├── SchemaVersionError             written by a newer major version
        ├── UnknownNameError               names a part this version does not have
        ├── MissingTensorError             a tensor is absent
        ├── TensorShapeError               a tensor has another shape than its settings declare
        ├── NonFiniteTensorError           a tensor holds NaN or infinity
        └── CorruptFileError               truncated, altered, or not the file it should be

    NarrowsWarning (UserWarning)
    ├── DivergenceWarning                  training stopped early; the best weights were kept
    ├── MissingWarning                     a column or a row without any measured cell
    ├── InterruptedWarning                 Ctrl-C stopped training; the model is usable
    └── OvercompleteWarning                a code as long as the row, without a regulariser
"""

from __future__ import annotations

import sys
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


class NarrowsError(Exception):
    """Base of every error narrows raises on purpose."""


class ParameterError(NarrowsError, ValueError):
    """A setting that cannot be: the message has its name, value, bound and remedy."""


class UnknownPartError(ParameterError):
    """The name of a part that there is not."""


class CompositionError(ParameterError):
    """Two parts that do not go together."""


class DataError(NarrowsError, ValueError):
    """A table that cannot be used as it is."""


class SourceError(DataError):
    """A file that cannot be used as it is: the message has the file, row and column."""


class _RefusedError(OSError):
    """What the operating system refused, in words of ours."""

    def __str__(self) -> str:
        return str(self.strerror)


class WriteError(_RefusedError, SourceError):
    """A file was not written, or not for certain; says why, and what stands there now."""


class DivergenceError(NarrowsError, ArithmeticError):
    """Training went to infinity before a single good epoch."""


class DeviceError(NarrowsError, RuntimeError):
    """A device or precision this machine does not have."""


class CheckpointError(NarrowsError, RuntimeError):
    """A folder of checkpoints that cannot be used: taken, damaged, or of another fit."""


class ProcessGroupError(NarrowsError, RuntimeError):
    """Processes that fit together do not hear of each other."""


class MissingDependencyError(NarrowsError, ImportError):
    """An optional package that is not installed: the message has the install command."""


class ExportError(NarrowsError, RuntimeError):
    """An exported file that would not say what the model says."""


class ModelFileError(NarrowsError, ValueError):
    """A model folder that cannot be trusted."""


class SchemaVersionError(ModelFileError):
    """The folder was written by a newer major version of the format."""


class UnknownNameError(ModelFileError):
    """The folder names a part this version of narrows does not have."""


class MissingTensorError(ModelFileError):
    """A tensor that the settings call for is absent."""


class TensorShapeError(ModelFileError):
    """A tensor has another shape than the settings declare."""


class NonFiniteTensorError(ModelFileError):
    """A tensor holds NaN or infinity."""


class SaveError(_RefusedError, ModelFileError):
    """A model was not saved, or not for certain; says why, and which one stands now."""


class CorruptFileError(ModelFileError):
    """A file is truncated, altered, or not the file it should be."""


class NarrowsWarning(UserWarning):
    """Base of every warning narrows gives."""


class DivergenceWarning(NarrowsWarning):
    """Training diverged and stopped; the best weights so far were kept."""


class InterruptedWarning(NarrowsWarning):
    """Ctrl-C stopped training after the current batch; the model is usable."""


class CollapseWarning(NarrowsWarning):
    """Components of the code carry nothing of the rows."""


class MissingWarning(NarrowsWarning):
    """A column or a row without any measured cell."""


class JoinWarning(NarrowsWarning):
    """Tables that were joined have few samples in common, or call them differently."""


class SeenRowsWarning(NarrowsWarning):
    """Rows that something is to be judged by were seen in fit."""


class MixingWarning(NarrowsWarning):
    """The pieces of a source are so large that few of them are mixed at a time."""


class ExchangeWarning(NarrowsWarning):
    """Processes that fit together spend most of the time on telling each other."""


class SpillWarning(NarrowsWarning):
    """A stream that can be read only once was written to a file."""


class OvercompleteWarning(NarrowsWarning):
    """The code is as long as the row, and nothing keeps the network from copying its input."""


class CodeLengthWarning(NarrowsWarning):
    """No code that was tried keeps the share of the variance that was asked for."""


def stacklevel() -> int:
    """Return the ``stacklevel`` with which a warning names the line that called narrows."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
