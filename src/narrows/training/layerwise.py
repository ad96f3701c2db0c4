"""Layerwise: one layer after the other, then all together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from narrows import checks
from narrows.data import batches
from narrows.data.table import DenseTable, Table
from narrows.errors import ParameterError
from narrows.network import Network
from narrows.training.phase import Phase, noise
from narrows.training.schedules import Schedule

__all__ = ["Layerwise"]

ENCODED_ROWS = 8192  # rows that pass through a trained layer at once


class Layerwise(Schedule):
    """Each layer as a shallow autoencoder of what the layers below make of x, then all together.

    Layer k and its mirror are trained to reconstruct h_(k-1) = f_(k-1)(... f_1(x)), the clean codes
    of the layers below, which stay as they are meanwhile. Then the whole, unrolled, is fine-tuned.

    Parameters
    ----------
    epochs : int, sequence of int or "auto", default="auto"
        Of each layer: one number for all, or one per layer. "auto" is half of the estimator's
        ``max_epochs``.
    finetune : int or "auto", default="auto"
        Epochs of the whole. "auto" is the estimator's ``max_epochs``; 0 leaves the layers as they
        were trained alone.
    corruption : "same", None, Corruption or sequence of these, default="same"
        What is done to the input of each layer; "same" is the estimator's. A sequence has one per
        layer.
    penalty : "same", None, Penalty or sequence of these, default="same"
        Of each layer; "same" is those of the estimator's terms that make sense for one layer.
    loss : Loss or str, default="squared_error"
        Of the layers beyond the first, which takes the estimator's.

    Notes
    -----
    The learning rate begins anew with each phase. A tied stack stays tied: a layer and its mirror
    have one matrix all along.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313
    (2006). Bengio et al., "Greedy layer-wise training of deep networks", NIPS 19 (2007). Vincent et
    al., "Stacked denoising autoencoders", JMLR 11 (2010).

    Examples
    --------
    >>> from narrows import Autoencoder, Layerwise
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, architecture=(8,), schedule=Layerwise(epochs=2, finetune=1),
    ...                     random_state=0).fit(load_iris().data)
    >>> [row["phase"] for row in model.history_]
    ['layer 1', 'layer 1', 'layer 2', 'layer 2', 'fine-tune']
    """

    def __init__(
        self,
        epochs: int | Sequence[int] | str = "auto",
        finetune: int | str = "auto",
        corruption: Any = "same",
        penalty: Any = "same",
        loss: Any = "squared_error",
    ) -> None:
        self.epochs = epochs
        self.finetune = finetune
        self.corruption = corruption
        self.penalty = penalty
        self.loss = loss

    def phases(self, whole: Phase) -> Iterator[Phase]:
        """Yield a phase for each layer, from the table inwards, then one for the whole.

        Raises
        ------
        ParameterError
            If a setting cannot be, or has not one entry per layer.
        """
        n_layers = len(whole.network.pairs)
        lengths = self._lengths(n_layers, whole.max_epochs)
        together = self._together(whole.max_epochs)
        table = whole.table
        for number, length in enumerate(lengths):
            phase = self._layer(whole, table, number)
            if length:
                yield replace(phase, max_epochs=length)
            if number < n_layers - 1:
                table = _encoded(phase.network, table)
        if together:
            yield replace(whole, name="fine-tune", max_epochs=together)

    def _layer(self, whole: Phase, table: Table, number: int) -> Phase:
        n_layers = len(whole.network.pairs)
        loss = whole.objective.loss if number == 0 else self.loss
        penalty = self._own("penalty", number, n_layers)
        corruption = self._own("corruption", number, n_layers)
        try:
            phase = replace(
                whole,
                name=f"layer {number + 1}",
                network=whole.network.alone(number),
                table=table,
                objective=whole.objective.of_layer(loss, penalty),
                corruption=whole.corruption if corruption == "same" else noise(corruption),
            )
            phase.check()
        except ParameterError as error:
            raise type(error)(f"layer {number + 1} of the stack: {error}") from error
        return phase

    def _own(self, name: str, number: int, n_layers: int) -> Any:
        """Return what is given for one layer."""
        value = getattr(self, name)
        if not isinstance(value, (tuple, list)):
            return value
        if len(value) != n_layers:
            raise ParameterError(
                f"schedule__{name} has {len(value)} entries, but the stack has {n_layers} layers, "
                "that of the code included; give one for each, or one for all"
            )
        return value[number]

    def _lengths(self, n_layers: int, max_epochs: int) -> list[int]:
        given = [self._own("epochs", number, n_layers) for number in range(n_layers)]
        half = max(1, max_epochs // 2)
        return [
            half if value == "auto" else checks.integer("schedule__epochs", value, low=0)
            for value in given
        ]

    def _together(self, max_epochs: int) -> int:
        if self.finetune == "auto":
            return max_epochs
        return checks.integer("schedule__finetune", self.finetune, low=0)


@torch.no_grad()
def _encoded(network: Network, table: Table) -> DenseTable:
    """Return the clean codes of a table's rows, under the same row numbers."""
    rows = torch.arange(table.n_rows)
    codes = []
    for part in batches.in_order(rows, ENCODED_ROWS):
        batch = table.take(part)
        codes.append(network.posterior(batch.x, batch.observed).mean)
    return DenseTable(torch.cat(codes), table.sample_weight, target=table.target)
