"""The base class of losses."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from narrows.core.activations import Activation
from narrows.core.forward_pass import ForwardPass
from narrows.core.spec import Spec, unwritten
from narrows.errors import CompositionError

__all__ = ["Loss"]


class Loss(Spec, axis="loss"):
    """Base of the losses: one number per cell; the objective sums features and means samples.

    A loss defines `cells`. ``link`` is the output activation where the architecture names none;
    ``low`` and ``high`` bound the data the loss is defined for, after scaling. ``has_closed_form``
    says whether `loss_and_gradient` gives the loss and its derivative without autograd; it is off
    by default. `narrows.testing.check_loss` checks one.

    Examples
    --------
    >>> from narrows import Autoencoder, Loss
    >>> from sklearn.datasets import load_iris
    >>> class Quartic(Loss):
    ...     def cells(self, forward):
    ...         return (forward.reconstruction - forward.x) ** 4
    >>> model = Autoencoder(2, loss=Quartic(), max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).score(load_iris().data) < 0
    True
    """

    link = "linear"
    low = -math.inf
    high = math.inf
    has_closed_form = False
    is_probability = False  # whether `log_density` is of a probability, which has no unit
    how_to_write: ClassVar[str] = (
        "a loss gives one number for each cell; write\n\n"
        "from narrows import Loss\n\n"
        "class MyLoss(Loss):\n"
        "    def cells(self, forward):\n"
        "        # shape (n_samples, n_features): in torch that is reduction='none'\n"
        "        return {value}(forward.reconstruction, forward.x)\n\n"
        "and give loss=MyLoss()"
    )
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {"cells": ("has_closed_form",)}

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_features)."""
        raise unwritten(self, "cells")

    def checked_cells(self, forward: ForwardPass) -> Tensor:
        """Return `cells`, having seen that there is one for each cell.

        Raises
        ------
        CompositionError
            If they have another shape, of which sums would be taken all the same.
        """
        cells = self.cells(forward)
        if cells.shape != forward.x.shape:
            raise CompositionError(
                f"loss={self!r} gave cells of shape {tuple(cells.shape)} for rows of shape "
                f"{tuple(forward.x.shape)}; return one number for each cell, without sums or means"
            )
        return cells

    def is_apart(self, link: Activation) -> bool:
        """Whether `loss_and_gradient` gives loss and derivative, for a link."""
        direct = link.direct
        return self.has_closed_form and direct is not None and not direct.keeps_input

    def loss_and_gradient(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return scale x the weighted sum of all entries, and its derivative by ``raw``.

        What `cells` and autograd give, without autograd, for a loss that `is_apart`.

        Parameters
        ----------
        raw : Tensor of shape (n_samples, n_outputs)
            The output before the link; may be overwritten.
        x : Tensor of shape (n_samples, n_features)
            The clean input.
        link : Activation
            From ``raw`` to the reconstruction.
        weights : Tensor, optional
            What each cell counts, of a shape that broadcasts to that of x.
        scale : float
            Multiplies all.
        out : Tensor of shape (n_samples, n_outputs)
            Where the derivative may be written.
        """
        assert link.direct is not None
        link.direct.value(raw, raw)
        total, slopes = self.error_gradient(torch.sub(raw, x, out=out), weights, scale)
        link.direct.backward(slopes, raw)
        return total, slopes

    def error_gradient(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the same for a loss of r - x, with the derivative by r; may overwrite r - x."""
        raise unwritten(self, "error_gradient")

    def cell_weights(self, x: Tensor, x_corrupted: Tensor) -> Tensor | None:
        """Return what each cell counts beside all other weights; None if all count 1."""
        return None

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, shape (n_samples, n_features).

        Raises
        ------
        CompositionError
            If this loss is not minus the logarithm of a density.
        """
        raise CompositionError(
            f"loss={self!r} is not minus the logarithm of a density; choose SquaredError, "
            "AbsoluteError or CrossEntropy"
        )

    def mean_inputs(self, raw: Tensor, link: Any) -> Tensor:
        """Return what the network would see of rows with this output, (n_samples, n_shown)."""
        inputs: Tensor = link(raw)
        return inputs

    def from_inputs(self, inputs: Tensor) -> Tensor:
        """Return the cells that expected inputs mean, within what the loss is defined for."""
        if math.isinf(self.low) and math.isinf(self.high):
            return inputs
        return inputs.clamp(self.low, self.high)

    def input_spread(self, inputs: Tensor, deviations: Tensor) -> Tensor | None:
        """Return how far cells may be off, in units of the table; None if that is the scaling's."""
        return None

    def check(self, output_activation: str) -> None:
        """Refuse an output activation this loss cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If it, or a setting of the loss, cannot be.
        """
