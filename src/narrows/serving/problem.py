"""What a request is refused with."""

from __future__ import annotations

from collections.abc import Sequence

from narrows.core.types import Json


class Problem(Exception):  # noqa: N818 - most are the client's
    """An answer that is none, as a status of HTTP and a sentence; never with a value of the body.

    Parameters
    ----------
    status : int
        Of HTTP.
    detail : str
        What is wrong, and what to do.
    row, column : int and str, optional
        Where, counted from 0.
    headers : sequence of pairs, optional
        Names and values that go along.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        row: int | None = None,
        column: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.row = row
        self.column = column
        self.headers = tuple(headers)

    @property
    def content(self) -> Json:
        """The body of the answer."""
        content: Json = {"detail": self.detail}
        if self.row is not None:
            content["row"] = self.row
        if self.column is not None:
            content["column"] = self.column
        return content


def busy() -> Problem:
    """Return the refusal of what there is no room for now."""
    return Problem(
        503, "too much is waiting; try again in a second", headers=[("retry-after", "1")]
    )


def failure() -> Problem:
    """Return the refusal of what went wrong with us, of which the log says more."""
    return Problem(500, "the service failed; its log says how")
