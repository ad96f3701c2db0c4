"""Likelihoods: how columns that are no plain numbers are judged, a group of like columns at once.

Each divides minus the logarithm of the probability by what the best constant loses on the rows of
fit, so that a column of any type counts as much as a standardised number does by squared error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.forward_pass import ForwardPass
from narrows.data.column import Column
from narrows.data.column_types import Categorical, Count, Ordinal, Proportion
from narrows.losses.loss import Loss


class _Likelihood(Loss):
    """Minus the logarithm of the probability of a cell, as a share of what a constant loses.

    Parameters
    ----------
    columns : sequence of Column
        Of one type, and as many places each.
    """

    is_probability = True

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self._held: dict[str, Tensor] = {}

    @property
    def activation(self) -> Activation:
        """From outputs to what the table would hold."""
        linear = ACTIVATIONS["linear"]
        return replace(linear, name=self.columns[0].type.name, function=self.reconstruction)

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        """Return -log p(x | raw) in nats, shape (n_samples, n_columns)."""
        raise NotImplementedError

    def reconstruction(self, raw: Tensor) -> Tensor:
        """Return what the table would hold for outputs, shape (n_samples, n_columns)."""
        raise NotImplementedError

    def shown(self, raw: Tensor, link: Any) -> Tensor:
        """Return the mean of what the network would see, shape (n_samples, n_shown)."""
        return self.reconstruction(raw)

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_columns)."""
        lost = self.minus_log(forward.x, forward.raw)
        return lost / self._row(lost, "baseline", lambda column: column.baseline)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, shape (n_samples, n_columns)."""
        return -self.minus_log(forward.x, forward.raw)

    def _row(self, like: Tensor, name: str, of: Callable[[Column], object]) -> Tensor:
        """Return a number (or several) of each column as a tensor of the dtype of another."""
        found = self._held.get(name)
        if found is None or found.dtype != like.dtype or found.device != like.device:
            values = [of(column) for column in self.columns]
            with torch.inference_mode(False):  # or autograd could not use what is kept
                found = torch.tensor(values, dtype=like.dtype, device=like.device)
            if type(found) is Tensor:  # and no stand-in of a pass that is only traced
                self._held[name] = found
        return found

    def _unscaled(self, x: Tensor) -> Tensor:
        scale = self._row(x, "scale", lambda column: column.scale)
        return x * scale + self._row(x, "center", lambda column: column.center)

    def _scaled(self, values: Tensor) -> Tensor:
        center = self._row(values, "center", lambda column: column.center)
        return (values - center) / self._row(values, "scale", lambda column: column.scale)


class _Shares(_Likelihood):
    """Cross-entropy of x in [0, 1] and r = sigmoid(raw + log-odds of the mean of x)."""

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        target = self._unscaled(x).clamp(0, 1)
        return F.binary_cross_entropy_with_logits(raw + self._odds(raw), target, reduction="none")

    def reconstruction(self, raw: Tensor) -> Tensor:
        return self._scaled(torch.sigmoid(raw + self._odds(raw)))

    def _odds(self, raw: Tensor) -> Tensor:
        return self._row(raw, "odds", lambda column: _log_odds(column.shares[0]))


class _Proportions(_Shares):
    """The same loss; as a density it is that of the continuous Bernoulli distribution.

    The cross-entropy alone is minus the logarithm of r^x (1 - r)^(1 - x), whose integral over
    [0, 1] is not 1 (Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a pervasive
    error in variational autoencoders", NeurIPS 2019).
    """

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, a density over [0, 1]."""
        logit = forward.raw + self._odds(forward.raw)
        return super().log_density(forward) + _log_normalizer(logit)


class _Counts(_Likelihood):
    """-log of the Poisson distribution with log-mean log m + s raw; m, s of the rows of fit."""

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        count = self._count(x)
        log_mean = self._log_mean(raw)
        return log_mean.exp() - count * log_mean + torch.lgamma(count + 1)

    def reconstruction(self, raw: Tensor) -> Tensor:
        return self._scaled(torch.log1p(self._log_mean(raw).exp()))

    def _count(self, x: Tensor) -> Tensor:
        return torch.expm1(self._unscaled(x)).clamp(min=0)

    def _log_mean(self, raw: Tensor) -> Tensor:
        mean = self._row(raw, "mean", lambda column: math.log(max(column.shares[0], 1e-12)))
        return (mean + raw * self._row(raw, "scale", lambda column: column.scale)).clamp(max=30)


class _DispersedCounts(_Counts):
    """-log of the negative binomial distribution: log-mean as above, and a log-dispersion."""

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        count = self._count(x)
        means, spreads = self._pairs(raw)
        log_mean = self._log_mean(means)
        start = self._row(raw, "dispersion", lambda column: math.log(column.shares[1]))
        log_r = -(start + spreads).clamp(-10, 10)
        r = log_r.exp()
        log_both = torch.logaddexp(log_r, log_mean)  # log(r + mean)
        combinations = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        return -combinations - r * (log_r - log_both) - count * (log_mean - log_both)

    def reconstruction(self, raw: Tensor) -> Tensor:
        return super().reconstruction(self._pairs(raw)[0])

    def shown(self, raw: Tensor, link: Any) -> Tensor:
        means, _ = self._pairs(raw)
        scaled = super().reconstruction(means)
        above = -torch.expm1(-self._log_mean(means).exp()) - 0.5
        return torch.stack([scaled, above], 2).flatten(1)

    def _pairs(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        pairs = raw.reshape(len(raw), -1, 2)
        return pairs[..., 0], pairs[..., 1]


class _Categories(_Likelihood):
    """-log softmax(raw + log of the shares) of the place that the level has."""

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        place = (x.detach().round().long() - 1).clamp(min=0)
        found: Tensor = -self._logs(raw).gather(2, place[:, :, None])[:, :, 0]
        return found

    def reconstruction(self, raw: Tensor) -> Tensor:
        logs = self._logs(raw)
        named = torch.tensor([len(column.levels) for column in self.columns], device=raw.device)
        rare = torch.arange(logs.shape[2], device=raw.device) >= named[:, None]
        return (logs.masked_fill(rare, -math.inf).argmax(2) + 1).to(raw.dtype)

    def shown(self, raw: Tensor, link: Any) -> Tensor:
        return (self._logs(raw).exp() - self._shares(raw)).flatten(1)

    def _logs(self, raw: Tensor) -> Tensor:
        places = raw.reshape(len(raw), len(self.columns), -1)
        return (places + self._shares(raw).clamp(min=1e-4).log()).log_softmax(2)

    def _shares(self, raw: Tensor) -> Tensor:
        return self._row(raw, "shares", lambda column: column.shares or (1.0,))


class _Ranks(_Likelihood):
    """-log of the sequential model: sigmoid(raw_k + log-odds) is the chance to go beyond level k.

    The log-odds are those of the rows of fit that came as far as k.
    """

    def minus_log(self, x: Tensor, raw: Tensor) -> Tensor:
        odds = self._odds(raw)
        rank = x.detach().round()[:, :, None]  # from 1
        step = torch.arange(1, odds.shape[2] + 1, device=x.device)
        gone = torch.where(step < rank, F.softplus(-odds), 0.0)
        stays = (step == rank) & (step < self._n_levels)
        found: Tensor = (gone + torch.where(stays, F.softplus(odds), 0.0)).sum(2)
        return found

    def reconstruction(self, raw: Tensor) -> Tensor:
        return (self._chances(raw).argmax(2) + 1).to(raw.dtype)

    def shown(self, raw: Tensor, link: Any) -> Tensor:
        beyond = self._odds(raw).sigmoid().cumprod(2)
        if self._n_levels < 2:
            return beyond.flatten(1) * 0
        shares = self._row(raw, "shares", lambda column: column.shares)
        return (beyond - (1 - shares.cumsum(1)[:, :-1])).flatten(1)

    def _chances(self, raw: Tensor) -> Tensor:
        beyond = self._odds(raw).sigmoid().cumprod(2)
        if self._n_levels < 2:
            return torch.ones_like(beyond)
        reached = torch.cat([torch.ones_like(beyond[:, :, :1]), beyond], 2)
        return reached - torch.cat([beyond, torch.zeros_like(beyond[:, :, :1])], 2)

    @property
    def _n_levels(self) -> int:
        return len(self.columns[0].levels)

    def _odds(self, raw: Tensor) -> Tensor:
        start = self._row(raw, "odds", lambda column: _stepwise(column.shares))
        return raw.reshape(len(raw), len(self.columns), -1) + start


def likelihood(columns: Sequence[Column]) -> _Likelihood:
    """Return what judges columns of one type, with as many places each."""
    kind = columns[0].type
    if isinstance(kind, Count):
        return _DispersedCounts(columns) if kind.dispersed else _Counts(columns)
    if isinstance(kind, Categorical):
        return _Categories(columns)
    if isinstance(kind, Ordinal):
        return _Ranks(columns)
    return _Proportions(columns) if isinstance(kind, Proportion) else _Shares(columns)


def _log_normalizer(logit: Tensor) -> Tensor:
    """Return log C(r) of the continuous Bernoulli distribution, r = sigmoid(logit).

    C(r) = logit / (2 r - 1), which is logit / tanh(logit / 2); 2 where the logit is 0.
    """
    near = logit.abs() < 1e-3
    far = logit.masked_fill(near, 1.0)
    series = math.log(2) + logit.square() / 12
    return torch.where(near, series, (far / torch.tanh(far / 2)).log())


def _log_odds(share: float) -> float:
    kept = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(kept / (1 - kept))


def _stepwise(shares: Sequence[float]) -> list[float]:
    """Return the log-odds of going beyond each level but the last, for who came so far."""
    if len(shares) < 2:
        return [0.0]
    reached = [sum(shares[k:]) for k in range(len(shares))]
    return [
        _log_odds(reached[k + 1] / reached[k] if reached[k] > 0 else 0.5)
        for k in range(len(shares) - 1)
    ]
