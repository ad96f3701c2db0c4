"""Train one layer after the other, then all together."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.types import Part
from narrows.data import batches
from narrows.data.table import DenseTable, SparseTable
from narrows.errors import CompositionError, ParameterError
from narrows.network.network import Network
from narrows.training.phase import Phase, autoencoder_of, noise
from narrows.training.schedules.schedule import Schedule

__all__ = ["Layerwise"]


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

    Raises
    ------
    ParameterError
        By `fit`, before anything is trained: if a setting has not one entry per layer, leaves
        nothing to train, or cannot go with the layer that the message names.

    Notes
    -----
    Optimiser and learning rate begin anew with each phase. A tied stack stays tied: a layer and its
    mirror have one matrix all along. Terms that speak of the code of the whole, `KL` for example,
    join in fine-tuning; so does the second head of a distribution. The innermost layer has the
    estimator's latent if that has one head. ``partial_fit`` trains the whole only, and a warm start
    begins with the layers again.

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

    needs_all_rows = False

    def __init__(
        self,
        epochs: int | Sequence[int] | str = "auto",
        finetune: int | str = "auto",
        corruption: Part = "same",
        penalty: Part = "same",
        loss: Part = "squared_error",
    ) -> None:
        self.epochs = epochs
        self.finetune = finetune
        self.corruption = corruption
        self.penalty = penalty
        self.loss = loss

    def phases(self, joint: Phase) -> Iterator[Phase]:
        """Yield a phase for each layer, from the table inwards, then one for the whole.

        Raises
        ------
        ParameterError
            If a setting cannot be, has not one entry per layer, or leaves nothing to train.
        """
        network, _ = autoencoder_of(joint)
        n_layers = len(network.pairs)
        lengths = self._lengths(n_layers, joint.max_epochs)
        together = self._together(joint.max_epochs)
        if not any((*lengths, together)):
            raise ParameterError(
                "schedule__epochs=0 and schedule__finetune=0 leave nothing to train; choose at "
                "least one epoch of a layer or of the whole"
            )
        # All of them before the first is trained, so that a mistake in the last costs no time.
        layers = [self._layer(joint, number, n_layers) for number in range(n_layers)]
        table = joint.table
        for number, (layer, length) in enumerate(zip(layers, lengths, strict=True)):
            if length:
                yield replace(layer, table=table, max_epochs=length)
            if number < n_layers - 1:
                table = table.through(functools.partial(_encoded, autoencoder_of(layer)[0]))
        if together:
            yield replace(joint, name="fine-tune", max_epochs=together)

    def _layer(self, joint: Phase, number: int, n_layers: int) -> Phase:
        """Return the phase of one layer, still with the table of the whole."""
        network, objective = autoencoder_of(joint)
        loss = objective.loss if number == 0 else self.loss
        try:
            layer = replace(
                joint,
                name=f"layer {number + 1}",
                network=network.single_layer(number),
                objective=objective.of_layer(loss, self._own("penalty", number, n_layers)),
                corruption=self._noise(joint, number, n_layers),
            )
            _check(layer)
        except ParameterError as error:
            raise type(error)(f"layer {number + 1} of {n_layers}: {error}") from error
        return layer

    def _noise(self, joint: Phase, number: int, n_layers: int) -> Any:
        given = self._own("corruption", number, n_layers)
        if given != "same":
            return noise(given)
        if number == 0 or joint.corruption is None:
            return joint.corruption
        return joint.corruption.of_codes()

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
        return [half if value == "auto" else _epochs("epochs", value) for value in given]

    def _together(self, max_epochs: int) -> int:
        return max_epochs if self.finetune == "auto" else _epochs("finetune", self.finetune)


def _epochs(name: str, value: Any) -> int:
    return checks.integer(f"schedule__{name}", value, low=0, remedy="or leave it at 'auto'")


def _check(layer: Phase) -> None:
    """Let the parts of one layer's phase refuse what they cannot work with."""
    network, objective = autoencoder_of(layer)
    for name, term in objective.terms.items():
        if not term.per_layer:
            raise CompositionError(
                f"schedule__penalty={name!r} speaks of the code of the whole network; give it as "
                "the estimator's penalty, which fine-tuning minimises"
            )
    objective.check(network)
    if layer.corruption is not None:
        layer.corruption.check(network.n_features)


@torch.no_grad()
def _encoded(network: Network, table: DenseTable | SparseTable) -> DenseTable:
    """Return the clean codes of rows that are at hand, under the same row numbers."""
    (block, _), *_ = network.pairs
    size = batches.rows_at_once(network.n_features)
    codes: list[Tensor] = []
    measured: list[Tensor] = []
    for rows in batches.in_order(table.all_rows, size):
        batch = table.take(rows)
        codes.append(network.encode(batch.x, batch.observed))
        if batch.observed is not None:
            _, observed = network.to_inputs(batch.x, batch.observed)
            assert observed is not None
            made_of_some = block.measured_outputs(observed)
            measured += [] if made_of_some is None else [made_of_some]
    return table.of_codes(torch.cat(codes), torch.cat(measured) if measured else None, block.views)
