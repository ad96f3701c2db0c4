"""Keep finished fits of a comparison in a file, so that an interruption costs one only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core.files import replacing
from narrows.core.types import Json, Named
from narrows.data.schema import frame_of
from narrows.errors import CorruptFileError, ParameterError

FORMAT, VERSION = "narrows comparison cells", 1
Cell = Json
Key = tuple[str, int, int, int]


def key_of(cell: Named) -> Key:
    """Return what tells a cell from the others."""
    return cell["method"], cell["n_components"], cell["fold"], cell["seed"]


class Journal:
    """Cells by key, and the file that holds those that are finished.

    Parameters
    ----------
    path : path, optional
        The file; made by the first cell, read if it is there. Without one, nothing is written.
    settings : mapping
        JSON-ready: everything a cell depends on, but its method and length.
    methods : mapping of str to str
        What each method is.

    Raises
    ------
    ParameterError
        If the file belongs to another table, other settings or other methods.
    CorruptFileError
        If it is no such file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        settings: Named,
        methods: Mapping[str, str],
    ) -> None:
        self._path = None if path is None else Path(path)
        self._settings, self._methods = dict(settings), dict(methods)
        self._cells: dict[Key, Cell] = {}
        if self._path is None:
            return
        if self._path.exists():
            self._read(self._path)
        elif not self._path.absolute().parent.is_dir():
            raise ParameterError(
                f"resume={os.fspath(self._path)!r} is in a folder that does not exist; create "
                f"{self._path.absolute().parent}"
            )

    def get(self, key: Key) -> Cell | None:
        """Return a finished cell, or None."""
        return self._cells.get(key)

    def add(self, cells: Sequence[Cell]) -> None:
        """Keep cells that are finished, in the file, too."""
        finished = [cell for cell in cells if cell["status"] == "ok"]
        if not finished:
            return
        self._cells.update({key_of(cell): cell for cell in finished})
        if self._path is None:
            return
        content = {
            "format": FORMAT,
            "version": VERSION,
            "settings": self._settings,
            "methods": self._methods,
            "cells": list(self._cells.values()),
        }
        with replacing(self._path) as stream:
            stream.write(json.dumps(content, allow_nan=False).encode())

    def _read(self, path: Path) -> None:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            settings, methods = content["settings"], content["methods"]
            cells = {key_of(cell): cell for cell in content["cells"]}
            known = content["format"] == FORMAT and content["version"] == VERSION
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(
                f"{path} does not hold the cells of a comparison; give resume= another file"
            ) from error
        if not known:
            raise CorruptFileError(
                f"{path} is {content['format']!r}, version {content['version']!r}, not "
                f"{FORMAT!r}, version {VERSION}; give resume= another file"
            )
        self._compare(path, settings)
        for name, description in methods.items():
            if self._methods.setdefault(name, description) != description:
                raise ParameterError(
                    f"{path} was made with another method {name!r}, {description[:200]}; give the "
                    "new one another name, or resume= another file"
                )
        self._cells = cells

    def _compare(self, path: Path, settings: Named) -> None:
        ours = json.loads(json.dumps(self._settings))
        for name in dict.fromkeys([*ours, *settings]):
            if ours.get(name) != settings.get(name):
                what = (
                    "for another table" if name == "data" else f"with {name}={settings.get(name)!r}"
                )
                raise ParameterError(
                    f"{path} was made {what}, not {_short(ours.get(name))}; give resume= another "
                    "file, or the old settings"
                )


def _short(value: Any) -> str:
    return "this one" if isinstance(value, str) and len(value) == 64 else repr(value)


def fingerprint(*parts: Any) -> str:
    """Return a SHA-256 of arrays, data frames, and whatever else has a fitting repr."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            digest.update(len(piece).to_bytes(8, "little"))
            digest.update(piece)
    return digest.hexdigest()


def _pieces(part: Any) -> list[bytes]:
    if nw.dependencies.is_into_dataframe(part):
        frame = frame_of(part)
        return [
            piece
            for series in frame.iter_columns()
            for piece in (series.name.encode(), *_pieces(series.to_numpy()))
        ]
    if isinstance(part, np.ndarray) and part.dtype != object:
        return [repr((part.dtype.str, part.shape)).encode(), np.ascontiguousarray(part).tobytes()]
    if isinstance(part, np.ndarray):
        return [repr(part.shape).encode(), repr(part.tolist()).encode()]
    return [repr(part).encode()]
