"""Keep the state of a fit in a folder while it goes on, so that it can go on after any end.

A fit is a line of runs of the loop (folds, rates, phases). What it does between them follows from
its settings, its data and its seed alone, so it is done again; a run that was finished is not, but
put where it ended, and the one that was cut off goes on after the step of the newest checkpoint.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.files import replacing, writing
from narrows.core.types import Json
from narrows.errors import CheckpointError, ParameterError
from narrows.training.history import Row

__all__ = ["Checkpoint"]

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
LOCK, HISTORY, STATUS = "lock", "history.jsonl", "status.json"
STATE, RUN = "ck", "run"  # how files of a state and of a finished run are called


class Checkpoint:
    """A folder in which a fit keeps its state, so that it can be stopped at any moment.

    The same call goes on where the folder's newest state was, and gives the same bits as one that
    was never stopped.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    every : str or float, default="30s"
        How often a state is written: seconds, or text such as "30s", "5min" or "1h".
    keep : int, default=2
        How many states are kept, the newest first.

    Notes
    -----
    Nothing is pickled: tensors lie in safetensors files, named by their SHA-256.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from narrows import Autoencoder, Checkpoint
    >>> checkpoint = Checkpoint(tempfile.mkdtemp(), every="30s")
    >>> model = Autoencoder(2, max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data, checkpoint=checkpoint).n_iter_
    3
    """

    def __init__(
        self, folder: str | os.PathLike[str], every: str | float = "30s", keep: int = 2
    ) -> None:
        self.folder = Path(folder)
        self.every = every
        self.keep = keep

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.folder)!r}, every={self.every!r}, keep={self.keep!r})"

    @property
    def is_begun(self) -> bool:
        """Whether the folder has the state of a fit."""
        return any(_files(self.folder, STATE)) or any(_files(self.folder, RUN))

    def seconds(self) -> float:
        """Return how many seconds are between two states.

        Raises
        ------
        ParameterError
            If ``every`` means none.
        """
        value: Any = self.every
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d+\.?\d*)\s*(s|m|min|h)\s*", value)
            if match is None:
                raise ParameterError(
                    f"every={value!r} must be a time; write for example every='30s', '5min' or '1h'"
                )
            return float(match[1]) * UNITS[match[2]]
        return checks.number("every", value, low=0)


class Session:
    """One fit that keeps its state in the folder of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where, and how often.

    Raises
    ------
    CheckpointError
        If another process uses the folder.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.folder, self.every = checkpoint.folder, checkpoint.seconds()
        self.keep = checks.integer("keep", checkpoint.keep, low=1)
        self.identity: Json = {}
        with writing(self.folder, "choose a folder that can be written to"):
            self.folder.mkdir(parents=True, exist_ok=True)
        self.number = -1  # of the run that goes on
        self.is_open = True
        self._rows: list[Row] = []
        self._written = time.monotonic()
        self._lock = _locked(self.folder)
        try:
            self._runs = dict(_numbered(self.folder, RUN))
            self._state = self._newest()
            self._next = max((n for n, _ in _numbered(self.folder, STATE)), default=0) + 1
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others use the folder."""
        try:
            if self._rows:
                self._show()
        finally:
            self._lock.unlink(missing_ok=True)

    def seed(self, draw: Callable[[], int]) -> int:
        """Return a seed that nobody has chosen: the one the fit was begun with, if it was."""
        path = self.folder / "seed.json"
        if path.exists():
            return int(json.loads(path.read_text()))
        value = draw()
        with replacing(path) as stream:
            stream.write(json.dumps(value).encode())
        return value

    def begin(self) -> Json | None:
        """Begin the next run; return where it ended if it was finished, or None."""
        self.number += 1
        path = self._runs.get(self.number)
        state = None if path is None else _read(path)
        self._rows += [] if state is None else state["rows"]
        return state

    def resume(self) -> Json | None:
        """Return the state in which the present run was left, once; None if it begins."""
        state = self._state
        if state is None or state["run"] != self.number:
            return None
        self._state = None
        self._rows += state["rows"]
        return state

    @property
    def is_due(self) -> bool:
        """Whether a state should be written now."""
        return self.is_open and time.monotonic() - self._written >= self.every

    def save(self, state: Json) -> None:
        """Write the state of the present run; older ones go."""
        if not self.is_open:
            return
        self._write(f"{STATE}-{self._next:08d}", {**state, "run": self.number})
        self._next += 1
        files = sorted(_numbered(self.folder, STATE))
        for _, path in files[: -self.keep]:
            path.unlink(missing_ok=True)
        self._show()
        self._written = time.monotonic()

    def finish(self, state: Json) -> None:
        """Write where the present run ended; its states before that go."""
        if not self.is_open:
            return
        self._runs[self.number] = self._write(f"{RUN}-{self.number:08d}", state)
        for _, path in _numbered(self.folder, STATE):
            path.unlink(missing_ok=True)
        (self.folder / STATUS).unlink(missing_ok=True)
        self._show()

    def note(self, row: Row) -> None:
        """Take note of an epoch, for whoever watches: written with the next state, not at once."""
        self._rows.append(row)

    def tell(self, status: Json) -> None:
        """Say how training goes, for whoever watches."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        with replacing(self.folder / STATUS) as stream:
            stream.write(json.dumps({**status, "written": now}, indent=1).encode())

    def _show(self) -> None:
        with replacing(self.folder / HISTORY) as stream:
            stream.write("".join(json.dumps(row) + "\n" for row in self._rows).encode())

    def _write(self, name: str, state: Json) -> Path:
        content = to_bytes({**state, "identity": self.identity})
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{name}-{digest[:32]}.safetensors"
        with replacing(path) as stream:
            stream.write(content)
        return path

    def _newest(self) -> Json | None:
        """Return the newest state that is whole."""
        for _, path in sorted(_numbered(self.folder, STATE), reverse=True):
            try:
                return _read(path)
            except CheckpointError:
                path.unlink(missing_ok=True)
        return None

    def belong_to(self, identity: Json) -> None:
        """Say what the fit follows from: settings, data, versions.

        Raises
        ------
        CheckpointError
            If the folder belongs to a fit with others.
        """
        self.identity = json.loads(json.dumps(identity))
        state = self._state
        if state is None and self._runs:
            state = _read(self._runs[min(self._runs)])
        if state is None:
            return
        before = state["identity"]
        for name, value in self.identity.items():
            if before.get(name) != value:
                what = _difference(before.get(name), value)
                raise CheckpointError(
                    f"{self.folder} belongs to a fit with another {name}{what}; choose a new "
                    "folder, or remove this one"
                )


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return nested lists, dicts and tensors as plain data, and the tensors by their names.

    Raises
    ------
    CheckpointError
        If there is anything else in it.
    """
    tensors: dict[str, Tensor] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = f"t{len(tensors)}"
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        if isinstance(value, Mapping):
            return {"pairs": [[plain(key), plain(own)] for key, own in value.items()]}
        if isinstance(value, tuple):
            return {"tuple": [plain(own) for own in value]}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [plain(own) for own in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise CheckpointError(
            f"a {type(value).__name__} is part of the state of training, and cannot be kept in a "
            "checkpoint; fit without one"
        )

    return plain(value), tensors


def unpack(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what `pack` was given."""
    if isinstance(plain, list):
        return [unpack(own, tensors) for own in plain]
    if not isinstance(plain, dict):
        return plain
    if "tensor" in plain:
        return tensors[plain["tensor"]]
    if "tuple" in plain:
        return tuple(unpack(own, tensors) for own in plain["tuple"])
    return {unpack(key, tensors): unpack(own, tensors) for key, own in plain["pairs"]}


def optimizer_state(stepper: Any) -> Any:
    """Return the state of an optimiser, of `torch.optim` or of ours."""
    if hasattr(stepper, "steppers"):
        return [optimizer_state(own) for own in stepper.steppers]
    if hasattr(stepper, "state_dict"):
        return stepper.state_dict()
    group = {name: value for name, value in stepper.param_groups[0].items() if name != "params"}
    return {"group": group, "mean": stepper.mean, "square": stepper.square, "steps": stepper.steps}


def load_optimizer(stepper: Any, state: Any) -> None:
    """Put an optimiser where it was."""
    if hasattr(stepper, "steppers"):
        for own, before in zip(stepper.steppers, state, strict=True):
            load_optimizer(own, before)
        stepper.param_groups[:] = [g for own in stepper.steppers for g in own.param_groups]
    elif hasattr(stepper, "state_dict"):
        stepper.load_state_dict(state)
    else:
        stepper.param_groups[0].update(state["group"])
        for name in ("mean", "square", "steps"):
            getattr(stepper, name).copy_(state[name])


def _read(path: Path) -> Json:
    """Return what a file holds.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    content = path.read_bytes()
    digest = path.stem.rpartition("-")[2]
    if hashlib.sha256(content).hexdigest()[:32] != digest:
        raise CheckpointError(f"{path} is damaged; remove it, and what was before it goes on")
    state: Json = of_bytes(content)
    return state


def to_bytes(value: Any) -> bytes:
    """Return nested lists, dicts and tensors as the content of a safetensors file."""
    plain, tensors = pack(value)
    content: bytes = safetensors.torch.save(tensors, {"state": json.dumps(plain)})
    return content


def of_bytes(content: bytes) -> Any:
    """Return what `to_bytes` was given."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    plain = json.loads(header["__metadata__"]["state"])
    return unpack(plain, safetensors.torch.load(content))


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}-*-*.safetensors")) if folder.is_dir() else []


def _numbered(folder: Path, kind: str) -> list[tuple[int, Path]]:
    return [(int(path.stem.split("-")[1]), path) for path in _files(folder, kind)]


def _difference(before: Any, now: Any) -> str:
    """Return what differs, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        name = names[0]
        return f": {name} was {before.get(name)!r} and is {now.get(name)!r}"
    return f": it was {before!r} and is {now!r}"


def _locked(folder: Path) -> Path:
    """Take a folder; a lock of a process that has gone is taken over.

    Raises
    ------
    CheckpointError
        If another process uses it.
    """
    path = folder / LOCK
    own = {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid())}
    with _alone(folder):
        holder = _holder(path)
        if holder is not None:
            elsewhere = holder["host"] != own["host"]
            if elsewhere or _began(holder["pid"]) == holder["began"]:
                raise CheckpointError(
                    f"{folder} is used by process {holder['pid']} on {holder['host']}; wait until "
                    f"it has ended, or choose another folder (if it is gone for good: rm {path})"
                )
        try:
            with replacing(path) as stream:
                stream.write(json.dumps(own).encode())
        except BaseException:
            path.unlink(missing_ok=True)  # it may be there, and the disk not have confirmed it
            raise
    return path


def _holder(path: Path) -> Json | None:
    """Return which process a lock names; None if there is none, or it was cut off."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return {name: holder[name] for name in ("host", "pid", "began")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have nobody else look at a lock meanwhile, so that two do not take over the same one."""
    if sys.platform == "win32":  # where no lock is taken over
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _began(pid: int) -> str | None:
    """Return when a process began, as the system says it; None if there is none."""
    if sys.platform == "win32":  # which has no way to ask without a signal
        return "unknown"
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return "running"


def generators_of(randomness: Any) -> dict[str, Tensor]:
    """Return the states of all generators."""
    return {name: getattr(randomness, name).get_state() for name in GENERATORS}


def load_generators(randomness: Any, states: Mapping[str, Tensor]) -> None:
    """Put generators where they were."""
    for name in GENERATORS:
        getattr(randomness, name).set_state(states[name].to(torch.uint8))


GENERATORS = ("initial", "split", "order", "noise")
