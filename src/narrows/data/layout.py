"""Layout: what is known of a table before any of its rows: its width, and its views."""

from __future__ import annotations

from dataclasses import dataclass

from narrows.data.views import Placed


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Parameters
    ----------
    n_features : int
        How many there are.
    views : tuple of Placed
        Which belong together; empty where nothing was said of that.
    """

    n_features: int
    views: tuple[Placed, ...] = ()

    @property
    def columns(self) -> list[tuple[int, ...]]:
        """The numbers of each view's columns."""
        return [view.columns for view in self.views]
