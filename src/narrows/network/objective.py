"""The loss plus weighted penalties, as one scalar and its named parts."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.core.activations import Activation
from narrows.core.forward_pass import CodeSlopes, ForwardPass
from narrows.core.training_rows import TrainingRows
from narrows.core.types import Part
from narrows.data.table import Batch
from narrows.errors import CompositionError
from narrows.losses.loss import Loss
from narrows.network.network import Network
from narrows.penalties.penalty import Penalty, PenaltySum
from narrows.priors import Prior


class Value(NamedTuple):
    """The objective of one batch: the scalar to minimise and its parts in `Objective.names`."""

    total: Tensor
    parts: list[Tensor]


class Objective:
    """Loss summed over features and averaged over samples, plus weight x penalty for each term.

    The only place where a weight is multiplied in.

    Parameters
    ----------
    loss : Loss
        The reconstruction loss.
    penalty : Penalty or None
        One penalty, or a sum of them.
    weights : Tensor of shape (n_features,), optional
        What the loss of each column counts.
    """

    def __init__(self, loss: Loss, penalty: Penalty | None, weights: Tensor | None = None) -> None:
        self.loss = loss
        self.weights = weights
        self._cast: Tensor | None = None  # the weights as the last batch needed them
        self.terms = {} if penalty is None else penalty.terms()
        self.names = ("loss", *self.terms)

    def check(self, network: Network) -> None:
        """Let every term refuse what it cannot work with.

        Raises
        ------
        ParameterError
            If a pair, or a setting, cannot be.
        """
        network.latent.check(network)
        self.loss.check(network.link.name)
        for term in self.terms.values():
            term.check(network)

    def of_layer(self, loss: Part, penalty: Part) -> Objective:
        """Return the objective for one layer trained alone.

        Parameters
        ----------
        loss : Loss or str
            What the layer's reconstruction is judged by.
        penalty : Penalty, str or None
            Of the layer; "same" is those of this objective's terms that make sense for one layer.
        """
        weights = self.weights if loss is self.loss else None  # of the table's own columns
        if isinstance(penalty, str) and penalty == "same":
            own = [term for term in self.terms.values() if term.per_layer]
            return Objective(Loss.of(loss), PenaltySum(tuple(own)) if own else None, weights)
        return Objective(Loss.of(loss), None if penalty is None else Penalty.of(penalty), weights)

    def for_rows(self, rows: TrainingRows) -> Objective:
        """Return the objective with its terms as they are for rows to be trained on."""
        own = copy.copy(self)
        own.terms = {name: term.for_rows(rows) for name, term in self.terms.items()}
        return own

    def add_critics(self, network: Network) -> None:
        """Give the network the critics that terms play against, their weights not yet drawn."""
        for term in self.terms.values():
            critic = term.critic(network)
            if critic is not None:
                if term.name in network.critics:
                    raise CompositionError(
                        f"penalty holds {term.name!r} twice, but they would share one critic; "
                        "keep one of them"
                    )
                network.critics[term.name] = critic

    @property
    def grows(self) -> bool:
        """Whether a weight is larger at the end of training than at its beginning."""
        return any(term.weight_at(0.0) < term.weight_at(1.0) for term in self.terms.values())

    @property
    def steady(self) -> bool:
        """Whether every weight is the same throughout training."""
        return all(type(t).weight_at is Penalty.weight_at for t in self.terms.values())

    @property
    def prior(self) -> Prior | None:
        """What the codes are drawn towards by a term, if by any."""
        priors = [term.prior for term in self.terms.values() if term.prior is not None]
        return Prior.of(priors[0]) if priors else None

    def history_extras(self, means: Mapping[str, float], n_features: int) -> dict[str, float]:
        """Return extra columns for the history: the loss per feature."""
        return {"loss_per_feature": means["loss"] / n_features}

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Let the critics learn from a pass the network was trained on; return their losses."""
        losses: dict[str, Tensor] = {}
        for term in self.terms.values():
            losses.update(term.learn(forward))
        return losses

    def diagnose(self, forward: ForwardPass) -> list[str]:
        """Return what is wrong with a trained network, in words, looking at one pass."""
        remarks = [term.diagnose(forward) for term in self.terms.values()]
        return [remark for remark in remarks if remark is not None]

    def per_sample(self, forward: ForwardPass) -> Tensor:
        """Return the reconstruction loss of each sample, shape (n_samples,)."""
        return self.per_cell(forward).sum(1)

    def per_cell(self, forward: ForwardPass) -> Tensor:
        """Return what each cell adds to the reconstruction loss, shape (n_samples, n_features)."""
        cells = self.loss.checked_cells(forward)
        if forward.observed is not None:
            cells = torch.where(forward.observed, cells, 0.0)
        return cells if self.weights is None else cells * self._weights(cells)

    @property
    def of_weights(self) -> bool:
        """Whether `add_term_gradients` gives all there is beside the loss."""
        return all(term.weights_only for term in self.terms.values())

    @property
    def weight_free(self) -> bool:
        """Whether no term looks at weights."""
        return all(term.weight_free for term in self.terms.values())

    @property
    def follows_rows(self) -> bool:
        """Whether a term looks at weights and rows together, as at derivatives."""
        return not all(t.weight_free or t.weights_only for t in self.terms.values())

    def loss_is_apart(self, link: Activation) -> bool:
        """Whether `loss_and_gradient` gives the loss, and no term needs what was decoded."""
        alone = all(term.code_only or term.weights_only for term in self.terms.values())
        return alone and self.loss.is_apart(link)

    def loss_and_gradient(
        self, raw: Tensor, batch: Batch, seen: Tensor, link: Activation, share: float, out: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, times its share of a step, and its derivative by ``raw``.

        What the loss and autograd give, if the `loss_is_apart`. ``raw`` may be overwritten,
        and the derivative written to ``out``.
        """
        scale = share / raw.shape[0]
        weights = self._counts(batch, seen)
        return self.loss.loss_and_gradient(raw, batch.x, link, weights, scale, out)

    def slopes_fit(self, network: Network, local: bool) -> bool:
        """Whether `values_and_slopes` can be asked; ``local`` is as in `Penalty.slopes_fit`."""
        return all(term.slopes_fit(network, local=local) for term in self.terms.values())

    def values_and_slopes(
        self, forward: ForwardPass, share: float
    ) -> tuple[list[Tensor], CodeSlopes]:
        """Return the weighted values of all terms, and the derivative of share x their sum."""
        values, slopes = [], CodeSlopes()
        for term in self.terms.values():
            weight = term.weight_at(forward.progress)
            value, own = term.value_and_slopes(forward, weight * share)
            values.append(value * weight)
            slopes = slopes + own
        return values, slopes

    def add_term_gradients(self, network: Network, progress: float, share: float) -> list[Tensor]:
        """Add the gradients of terms of the weights to theirs; return the weighted values."""
        values = []
        for term in self.terms.values():
            weight = term.weight_at(progress)
            value = term.add_gradient(network, weight * share)
            assert value is not None
            values.append(value * weight)
        return values

    def term_values(self, forward: ForwardPass) -> list[Tensor]:
        """Return the weighted values of all terms, for one batch."""
        weighted = self.terms.values()
        return [term.weight_at(forward.progress) * term.scalar(forward) for term in weighted]

    def _counts(self, batch: Batch, seen: Tensor) -> Tensor | None:
        """Return what each cell counts; None if all count 1."""
        factors = [self.loss.cell_weights(batch.x, seen)]
        if batch.observed is not None:
            factors.append(batch.observed.to(batch.x.dtype))
        if self.weights is not None:
            factors.append(self._weights(batch.x))
        if batch.sample_weight is not None:
            factors.append(batch.sample_weight[:, None])
        given = [factor for factor in factors if factor is not None]
        return functools.reduce(torch.mul, given) if given else None

    def _weights(self, cells: Tensor) -> Tensor:
        assert self.weights is not None
        weights = self._cast
        if weights is None or weights.dtype != cells.dtype or weights.device != cells.device:
            with torch.inference_mode(False):  # or autograd could not use what is kept
                weights = self.weights.to(cells)
            if type(weights) is Tensor:  # and no stand-in of a pass that is only traced
                self._cast = weights
        return weights

    def __call__(self, forward: ForwardPass) -> Value:
        """Return the objective of one batch; its parts, weights multiplied in, add up to it."""
        total = self._loss(forward)
        parts = [total.detach()]
        for value in self.term_values(forward):
            parts.append(value.detach())
            total = total + value
        return Value(total, parts)

    def _loss(self, forward: ForwardPass) -> Tensor:
        if forward.observed is None and forward.sample_weight is None and self.weights is None:
            return self.loss.checked_cells(forward).sum() / len(forward.x)  # one reduction, not two
        return forward.mean(self.per_sample(forward))
