"""A model directory of config.json, model.safetensors and README.md, without pickle.

Saving is old or new, never torn: files are written to a temporary folder beside the target, synced
to the disk, and renamed into place. Reading trusts nothing: names come from a closed register, and
declared shapes are held against the stored bytes before anything is allocated.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import safetensors.numpy

from narrows.core.files import sync_folder, synced
from narrows.core.types import Json, JsonValue, Matrix, Named
from narrows.errors import (
    CorruptFileError,
    MissingTensorError,
    ModelFileError,
    NonFiniteTensorError,
    SaveError,
    SchemaVersionError,
    TensorShapeError,
)
from narrows.persistence.atomic_folder import (
    CARD,
    CONFIG,
    LITTER,
    TENSORS,
    clear_abandoned,
    current,
    mode_of,
    state_of,
    swap,
    workspace,
)

# The names of a folder's files are asked of this module, too.
__all__ = [
    "CARD",
    "CONFIG",
    "TENSORS",
    "Arrays",
    "Saved",
    "check_tensors",
    "foreign",
    "read",
    "write",
]

SCHEMA = (1, 0)  # major, minor: a newer minor adds what an older reader may ignore


MAX_JSON_BYTES = 64 << 20


# A file may take so many bytes of memory beyond its own; a value of JSON takes up to so many.
FREE_BYTES, VALUE_BYTES = 100_000_000, 100


LONGEST_NUMBER = 20  # digits: of 64 bits and a sign


MAX_READS = 100  # a folder that is replaced again and again while it is read


_VERSION = re.compile(r"([1-9][0-9]{0,5})\.([0-9]{1,6})")


_DTYPE_BYTES = {"F64": 8, "F32": 4}


Arrays = dict[str, Matrix]


class Saved(NamedTuple):
    """What a model directory holds: its config and its tensors, not yet an estimator."""

    config: Json
    tensors: Arrays


def write(folder: str | os.PathLike[str], config: Named, tensors: Arrays, card: str) -> None:
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
        If something other than a model directory stands there, the parent is missing, or the
        config has a number that JSON lacks.
    SaveError
        If the disk refuses, an OSError of the same number; it says which model stands.
    """
    target = Path(os.path.abspath(folder))
    files = {TENSORS: safetensors.numpy.save(tensors), CARD: card.encode(errors="replace")}
    described = {
        "schema_version": f"{SCHEMA[0]}.{SCHEMA[1]}",
        **config,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[CONFIG] = _as_json(described)
    try:
        _refuse_target(target)
        _put(target, files)
    except OSError as error:
        size = sum(map(len, files.values()))
        raise SaveError(
            error.errno,
            f"cannot save {target}: {error.strerror} ({size:,} bytes are needed beside what is "
            f"there); {_standing(target, files[CONFIG])}",
        ) from error
    clear_abandoned(target)


def _put(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside a target, and rename them into its place."""
    with workspace(target) as temporary:
        for name, content in files.items():
            with synced(temporary / name) as stream:
                stream.write(content)
        mode = mode_of(target)
        if mode is not None:  # whom the old model was closed to, the new one is closed to
            temporary.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
        sync_folder(temporary)
        swap(temporary, target)


def _standing(target: Path, config: bytes) -> str:
    """Return which model stands after a save that failed, in words."""
    try:
        there = (current(target) / CONFIG).read_bytes()
    except (OSError, ModelFileError):
        return "no model stands there"
    if there == config:
        return "the new model stands there, but the disk has not confirmed it"
    return "the model that stood there still does"


def read(folder: str | os.PathLike[str]) -> Saved:
    """Read a model directory, trusting nothing in it.

    Raises
    ------
    ModelFileError
        If the folder or a file is missing, or a file is a symlink.
    SchemaVersionError
        If a newer major version wrote it.
    CorruptFileError
        If a file is truncated or altered.
    NonFiniteTensorError
        If a tensor holds NaN or infinity.
    """
    target = Path(os.path.abspath(folder))
    if "\0" in str(target):
        raise ModelFileError(f"folder={str(folder)!r} holds a null character, as no path can")
    for _ in range(MAX_READS):
        state = state_of(target)
        try:
            return _read_files(current(target))
        except ModelFileError:
            # Files of two models do not go together: a save got in between, so look again.
            if state_of(target) == state:
                raise
    raise ModelFileError(f"{target} is being replaced faster than it can be read; try again later")


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


def _as_json(described: Named) -> bytes:
    try:
        text = json.dumps(described, indent=2, allow_nan=False).encode()
    except ValueError as error:
        raise ModelFileError(
            f"a setting is NaN or infinity, which {CONFIG} cannot hold ({error}); "
            "set it to a number"
        ) from error
    if len(text) > MAX_JSON_BYTES:
        raise ModelFileError(
            f"{CONFIG} would have {len(text)} bytes, above the {MAX_JSON_BYTES} that can be read; "
            "shorten history_ or the names of the columns"
        )
    try:
        _check_values(text)
    except ValueError as error:
        raise ModelFileError(
            f"{CONFIG} could not be read again: {error}; fit the model to fewer columns or levels"
        ) from error
    return text


def _refuse_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise ModelFileError(f"no folder {target.parent} to save into; create it first")
    mode = mode_of(target)
    if mode is not None and not stat.S_ISDIR(mode):
        raise ModelFileError(f"{target} is a file or a link; choose another name for the model")
    state = reason = None
    while state != (state := state_of(target)):  # another save may replace it while we look
        reason = foreign(target)
        if reason is None:
            return
    raise ModelFileError(
        f"{target} holds {reason}, so it is not replaced; choose another name for the model"
    )


def foreign(folder: str | os.PathLike[str]) -> str | None:
    """Return what in a folder was not written by `write`; None if the folder may be replaced.

    Nothing but a model may be: the three files that it is of, with a model card that nobody has
    edited since. Files that file managers leave everywhere do not count.
    """
    target = Path(os.path.abspath(folder))
    try:
        names = set(os.listdir(target)) - LITTER
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return "no folder but a file"
    other = sorted(names - {CONFIG, TENSORS, CARD})
    if other:
        return f"{other[0]!r}, which is no part of a model"
    if not names:
        return None
    try:
        config = _read_config(target / CONFIG)
    except ModelFileError as error:
        return f"something that is not a model ({error})"
    written = config.get("sha256")
    wanted = written.get(CARD) if isinstance(written, dict) else None
    if wanted is not None and CARD in names and _digest(target / CARD) != wanted:
        return f"a {CARD} that was edited since it was written (copy it to another place)"
    return None


def _digest(path: Path) -> str | None:
    with contextlib.suppress(ModelFileError), _opened(path) as (file, _):
        return hashlib.sha256(file.read(MAX_JSON_BYTES)).hexdigest()
    return None


def _read_files(source: Path) -> Saved:
    config = _read_config(source / CONFIG)
    declared = config.get("sha256")
    expected = declared.get(TENSORS) if isinstance(declared, dict) else None
    return Saved(config, _read_tensors(source / TENSORS, expected))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, and nothing else, for reading; yield it and its size."""
    # O_NONBLOCK: opening a pipe would wait for its writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags | getattr(os, "O_BINARY", 0))
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
        raise ModelFileError(
            f"{path} cannot be read: {error.strerror}; put a file there that you may read"
        ) from error
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError(f"{path} is not a regular file; put the file itself there")
        with os.fdopen(number, "rb", closefd=False) as file:
            yield file, status.st_size
    finally:
        os.close(number)


def _read_config(path: Path) -> Json:
    with _opened(path) as (file, size):
        if size > MAX_JSON_BYTES:
            raise CorruptFileError(
                f"{path} has {size} bytes, above the {MAX_JSON_BYTES} that settings may have; "
                "copy the model folder again from where it was made"
            )
        content = file.read(MAX_JSON_BYTES)
    try:
        config = _parse_json(content)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(
            f"{path} is not valid JSON ({error}); copy the model folder again"
        ) from error
    if not isinstance(config, dict):
        raise CorruptFileError(f"{path} does not hold settings; copy the model folder again")
    _check_schema(path, config.get("schema_version"))
    return config


def _parse_json(content: bytes) -> JsonValue:
    """Return what UTF-8 JSON says.

    Raises
    ------
    ValueError
        If it is none, has a number beyond float64, a repeated key, or so many values that they take
        much more memory than the file.
    """
    _check_values(content)
    return json.loads(
        content.decode(),
        parse_constant=_finite_number,
        parse_float=_finite_number,
        parse_int=_whole_number,
        object_pairs_hook=_unique,
    )


def _check_values(content: bytes) -> None:
    n_values = sum(map(content.count, (b",", b"[", b"{")))
    if n_values * VALUE_BYTES > len(content) + FREE_BYTES:
        raise ValueError(f"some {n_values} values in {len(content)} bytes are too many")


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number a model file may hold")
    return value


def _whole_number(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"{text[:LONGEST_NUMBER]}... is longer than a number may be")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    object_ = dict(pairs)
    if len(object_) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return object_


def _check_schema(path: Path, version: Any) -> None:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise CorruptFileError(
            f"{path} has no schema_version such as '{SCHEMA[0]}.{SCHEMA[1]}'; it is not a narrows "
            "model: give the folder that save() wrote"
        )
    if int(match[1]) > SCHEMA[0]:
        raise SchemaVersionError(
            f"{path} has schema_version {version}, written by a newer narrows; this one reads up "
            f"to {SCHEMA[0]}.x: upgrade narrows"
        )


def _read_tensors(path: Path, expected: Any) -> Arrays:
    with _opened(path) as (file, size):
        _check_header(path, file, size)
        file.seek(0)
        payload = file.read(size)
    if hashlib.sha256(payload).hexdigest() != expected:
        raise CorruptFileError(
            f"{path} is not the file that was saved (its checksum differs); "
            "copy the model folder again from where it was made"
        )
    try:
        tensors = safetensors.numpy.load(payload)
    except safetensors.SafetensorError as error:
        raise CorruptFileError(
            f"{path} is not a safetensors file ({error}); copy the model folder again"
        ) from error
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise NonFiniteTensorError(
                f"tensor {name!r} in {path} holds NaN or infinity; fit the model again"
            )
    return tensors


def _check_header(path: Path, file: BinaryIO, size: int) -> None:
    """Hold the declared tensors against the bytes that are there, before reading any."""
    try:
        length = struct.unpack("<Q", file.read(8))[0]
        if length > min(size, MAX_JSON_BYTES):
            raise ValueError(f"its header claims {length} bytes")
        header = _parse_json(file.read(length))
        stored = 8 + length + _stored_bytes(header)
    except (struct.error, ValueError, RecursionError) as error:
        raise CorruptFileError(
            f"{path} is not a safetensors file ({error}); it is truncated or altered: copy the "
            "model folder again"
        ) from error
    if stored != size:
        raise CorruptFileError(
            f"{path} has {size} bytes but declares {stored}; "
            "it is truncated or altered: copy the model folder again"
        )


def _stored_bytes(header: Any) -> int:
    """Return how many bytes the tensors of a header take, which lie one after the other."""
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    spans = sorted(_span(name, entry) for name, entry in header.items() if name != "__metadata__")
    reached = 0
    for start, end in spans:
        if start != reached:
            raise ValueError(f"tensors overlap or leave a gap at byte {start}")
        reached = end
    return reached


def _span(name: str, entry: JsonValue) -> tuple[int, int]:
    """Return the first byte of a tensor and the one after its last."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} is not described by dtype, shape and data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (_counts(shape) and _counts(offsets) and len(offsets) == 2 and len(shape) <= 8):
        raise ValueError(f"tensor {name!r} has an impossible shape or place")
    if str(entry["dtype"]) not in _DTYPE_BYTES:
        raise ValueError(f"tensor {name!r} is not of float32 or float64")
    start, end = offsets
    if end - start != math.prod(shape) * _DTYPE_BYTES[entry["dtype"]]:
        raise ValueError(f"the shape and the bytes of tensor {name!r} differ")
    return start, end


def _counts(values: JsonValue) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 2**63 for value in values
    )
