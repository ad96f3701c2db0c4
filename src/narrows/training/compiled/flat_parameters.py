"""Hold the parameters of a network as one vector while they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from narrows.core.types import Json


class FlatParameters:
    """One vector of all parameters, and one of all gradients, of which each parameter sees a part.

    So that an optimiser whose moves do not depend on shapes moves one tensor, in one call.

    Parameters
    ----------
    parameters : sequence of nn.Parameter
        Each once, all of one dtype.
    vector : nn.Parameter, optional
        The vector of an optimiser that goes on; a new one by default.
    n_beside : int
        Numbers that lie behind the gradients, in ``message``, to be sent with them.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        vector: nn.Parameter | None = None,
        n_beside: int = 0,
    ) -> None:
        self.parameters = list(parameters)
        if vector is None:
            vector = nn.Parameter(_joined(self.parameters))
        self.vector = vector
        size = len(vector)
        self.message = vector.data.new_zeros(size + n_beside)
        self.gradient = self.message[:size]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the parameters be views of the vector within, and tensors of their own after."""
        with torch.no_grad():
            self.vector.copy_(_joined(self.parameters))
        self.vector.grad = self.gradient
        for parameter, value, gradient in zip(
            self.parameters, self.parts(self.vector.data), self.parts(self.gradient), strict=True
        ):
            parameter.data, parameter.grad = value, gradient
        try:
            yield
        finally:
            self.vector.grad = None
            for parameter in self.parameters:
                parameter.data, parameter.grad = parameter.data.clone(), None

    def parts(self, vector: Tensor) -> list[Tensor]:
        """Return a vector of that length in the shapes of the parameters, as views."""
        pieces = vector.split([parameter.numel() for parameter in self.parameters])
        return [
            piece.view(parameter.shape)
            for piece, parameter in zip(pieces, self.parameters, strict=True)
        ]


def vector_of(groups: Sequence[Json], parameters: Sequence[nn.Parameter]) -> Any:
    """Return the vector that an optimiser's groups move; None if they move the parameters."""
    moved = [parameter for group in groups for parameter in group["params"]]
    own = {id(parameter) for parameter in parameters}
    return moved[0] if len(moved) == 1 and id(moved[0]) not in own else None


def _joined(parameters: Sequence[nn.Parameter]) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
