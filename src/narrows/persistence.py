"""Persistence: a model directory of config.json, model.safetensors and README.md, without pickle.

Saving is old or new, never torn: files are written to a temporary folder beside the target, synced
to the disk, and renamed into place. Reading trusts nothing: names come from a closed register, and
declared shapes are held against the stored bytes before anything is allocated.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from narrows.errors import (
    CorruptFileError,
    MissingTensorError,
    ModelFileError,
    NonFiniteTensorError,
    SchemaVersionError,
    TensorShapeError,
)

logger = logging.getLogger(__name__)

SCHEMA = (1, 0)  # major, minor: a newer minor adds what an older reader may ignore
CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
MAX_JSON_BYTES = 64 << 20
_DTYPE_BYTES = {"F64": 8, "F32": 4}

Arrays = dict[str, NDArray[Any]]


class Saved(NamedTuple):
    """What a model directory holds: its config and its tensors, not yet an estimator."""

    config: dict[str, Any]
    tensors: Arrays


def write(
    folder: str | os.PathLike[str], config: Mapping[str, Any], tensors: Arrays, card: str
) -> None:
    """Write a model directory, replacing one that is there.

    Parameters
    ----------
    folder : path
        The directory; its parent must exist.
    config : mapping
        JSON-ready; the schema version and checksums are added.
    tensors : dict of str to ndarray
        Float arrays.
    card : str
        The model card, Markdown.

    Raises
    ------
    ModelFileError
        If something other than a model directory stands there, or the parent is missing.
    OSError
        If the disk refuses; what stood there before still stands.
    """
    target = Path(folder)
    _refuse_target(target)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        payload = safetensors.numpy.save(tensors)
        described = {
            "schema_version": f"{SCHEMA[0]}.{SCHEMA[1]}",
            **config,
            "sha256": {TENSORS: hashlib.sha256(payload).hexdigest()},
        }
        text = json.dumps(described, indent=2, allow_nan=False)
        _write_synced(temporary / TENSORS, payload)
        _write_synced(temporary / CONFIG, text.encode())
        _write_synced(temporary / CARD, card.encode())
        _sync_folder(temporary)
        os.chmod(temporary, 0o777 & ~_umask())
        _swap(temporary, target)
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read(folder: str | os.PathLike[str]) -> Saved:
    """Read a model directory, trusting nothing in it.

    Raises
    ------
    ModelFileError
        If the folder or a file is missing, or a symlink.
    SchemaVersionError
        If a newer major version wrote it.
    CorruptFileError
        If a file is truncated or altered.
    NonFiniteTensorError
        If a tensor holds NaN or infinity.
    """
    source = _find(Path(folder))
    config = _read_config(source / CONFIG)
    payload = _read_bytes(source / TENSORS)
    declared = config.get("sha256")
    expected = declared.get(TENSORS) if isinstance(declared, dict) else None
    _check_header(source / TENSORS, payload)
    if hashlib.sha256(payload).hexdigest() != expected:
        raise CorruptFileError(
            f"{source / TENSORS} is not the file that was saved (its checksum differs); "
            "copy the model folder again from where it was made"
        )
    tensors = safetensors.numpy.load(payload)
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise NonFiniteTensorError(
                f"tensor {name!r} in {source / TENSORS} holds NaN or infinity; fit the model again"
            )
    return Saved(config, tensors)


def check_tensors(tensors: Arrays, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Hold stored tensors against the names and shapes that the settings declare.

    Raises
    ------
    MissingTensorError
        If one is absent.
    TensorShapeError
        If one has another shape, or there is one too many.
    """
    for name, shape in expected.items():
        if name not in tensors:
            raise MissingTensorError(
                f"tensor {name!r} of shape {shape} is missing from {TENSORS}; "
                "the folder is incomplete: copy it again, or fit the model again"
            )
        if tensors[name].shape != shape:
            raise TensorShapeError(
                f"tensor {name!r} has shape {tensors[name].shape} but the settings call for "
                f"{shape}; {CONFIG} and {TENSORS} do not belong together"
            )
    surplus = sorted(set(tensors) - set(expected))
    if surplus:
        raise TensorShapeError(
            f"tensors {surplus} are not called for by the settings; "
            f"{CONFIG} and {TENSORS} do not belong together"
        )


def _refuse_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise ModelFileError(f"no folder {target.parent} to save into; create it first")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ModelFileError(f"{target} is a file or a link; choose another name for the model")
    if target.is_dir() and any(target.iterdir()) and not (target / CONFIG).is_file():
        raise ModelFileError(
            f"{target} holds something that is not a model; choose another name for the model"
        )


def _swap(temporary: Path, target: Path) -> None:
    """Put the new folder in place; an old model steps aside first, where `read` would find it."""
    previous = _previous(target)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        os.replace(target, previous)
    try:
        os.replace(temporary, target)
    except OSError:
        if previous.exists():
            os.replace(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _find(target: Path) -> Path:
    """Return where the model is: aside, if a save was cut off between its two renames."""
    if target.is_dir():
        return target
    if _previous(target).is_dir():
        logger.warning(
            "%s was being replaced when a save was cut off; the model before it is read", target
        )
        return _previous(target)
    raise ModelFileError(f"no model folder at {target}; give the folder that save() wrote")


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    with contextlib.ExitStack() as stack:
        number = os.open(path, os.O_RDONLY)
        stack.callback(os.close, number)
        os.fsync(number)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _read_bytes(path: Path) -> bytes:
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} is missing; the folder is incomplete: copy it again from where it was made"
        ) from None
    except OSError as error:
        if path.is_symlink():
            raise ModelFileError(
                f"{path} is a symbolic link, which a model folder must not hold; "
                "put the file itself there"
            ) from error
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelFileError(f"{path} is not a regular file; put the file itself there")
        return file.read()


def _read_config(path: Path) -> dict[str, Any]:
    content = _read_bytes(path)
    if len(content) > MAX_JSON_BYTES:
        raise CorruptFileError(f"{path} has {len(content)} bytes, more than any model's settings")
    try:
        config = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(
            f"{path} is not valid JSON ({error}); copy the model folder again"
        ) from error
    if not isinstance(config, dict):
        raise CorruptFileError(f"{path} does not hold settings; copy the model folder again")
    _check_schema(path, config.get("schema_version"))
    return config


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number a model file may hold")


def _check_schema(path: Path, version: Any) -> None:
    major, _, minor = str(version).partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise CorruptFileError(f"{path} has no schema_version; it is not a narrows model")
    if int(major) > SCHEMA[0]:
        raise SchemaVersionError(
            f"{path} has schema_version {version}, written by a newer narrows; this one reads up "
            f"to {SCHEMA[0]}.x: upgrade narrows"
        )


def _check_header(path: Path, payload: bytes) -> None:
    """Hold the declared tensors against the bytes that are there, before allocating any."""
    try:
        size = struct.unpack_from("<Q", payload)[0]
        header = json.loads(payload[8 : 8 + size]) if size <= MAX_JSON_BYTES else None
        ends = [_end(entry) for name, entry in header.items() if name != "__metadata__"]
    except (struct.error, ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise CorruptFileError(
            f"{path} is not a safetensors file; copy the model folder again"
        ) from error
    if max(ends, default=0) + 8 + size != len(payload):
        raise CorruptFileError(
            f"{path} has {len(payload)} bytes but declares {max(ends, default=0) + 8 + size}; "
            "it is truncated or altered: copy the model folder again"
        )


def _end(entry: Any) -> int:
    start, end = entry["data_offsets"]
    cells = 1
    for length in entry["shape"]:
        cells *= length
    if min(start, *entry["shape"], 0) < 0 or end - start != cells * _DTYPE_BYTES[entry["dtype"]]:
        raise ValueError("declared shape and stored bytes differ")
    return int(end)
