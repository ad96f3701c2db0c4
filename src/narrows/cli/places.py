"""Check where a verb writes, which is never where it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from narrows.cli import join
from narrows.data.formats import files
from narrows.errors import ParameterError


def check(outputs: Mapping[str, str | None], inputs: Iterable[str | None]) -> None:
    """Refuse an output that is an input, or two outputs that are one.

    Parameters
    ----------
    outputs : mapping of str to str or None
        Paths by the option that names them; None where it was not given.
    inputs : iterable of str or None
        Paths of files and model folders, or ``NAME=PATH``.

    Raises
    ------
    ParameterError
        If that is so; nothing has been written.
    """
    read = [join.source_of(entry).path for entry in inputs if entry is not None]
    read = [path for path in read if path != files.STANDARD_STREAM]
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or path == files.STANDARD_STREAM:
            continue
        if any(_same(path, other) for other in read):
            raise ParameterError(
                f"{option}={path!r} is what is read; choose another file, so that nothing is lost"
            )
        twin = next((other for other, taken in written.items() if _same(path, taken)), None)
        if twin is not None:
            raise ParameterError(f"{option}={path!r} is {twin}, too; choose another file")
        written[option] = path


def _same(one: str, other: str) -> bool:
    """Return whether two paths lead to the same place, or one into a folder that the other is."""
    try:
        if os.path.samefile(one, other):
            return True
    except OSError:  # one of them is not there yet
        pass
    first, second = Path(one).resolve(), Path(other).resolve()
    return first == second or (second.is_dir() and second in first.parents and _is_model(second))


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()
