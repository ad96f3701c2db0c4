"""One row per epoch, with the objective and its named parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from narrows.core.types import Json

Row = Json
MOST_PARTS = 4096  # numbers of their own, of as many batches; beyond, they become one tensor


class EpochMeter:
    """Means over the batches of an epoch, fetched from the device once.

    Parameters
    ----------
    names : sequence of str
        Of the objective's parts.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._parts: list[torch.Tensor] = []
        self._folded: list[torch.Tensor] = []
        self._sizes: list[int] = []
        self._noted: dict[str, list[torch.Tensor]] = {}

    def add(self, parts: Iterable[torch.Tensor], n_rows: int) -> None:
        """Count the parts of the objective for one batch."""
        self._parts.extend(parts)
        self._sizes.append(n_rows)
        if len(self._parts) >= MOST_PARTS:
            self._folded.append(torch.stack(self._parts))
            self._parts = []

    def parts(self) -> torch.Tensor:
        """Return the parts of the batches counted, one after the other, where they are."""
        return torch.stack(self._parts)

    def note(self, values: Mapping[str, torch.Tensor]) -> None:
        """Count what a batch has to say beside its objective."""
        for name, value in values.items():
            noted = self._noted.setdefault(name, [])
            noted.append(value.reshape(-1))
            if len(noted) >= MOST_PARTS:
                noted[:] = [torch.cat(noted)]

    def state(self) -> Json:
        """Return what was counted."""
        return {
            "parts": self._parts,
            "folded": self._folded,
            "sizes": self._sizes,
            "noted": self._noted,
        }

    def load(self, state: Json) -> None:
        """Count what another meter had counted."""
        self._parts, self._folded = list(state["parts"]), list(state["folded"])
        self._sizes = list(state["sizes"])
        self._noted = {name: list(values) for name, values in state["noted"].items()}

    def means(self) -> dict[str, float]:
        """Return the mean of each part over the rows counted, and of their sum, the objective.

        What was noted beside them comes last, as its mean over the batches.
        """
        rest = [torch.stack(self._parts)] if self._parts else []
        numbers = torch.cat([*self._folded, *rest])
        table = numbers.double().cpu().view(len(self._sizes), len(self.names))
        share = torch.tensor(self._sizes, dtype=torch.float64)
        means = (share @ table / share.sum()).tolist()
        parts = dict(zip(self.names, means, strict=True))
        noted = {name: float(torch.cat(values).mean()) for name, values in self._noted.items()}
        return {"objective": sum(means), **parts, **noted}
