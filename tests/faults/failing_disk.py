"""A disk that fails at a certain operation."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from typing import Any

import pytest


class Disk:
    """Fails the k-th operation that changes or syncs the disk, and with ``for_good`` all after."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        fail_at: int,
        number: int,
        *,
        for_good: bool = False,
    ) -> None:
        self.count, self.fail_at, self.number, self.for_good = 0, fail_at, number, for_good
        for name in ("fsync", "replace", "mkdir", "chmod"):
            monkeypatch.setattr(os, name, self.failing(getattr(os, name)))
        monkeypatch.setattr(builtins, "open", self.opening(builtins.open))

    def step(self) -> None:
        self.count += 1
        if self.count == self.fail_at or (self.for_good and self.count > self.fail_at):
            raise OSError(self.number, os.strerror(self.number))

    def failing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.step()
            return function(*args, **options)

        return call

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if not set(mode) & set("xwa"):
                return function(file, mode, *args, **options)
            self.step()
            opened = function(file, mode, *args, **options)
            return HalfWriting(opened, self.step)

        return call


class HalfWriting(io.RawIOBase):
    """A file that has written half of its bytes when the disk fails."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self.file, self.step = file, step

    def write(self, content: Any) -> int:
        self.file.write(content[: len(content) // 2])
        self.step()
        return self.file.write(content[len(content) // 2 :])

    def flush(self) -> None:
        if not self.file.closed:
            self.file.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.file.fileno()

    def close(self) -> None:
        self.file.close()
        super().close()
