"""Folders that are replaced whole or not at all, whoever else saves or reads meanwhile."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from narrows.core.files import sync_folder
from narrows.errors import (
    ModelFileError,
)

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # of file managers


MINUTE = 60.0


_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


def mode_of(target: Path) -> int | None:
    """Return the type and permissions of what stands at a path, in one look, or None."""
    try:
        return target.lstat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """Make a temporary folder beside the target, locked to show that its save is alive."""
    # mkdir and not mkdtemp: the model shall have the permissions that the user's umask gives.
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    path.mkdir()
    try:
        with _locked(path, wait=True):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def clear_abandoned(target: Path) -> None:
    """Remove temporary folders of saves that were killed: nobody holds their lock any more."""
    for path in _beside(target, r"[0-9a-f]{8}\.tmp"):
        # An OSError: another save holds it or removed it, or this file system has no locks.
        with contextlib.suppress(OSError):
            if _may_be_new(path):
                continue
            with _locked(path, wait=False):
                shutil.rmtree(path, ignore_errors=True)


def _may_be_new(path: Path) -> bool:
    """Return whether a save may be about to lock the folder, which it does before it writes."""
    return not any(path.iterdir()) and time.time() - path.stat().st_mtime < MINUTE


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Lock a folder until the end of the block, or of the process however it ends.

    Raises
    ------
    OSError
        If that is impossible; with ``wait``, the block runs without the lock then.
    """
    if sys.platform == "win32":
        if wait:
            yield
            return
        raise OSError(errno.ENOTSUP, "this system locks no folders")
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(*([OSError] if wait else [])):
            fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(number)


def swap(temporary: Path, target: Path) -> None:
    """Put the new folder in place; an old model steps aside first, where `read` would find it."""
    while True:
        aside = _step_aside(target)
        # Listed before ours is in place: what steps aside after that may be all there is.
        superseded = _asides(target)
        try:
            os.replace(temporary, target)
            sync_folder(target.parent)
            break
        except OSError as error:
            if error.errno not in _OCCUPIED:  # another save was faster: its model is next
                _put_back(temporary, target, aside)
                raise
    for path in superseded:
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a model that was superseded, and nothing that somebody put beside it meanwhile."""
    for name in (CARD, CONFIG, TENSORS, *LITTER):
        with contextlib.suppress(OSError):  # another save removed it, or may not
            (path / name).unlink()
    with contextlib.suppress(OSError):  # not empty
        path.rmdir()


def _step_aside(target: Path) -> Path | None:
    """Rename what stands at the target, if anything, and return where it is now."""
    # The time comes first, so that the order of names is the order of saves.
    aside = target.with_name(
        f".{target.name}.{time.time_ns():020d}-{secrets.token_hex(4)}.previous"
    )
    try:
        os.replace(target, aside)
    except FileNotFoundError:
        return None
    return aside


def _put_back(temporary: Path, target: Path, aside: Path | None) -> None:
    if not temporary.exists():
        os.replace(target, temporary)
    if aside is not None:
        os.replace(aside, target)


def _asides(target: Path) -> list[Path]:
    """Return the models that stood at the target before, oldest first."""
    return sorted(_beside(target, r"[0-9]{20}-[0-9a-f]{8}\.previous"))


def _beside(target: Path, ending: str) -> list[Path]:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.{ending}")
    with os.scandir(target.parent) as entries:
        return [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]


def current(target: Path) -> Path:
    """Return where the model is: aside, if a save was cut off between its two renames."""
    if os.path.isdir(target):
        return target
    if not os.path.lexists(target) and os.access(target.parent, os.R_OK | os.X_OK):
        for aside in reversed(_asides(target)):
            if (aside / CONFIG).is_file():
                logger.warning("a save to %s was cut off; the model before it is read", target)
                return aside
    raise ModelFileError(f"no model folder at {target}; give the folder that save() wrote")


def state_of(target: Path) -> tuple[object, ...]:
    """Return what is another once a save has replaced the folder, or begun to."""
    try:
        status = target.stat()
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    except OSError:  # it is not there, or not open to us: `current` says so
        readable = os.access(target.parent, os.R_OK | os.X_OK)
        return tuple(_asides(target)) if readable else ()
