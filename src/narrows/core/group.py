"""Several processes that fit one model together: who they are, and what they tell each other.

They are started by something else: torchrun, Ray, Slurm. Each does the same, with its part of the
rows of a batch; what they add up, they all have.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

from narrows.core import checks
from narrows.errors import NarrowsError, ParameterError, ProcessGroupError

__all__ = ["Group", "distributed"]

# What torchrun, and everything that stands in for it, tells each process.
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass
class Group:
    """The processes of one fit, as one of them sees them: what `distributed` gives.

    Parameters
    ----------
    rank : int
        Its own number, from 0.
    size : int
        How many there are.

    Attributes
    ----------
    seconds : float
        What it has spent on telling the others and on waiting for them.
    is_slow : bool
        Whether that was most of the time of a fit, which is said once.

    Examples
    --------
    >>> import narrows
    >>> with narrows.distributed() as group:
    ...     group.rank, group.size, group.is_first
    (0, 1, True)
    """

    rank: int = 0
    size: int = 1
    seconds: float = field(default=0.0, init=False)
    is_slow: bool = field(default=False, init=False)

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and speaks."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.size == 1

    def part(self, n: int) -> slice:
        """Return which of so many things, in a row, are its own."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def add(self, tensor: Tensor) -> None:
        """Put the sum over all processes in the place of each one's numbers."""
        if not self.is_alone:
            with self._together():
                torch.distributed.all_reduce(tensor)

    def same(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return the first one's numbers, so that all decide alike; the names are the same."""
        if self.is_alone:
            return dict(numbers)
        values = torch.tensor(list(numbers.values()), dtype=torch.float64)
        self.copy([values])
        return dict(zip(numbers, values.tolist(), strict=True))

    def number(self, make: Callable[[], int]) -> int:
        """Return the number that the first one makes."""
        return int(self.of_first(lambda: str(make()).encode()))

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Put what the first one has in the place of each one's tensors."""
        if not self.is_alone:
            with self._together():
                for tensor in tensors:
                    torch.distributed.broadcast(tensor.detach(), 0)

    def gather(self, content: bytes) -> list[bytes]:
        """Return what each process gives, in the order of their numbers."""
        if self.is_alone:
            return [content]
        own = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else _empty()
        return [bytes(part.numpy()) for part in self.rows(own[:, None])]

    def rows(self, own: Tensor) -> list[Tensor]:
        """Return the rows that each process has, shape (n_rows, n) with n_rows of its own."""
        if self.is_alone:
            return [own]
        sizes = self.sizes(len(own))
        most = max(sizes)
        padded = own.new_zeros(most, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        with self._together():
            torch.distributed.all_gather(parts, padded)
        return [part[:n_rows] for part, n_rows in zip(parts, sizes, strict=True)]

    def sizes(self, own: int) -> list[int]:
        """Return how many rows each process has."""
        sizes = torch.zeros(self.size, dtype=torch.int64)
        sizes[self.rank] = own
        self.add(sizes)
        numbers: list[int] = sizes.tolist()
        return numbers

    def of_first(self, make: Callable[[], bytes]) -> bytes:
        """Return what the first process makes, and raise in all of them what it raises.

        Raises
        ------
        ProcessGroupError
            In the others, if the first one could not make it; with its message.
        """
        if self.is_alone:
            return make()
        content, error = b"", None
        if self.is_first:
            try:
                content = b"+" + make()
            except NarrowsError as raised:
                content, error = b"-" + str(raised).encode(), raised
        content = self.gather(content)[0]
        if error is not None:
            raise error
        if content[:1] == b"-":
            raise ProcessGroupError(f"process 0 has stopped: {content[1:].decode()}")
        return content[1:]

    def wait(self) -> None:
        """Return when all have come here."""
        self.add(torch.zeros(1))

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Count the seconds, and say what it means that another process does not answer.

        Raises
        ------
        ProcessGroupError
            If another process has ended, or gives no answer.
        """
        started = time.perf_counter()
        try:
            yield
        except RuntimeError as error:
            raise ProcessGroupError(
                f"process {self.rank} of {self.size} hears nothing of another one, which has ended "
                "or hangs, and whose own message says why; a fit with a checkpoint goes on with "
                "the same command"
            ) from error
        finally:
            self.seconds += time.perf_counter() - started


ALONE = Group()
_current: ContextVar[Group] = ContextVar("group", default=ALONE)


def current() -> Group:
    """Return the processes that fit together here: only this one, outside of `distributed`."""
    return _current.get()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let what is fitted within be fitted by this process alone."""
    token = _current.set(ALONE)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def distributed(backend: str | None = None, *, timeout: float = 1800.0) -> Iterator[Group]:
    """Let all processes of a job do together what is fitted within.

    Each process runs the same lines, with the same settings and the same data; a source it reads
    only in part. Every fit within is that of one process: a step's rows are the same, whichever
    number of processes has its share of them, and all have the fitted model afterwards.

    Parameters
    ----------
    backend : str, optional
        Of `torch.distributed`; by default gloo, and nccl for what is on a GPU.
    timeout : float, default=1800
        Seconds after which a process that does not answer is given up.

    Yields
    ------
    Group
        Its ``rank``, ``size`` and ``is_first`` say which process this is.

    Raises
    ------
    ProcessGroupError
        If the others cannot be reached, or the environment does not say where they are.

    Notes
    -----
    ``torchrun --nproc-per-node 2 script.py`` starts a script twice; on the command line, ``torchrun
    --nproc-per-node 2 -m narrows fit ...`` needs nothing of this. Started as usual, a process is
    alone, and all is as without. Where `torch.distributed` is initialized, as by Ray, that group is
    used, and left as it is.

    Examples
    --------
    >>> import narrows
    >>> from sklearn.datasets import load_iris
    >>> model = narrows.Autoencoder(2, max_epochs=3, random_state=0)
    >>> with narrows.distributed() as group:
    ...     codes = model.fit_transform(load_iris().data)
    ...     if group.is_first:
    ...         print(codes.shape)
    (150, 2)
    """
    seconds = checks.number("timeout", timeout, low=0, include_low=False)
    own = not (torch.distributed.is_available() and torch.distributed.is_initialized())
    if own and int(os.environ.get("WORLD_SIZE") or 1) == 1:
        yield ALONE
        return
    if own:
        _initialize(backend, seconds)
    elif backend is not None:
        raise ParameterError(
            f"backend={backend!r} comes too late: torch.distributed is initialized already; leave "
            "it out"
        )
    group = Group(torch.distributed.get_rank(), torch.distributed.get_world_size())
    token = _current.set(group)
    try:
        yield group
        group.wait()  # whoever leaves first would end what others still need
    finally:
        _current.reset(token)
        if own:
            torch.distributed.destroy_process_group()


def _initialize(backend: str | None, seconds: float) -> None:
    if not torch.distributed.is_available():
        raise ProcessGroupError(
            "this build of torch cannot join processes (torch.distributed is not available); "
            "install another, or start one process"
        )
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise ProcessGroupError(
            f"WORLD_SIZE is set in the environment and {missing[0]} is not, so nothing says how to "
            "reach the other processes; start the script with: torchrun --nproc-per-node 2 SCRIPT"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = backend or "cpu:gloo,cuda:nccl"
    try:
        torch.distributed.init_process_group(
            backend or "gloo", timeout=dt.timedelta(seconds=seconds)
        )
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ProcessGroupError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} cannot reach the others "
            f"at {address}: {error}"
        ) from error


def _empty() -> Tensor:
    return torch.empty(0, dtype=torch.uint8)


@dataclass(frozen=True)
class Pool:
    """What terms that look at a batch as a whole ask about the parts that others have.

    Parameters
    ----------
    group : Group
        Who has parts.
    n_rows : int
        Rows of the own part that count: none, where a row stands in for an empty part.
    """

    group: Group
    n_rows: int

    def mean(self, own: Tensor) -> Tensor:
        """Return the mean over all parts, given that over the own one, shape (n,).

        Its derivative by the own part is as if that were all there is, which is right where the
        objective counts as its share of all rows.
        """
        message = torch.cat([own.detach() * self.n_rows, own.new_tensor([float(self.n_rows)])])
        self.group.add(message)
        return message[:-1] / message[-1] + (own - own.detach())

    def gather(self, own: Tensor) -> Tensor:
        """Return the rows of all parts, given the own ones; derivatives as in `mean`."""
        real = own[: self.n_rows]
        parts = self.group.rows(real.detach())
        n_all = sum(map(len, parts))
        # The objective is multiplied by the share of the own rows, which these derivatives have.
        parts[self.group.rank] = real.detach() + (real - real.detach()) * (
            n_all / max(1, len(real))
        )
        return torch.cat(parts)

    def own_slopes(self, of_all: Tensor, n_rows: int) -> Tensor:
        """Return derivatives by the rows of all parts as `gather` brings them to the own rows.

        Of which there are so many, with one that stands in for an empty part.
        """
        sizes = self.group.sizes(self.n_rows)
        start = sum(sizes[: self.group.rank])
        own = of_all.new_zeros(n_rows, *of_all.shape[1:])
        part = of_all[start : start + self.n_rows]
        own[: self.n_rows] = part * (len(of_all) / max(1, self.n_rows))
        return own
