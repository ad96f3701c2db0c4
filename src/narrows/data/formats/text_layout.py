"""How a delimited file is written: what somebody says of it, and what its bytes say."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from narrows.errors import ParameterError

MARKS = {"tab": "\t", "\\t": "\t", "space": " ", "\\xa0": "\u00a0"}
QUESTION_MARK = "?"
MOST_COLUMNS = 100_000
# Bytes that are no UTF-8 are most often what Windows writes in western Europe.
WESTERN, ANY = "cp1252", "latin-1"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# A decimal comma for sure: not three digits behind it, or points between thousands before it.
DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3})+,\d+|0,\d+)\s*")
DECIMAL_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
POINTED = re.compile(r"\s*[+-]?\d{1,3}(\.\d{3})+(,\d+)?\s*")


@dataclass(frozen=True)
class TextLayout:
    """What somebody says of how a delimited file is written; None is looked for in the file.

    Parameters
    ----------
    header : bool, optional
        Whether the first row holds names.
    sep : str, optional
        What stands between fields: one character, or "tab".
    decimal : str, optional
        "." or ",".
    thousands : str, optional
        What stands between thousands; by default nothing.
    encoding : str, optional
        Such as "utf-8", "latin-1", "cp1252", "utf-16".
    na : sequence of str
        Cells that say that nothing was measured, beside the usual ones.
    max_columns : int, optional
        How many fields a row may have; by default 100,000, so that a file that is no table is
        refused before it takes the memory of the machine.

    Raises
    ------
    ParameterError
        If one of them cannot be.
    """

    header: bool | None = None
    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    na: tuple[str, ...] = ()
    max_columns: int | None = None

    def __post_init__(self) -> None:
        for name in ("sep", "decimal", "thousands"):
            mark = getattr(self, name)
            if mark is None:
                continue
            mark = MARKS.get(mark, mark)
            object.__setattr__(self, name, mark)
            if len(mark) != 1:
                raise ParameterError(
                    f"{name}={mark!r} must be one character; write for example {name}=';'"
                )
        if self.decimal not in (None, ".", ","):
            raise ParameterError(f"decimal={self.decimal!r} must be '.' or ','")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ParameterError(f"decimal and thousands are both {self.decimal!r}; give one")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ParameterError(
                    f"encoding={self.encoding!r} is not known; write for example encoding='latin-1'"
                ) from None

    @property
    def is_open(self) -> bool:
        """Whether nothing was said."""
        return replace(self, max_columns=None) == TextLayout()

    def options(self) -> list[str]:
        """Return the options of the command line that say the same."""
        header = {None: [], True: ["--header"], False: ["--no-header"]}[self.header]
        marks = [
            part
            for name in ("sep", "decimal", "thousands", "encoding", "max_columns")
            if (value := getattr(self, name)) is not None
            for part in (f"--{name.replace('_', '-')}", "tab" if value == "\t" else str(value))
        ]
        return [*header, *marks, *(part for cell in self.na for part in ("--na", cell))]


AS_FOUND = TextLayout()


def decoded(data: bytes, encoding: str | None, *, whole: bool = True) -> tuple[bytes, str | None]:
    """Return bytes as UTF-8, and the encoding that was assumed; None where they were UTF-8.

    Where they are not the whole file, a letter that is cut off at their end is left out.

    Raises
    ------
    UnicodeDecodeError
        If they are not what ``encoding`` says.
    """
    if encoding is not None:
        return _as_utf8(data, encoding, whole=whole), None
    if data.startswith(UTF16):
        return _as_utf8(data, "utf-16", whole=whole), "utf-16"
    try:
        return _as_utf8(data, "utf-8", whole=whole), None
    except UnicodeDecodeError:
        return _western(data)


def _as_utf8(data: bytes, encoding: str, *, whole: bool) -> bytes:
    text = codecs.getincrementaldecoder(encoding)().decode(data, final=whole)
    return text.removeprefix("\ufeff").encode()


def _western(data: bytes) -> tuple[bytes, str]:
    try:
        return data.decode(WESTERN).encode(), WESTERN
    except UnicodeDecodeError:
        return data.decode(ANY).encode(), ANY


def decimal_mark(cells: Iterable[str]) -> str:
    """Return "," if some cells have a decimal comma for sure and none a decimal point, else "."."""
    commas = points = 0
    for cell in cells:
        commas += DECIMAL_COMMA.fullmatch(cell) is not None
        points += DECIMAL_POINT.fullmatch(cell) is not None and POINTED.fullmatch(cell) is None
    return "," if commas and not points else "."


def has_points_between_thousands(cells: Sequence[str]) -> bool:
    """Return whether cells with decimal commas have points between thousands, too."""
    return any(POINTED.fullmatch(cell) and "," in cell for cell in cells)
