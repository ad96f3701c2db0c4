"""The session of a fit that several processes make together: the first one keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable

from narrows.core.group import Group
from narrows.core.types import Json
from narrows.errors import ProcessGroupError
from narrows.training.checkpoint import Checkpoint, Session, of_bytes, to_bytes
from narrows.training.history import Row


class SharedSession:
    """A session that the first process keeps, and of which it tells the others.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where, and how often.
    group : Group
        The processes.

    Raises
    ------
    CheckpointError
        In the first process, if another fit uses the folder.
    ProcessGroupError
        In the others, if the first one could not begin.
    """

    def __init__(self, checkpoint: Checkpoint, group: Group) -> None:
        self.folder, self.group = checkpoint.folder, group
        self.is_open = True
        self._own: Session | None = None

        def opened() -> bytes:
            self._own = Session(checkpoint)
            return b""

        group.of_first(opened)

    def seed(self, draw: Callable[[], int]) -> int:
        """Return a seed that nobody has chosen: that of the first process."""
        own, drawn = self._own, draw()
        return self.group.number(lambda: drawn if own is None else own.seed(lambda: drawn))

    def begin(self) -> Json | None:
        """Begin the next run; return where it ended if it was finished, or None."""
        return self._told(None if self._own is None else self._own.begin)

    def resume(self) -> Json | None:
        """Return the state in which the present run was left, once; None if it begins."""
        return self._told(None if self._own is None else self._own.resume)

    @property
    def is_due(self) -> bool:
        """Whether a state should be written now, by this process."""
        return self._own is not None and self._own.is_due

    def save(self, state: Json) -> None:
        """Write the state of the present run, in the first process."""
        if self._own is not None and self.is_open:
            self._own.save(state)

    def finish(self, state: Json) -> None:
        """Write where the present run ended, in the first process."""
        if self._own is not None:
            self._own.finish(state)

    def note(self, row: Row) -> None:
        """Take note of an epoch, for whoever watches."""
        if self._own is not None:
            self._own.note(row)

    def tell(self, status: Json) -> None:
        """Say how training goes, for whoever watches."""
        if self._own is not None:
            self._own.tell(status)

    def belong_to(self, identity: Json) -> None:
        """Say what the fit follows from: the same in all processes, and as it was begun.

        Raises
        ------
        CheckpointError
            In the first process, if the folder belongs to another fit.
        ProcessGroupError
            If another process has other settings, data or versions.
        """
        own = self._own
        agree(self.group, identity)

        def belonging() -> bytes:
            assert own is not None
            own.belong_to(identity)
            return b""

        self.group.of_first(belonging)

    def close(self) -> None:
        """Let others use the folder."""
        if self._own is not None:
            self._own.close()

    def _told(self, make: Callable[[], Json | None] | None) -> Json | None:
        """Return what the first process reads."""
        content = self.group.of_first(lambda: to_bytes(None if make is None else make()))
        state: Json | None = of_bytes(content)
        return state


AnySession = Session | SharedSession


def agree(group: Group, identity: Json) -> None:
    """See that all processes make the same fit.

    Raises
    ------
    ProcessGroupError
        If one of them has other settings, data or versions: in all of them, with what differs.
    """
    every = [json.loads(content) for content in group.gather(json.dumps(identity).encode())]
    for rank, other in enumerate(every):
        differing = [name for name, value in every[0].items() if other.get(name) != value]
        if differing:
            raise ProcessGroupError(
                f"process {rank} makes another fit than process 0: its {differing[0]} is "
                f"{_short(other.get(differing[0]))} instead of {_short(every[0][differing[0]])}; "
                "give all the same settings, data and versions"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
