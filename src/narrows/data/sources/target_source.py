"""A source whose targets and weights are made of its own: classes as numbers, for example."""

from __future__ import annotations

from collections.abc import Callable

from narrows.core.types import Json, Matrix
from narrows.data.sources.source import Beside, Piece, Source
from narrows.errors import DataError, SourceError

Conversion = Callable[[Matrix, "Matrix | None"], Beside]


class TargetSource(Source):
    """The rows of a source, with targets and weights that are made of its own.

    Parameters
    ----------
    source : Source
        Has a target.
    conversion : callable
        Takes targets and weights of a piece, and returns those that stand in their place. Raises
        `DataError` of what cannot be.
    name : str
        Tells this conversion from others.
    """

    def __init__(self, source: Source, conversion: Conversion, name: str) -> None:
        super().__init__(source.names, source.shape[1], source.sizes.tolist(), source.memory)
        self.source, self.conversion, self.name = source, conversion, name

    def piece(self, number: int) -> Piece:
        """Return the rows of a piece."""
        piece = self.source.piece(number)
        target, weight = self._converted(number, Beside(piece.target, piece.weight))
        return piece._replace(target=target, weight=weight)

    def beside(self, number: int) -> Beside:
        """Return targets and weights of a piece."""
        return self._converted(number, self.source.beside(number))

    def _converted(self, number: int, beside: Beside) -> Beside:
        if beside.target is None:
            raise SourceError(NO_TARGET)
        try:
            return self.conversion(beside.target, beside.weight)
        except DataError as error:
            raise SourceError(f"{self.place(number)}: {error}") from error

    def place(self, number: int) -> str:
        """Return where a piece lies."""
        return self.source.place(number)

    def identity(self) -> Json:
        """Return what tells the source from another, and what is made of its targets."""
        return {"source": self.source.identity(), "targets": self.name}

    def close(self) -> None:
        """Close what this thread has open."""
        self.source.close()


NO_TARGET = "the source has no target; name its column: open_source(..., target='column')"
