"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from narrows.errors import WriteError

UNCONFIRMED = "the new file is there, but the disk has not confirmed it"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose bytes become the file ``path`` when the block ends well.

    Raises
    ------
    WriteError
        If the disk refuses; it says what stands there now.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # /dev/null or a named pipe: there is no file to replace
        with writing(path, "it takes no more"), open(target, "wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    standing = "what stood there still does" if target.exists() else "no file is there"
    try:
        with writing(path, standing):
            with synced(temporary) as stream:
                yield stream
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    with writing(path, UNCONFIRMED):
        sync_folder(target.parent)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], standing: str) -> Iterator[None]:
    """Turn what the operating system refuses into an error that names the file.

    Parameters
    ----------
    path : path
        What is written.
    standing : str
        What is there if that fails.

    Raises
    ------
    WriteError
        With the number of the error.
    """
    try:
        yield
    except (WriteError, BrokenPipeError):  # the reader of a pipe has left: no fault of the file
        raise
    except OSError as error:
        reason = f"cannot write {os.fspath(path)}: {error.strerror or error}; {standing}"
        raise WriteError(error.errno, reason) from error


@contextlib.contextmanager
def synced(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream to a new file, which the disk has when the block has ended."""
    with open(path, "xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder's files."""
    if sys.platform == "win32":  # which opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
