"""Column types: what the values of a column mean, and so how they are read, encoded and scored.

Each divides its loss by what the best constant loses on the rows of fit, so that a column of any
type counts as much as a standardised number does by squared error. Those with a probability lose
minus its logarithm.

Choose `Numeric` for amounts, `Count` for how often, `Proportion` for shares from 0 to 1, `Angle`
for what goes round (directions, hours), `Binary` for two levels, `Ordinal` for levels in an order,
`Categorical` for all other levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core import checks
from narrows.core.types import Level, Matrix
from narrows.data.column import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    ORDERED,
    TEXT,
    WHOLE,
    Column,
    ColumnType,
    Input,
    LikeColumns,
    divisor,
    entropy,
    spread_of,
)
from narrows.errors import DataError, ParameterError

__all__ = ["Angle", "Binary", "Categorical", "Count", "Numeric", "Ordinal", "Proportion"]

# Log of a share that changes no sum; of what is below float32's smallest, exp takes ten times as
# long.
NEVER = -80.0
LEAST_CHANCE = 1e-6  # of a level, where sums of expectations leave it less than none
LEAST_TOTAL = 1.0  # of the counts of a row, so that an empty one has a logarithm
HIGHEST_LOG_MEAN = 30.0  # of counts, so that exp stays finite
MOST_DISPERSED = 10.0  # the logarithm of a dispersion, or as far below 0
ONE_HOT = 32  # places up to which a category has a network input each


class Numeric(ColumnType):
    """A number, scaled as the estimator's ``scaling`` says and judged by its ``loss``.

    Examples
    --------
    >>> from narrows import Numeric
    >>> Numeric()
    Numeric()
    """

    is_plain = True

    def n_shares(self, n_places: int) -> int:
        """Return 0: the scaling says all."""
        return 0


class _Share(ColumnType):
    """What is between 0 and 1: cross-entropy of x and r = sigmoid(raw + log-odds of its mean)."""

    has_slopes = True

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return the column with its mean and what that loses as a constant."""
        center, scale = spread_of(values, weight)
        mean = float(weight @ values)
        baseline = entropy(np.array([mean, 1 - mean]))
        return replace(
            column,
            center=center,
            scale=divisor(scale),
            shares=(mean,),
            baseline=divisor(baseline),
        )

    def no_statistics(self, column: Column) -> Column:
        """Return the column with a mean of 1/2."""
        return replace(column, shares=(0.5,))

    def minus_log(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return the cross-entropy."""
        target = columns.unscaled(x).clamp(0, 1)
        odds = self._odds(columns, raw)
        return F.binary_cross_entropy_with_logits(raw + odds, target, reduction="none")

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy and its derivative, r - x, both divided by the baseline."""
        target = columns.unscaled(x).clamp(0, 1)
        logit, baseline = raw + self._odds(columns, raw), columns.baseline(raw)
        cells = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
        return cells.div_(baseline), logit.sigmoid_().sub_(target).div_(baseline)

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return r."""
        return columns.scaled(torch.sigmoid(raw + self._odds(columns, raw)))

    def from_inputs(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return what is expected, between 0 and 1."""
        return columns.scaled(columns.unscaled(inputs).clamp(0, 1))

    def _odds(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        return columns.row(raw, "odds", lambda column: _log_odds(column.shares[0]))


class Binary(_Share):
    """One of two levels; judged by the cross-entropy of the probability of the second.

    Examples
    --------
    >>> from narrows import Binary
    >>> Binary()
    Binary()
    """

    has_levels = True
    first_level = 0

    def find_levels(
        self, name: str, column: Column, levels: list[Level], counts: list[int]
    ) -> Column:
        """Return the column with its two levels."""
        if len(levels) > 2:
            raise DataError(
                f"column {name} is binary but has {len(levels)} levels, "
                f"{', '.join(map(repr, levels[:4]))}, ...; set types= to Categorical()"
            )
        if column.form == BOOLEAN:
            return replace(column, levels=(False, True), categories=())
        return replace(column, levels=tuple(levels))

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return the probability of the other level."""
        chance = columns.unscaled(inputs).clamp(0, 1)
        return torch.minimum(chance, 1 - chance)

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return the levels that are more probable."""
        missing = np.isnan(values)
        places = np.where(missing, 0, values > 0.5).astype(int)
        return _named(column, places, missing)


class Categorical(ColumnType):
    """One of several levels without an order; judged by -log of the probability of the right one.

    The probabilities are softmax(raw + log of the shares).

    Parameters
    ----------
    min_count : int, default=2
        Levels that fewer rows of fit have share one place, which levels unknown to fit get, too.
    embedding : int or "auto", default="auto"
        Length of the learned vector that stands for a level; 0 gives each level a column of its
        own. "auto" is 0 up to 32 levels, then min(50, round(1.6 n^0.56)) for n levels.

    References
    ----------
    The rule for the length is that of fastai: Howard & Gugger, "fastai: a layered API for deep
    learning", Information 11 (2020).

    Examples
    --------
    >>> from narrows import Categorical
    >>> Categorical(min_count=5)
    Categorical(min_count=5)
    """

    has_levels = True
    has_codes = True
    takes_noise = False
    has_slopes = True
    takes_ragged = True

    def __init__(self, min_count: int = 2, embedding: int | str = "auto") -> None:
        self.min_count = min_count
        self.embedding = embedding

    def check(self) -> None:
        """Refuse a count below 1 and a length below 0."""
        checks.integer("types: min_count", self.min_count, low=1)
        if self.embedding != "auto":
            checks.integer("types: embedding", self.embedding, low=0, remedy="or leave it 'auto'")

    def vector_length(self, n_places: int) -> int:
        """Return how long the vector of a level is; 0 if each has a network input."""
        if self.embedding != "auto":
            return int(self.embedding)
        return 0 if n_places <= ONE_HOT else min(50, round(1.6 * n_places**0.56))

    def without_vectors(self) -> ColumnType:
        """Return the type with a network input for each level."""
        return Categorical(self.min_count, embedding=0)

    def n_inputs(self, n_places: int) -> int:
        """Return the length of the vectors, or the number of places."""
        return self.vector_length(n_places) or max(1, n_places)

    def n_outputs(self, n_places: int) -> int:
        """Return the number of places."""
        return max(1, n_places)

    def find_levels(
        self, name: str, column: Column, levels: list[Level], counts: list[int]
    ) -> Column:
        """Return the column with the levels that are not rare."""
        kept = [level for level, n in zip(levels, counts, strict=True) if n >= self.min_count]
        if not kept:  # all are rare, as in the smallest tables
            kept = levels
        return replace(column, levels=tuple(kept), pooled=len(kept) < len(levels))

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return the column with the shares of its places."""
        return _with_shares(column, values, weight)

    def inputs(self, column: Column) -> list[Input]:
        """Return an input for each place, 1 there and else 0, minus the place's share."""
        if self.vector_length(column.n_places):
            return super().inputs(column)
        centers = list(column.shares) or [0.0]
        return [Input(torch.eq, 1.0 + place, center) for place, center in enumerate(centers)]

    def minus_log(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return -log of the probability of the place that the level has."""
        place = (x.detach().round().long() - 1).clamp(min=0)
        logs = self._logs(columns, raw)
        lost: Tensor = -logs.gather(2, place[:, :, None])[:, :, 0]
        return lost

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the same, divided by the baseline, and probabilities less 1 at the right place."""
        most = columns.most_places
        place = (x.T - 0.5).long()[:, None]  # of a cell that was not measured, 0 as well
        starts = columns.row(raw, "starts", lambda column: _log_shares(column, most))
        baseline = columns.baseline(raw)[:, None]
        logs = (columns.padded(raw) + starts[:, :, None]).log_softmax(1)
        cells = logs.gather(1, place)[:, 0].neg_().div_(baseline)
        slopes = logs.exp_().div_(baseline[:, None])
        slopes.scatter_add_(1, place, baseline[:, None].reciprocal().neg_().expand(place.shape))
        return cells.T, columns.unpadded(slopes)

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the most probable place that stands for one level."""
        return self._likeliest(columns, self._logs(columns, raw))

    def mean_inputs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the probabilities minus the shares."""
        return (self._logs(columns, raw).exp() - self._shares(columns, raw)).flatten(1)

    def from_inputs(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return the most probable place that stands for one level."""
        return self._likeliest(columns, self._chances(columns, inputs))

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return the probability of all levels but the most probable one."""
        return 1 - self._chances(columns, inputs).amax(2)

    def _chances(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return probabilities for expected inputs, shape (n_samples, n_columns, n_places)."""
        places = inputs.reshape(inputs.shape[0], len(columns), -1) + self._shares(columns, inputs)
        positive = places.clamp(min=LEAST_CHANCE)
        return positive / positive.sum(2, keepdim=True)

    def _likeliest(self, columns: LikeColumns, chances: Tensor) -> Tensor:
        named = torch.tensor(
            [len(column.levels) for column in columns.columns], device=chances.device
        )
        rare = torch.arange(chances.shape[2], device=chances.device) >= named[:, None]
        return (chances.masked_fill(rare, -math.inf).argmax(2) + 1).to(chances.dtype)

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return the levels of places."""
        return _ranked(column, values)

    def spread(self, draws: Matrix) -> Matrix:
        """Return the share of draws that are not the most frequent one."""
        return _disagreement(draws)

    def _logs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        places = raw.reshape(raw.shape[0], len(columns), -1)
        return (places + self._shares(columns, raw).clamp(min=1e-4).log()).log_softmax(2)

    def _shares(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        return columns.row(raw, "shares", lambda column: column.shares or (1.0,))


class Ordinal(ColumnType):
    """One of several levels in an order; judged by -log of the probability of the right one.

    The network says, level by level, how probably the value lies beyond it once it has come so far:
    sigmoid(raw_k + log-odds of the rows of fit that came as far as k).

    Parameters
    ----------
    levels : sequence, optional
        In their order. Not needed for numbers, nor for ordered categories of a data frame.

    References
    ----------
    Tutz, "Regression for categorical data", 2012, section 9.2 (sequential models).

    Examples
    --------
    >>> from narrows import Ordinal
    >>> Ordinal(["mild", "moderate", "severe"])
    Ordinal(levels=['mild', 'moderate', 'severe'])
    """

    has_levels = True
    has_codes = True
    ranked = True
    takes_noise = False
    has_slopes = True

    def __init__(self, levels: Sequence[Level] | None = None) -> None:
        self.levels = levels

    def n_inputs(self, n_places: int) -> int:
        """Return how many steps there are between places."""
        return max(1, n_places - 1)

    def find_levels(
        self, name: str, column: Column, levels: list[Level], counts: list[int]
    ) -> Column:
        """Return the column with its levels in their order."""
        return replace(column, levels=tuple(self._ranking(name, column, levels)))

    def _ranking(self, name: str, column: Column, levels: list[Level]) -> list[Level]:
        if self.levels is not None:
            foreign = [level for level in levels if level not in self.levels]
            if foreign:
                advice = checks.nearest(str(foreign[0]), list(map(str, self.levels)))
                raise ParameterError(
                    f"types[{name}]={self!r} does not have {foreign[0]!r}, which the column has"
                    + (f"; {advice}" if advice else "; add it where it belongs in the order")
                )
            return list(self.levels)
        if column.form == ORDERED:
            return list(column.categories)
        if column.form in (TEXT, CATEGORY):
            raise ParameterError(
                f"types[{name}]=Ordinal() leaves open the order of "
                f"{', '.join(map(repr, levels[:4]))}; write Ordinal([lowest, ..., highest])"
            )
        return levels

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return the column with the shares of its places."""
        return _with_shares(column, values, weight)

    def inputs(self, column: Column) -> list[Input]:
        """Return an input for each step, 1 beyond it and else 0, minus the share beyond it."""
        return [
            Input(torch.gt, 1.0 + place, sum(column.shares[place + 1 :]))
            for place in range(column.n_inputs)
        ]

    def minus_log(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return -log of the probability of the level."""
        gone, reached = self._steps(columns, x.detach())
        return self._lost(self._odds(columns, raw), gone, reached)

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the same, and the chance to go on less whether it does, over the baseline."""
        odds = self._odds(columns, raw)
        gone, reached = self._steps(columns, x)
        counts = reached.div_(columns.baseline(raw)[:, None])
        cells = self._lost(odds, gone, counts)
        return cells, odds.sigmoid_().sub_(gone).mul_(counts).flatten(1)

    def _steps(self, columns: LikeColumns, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return 1 for steps that a cell has gone, and for those it has come to; 0 for others.

        Shape (n_samples, n_columns, n_steps). From the last level there is none.
        """
        rank = x[:, :, None]  # from 1
        last = _n_levels(columns) - 1
        steps = [step + 0.5 for step in range(1, last + 1)] or [math.inf]
        gone = rank > columns.row(x, "gone", lambda _: steps)
        reached = rank > columns.row(x, "reached", lambda _: [step - 1 for step in steps])
        return gone.to(x.dtype), reached.to(x.dtype)

    def _lost(self, odds: Tensor, gone: Tensor, counts: Tensor) -> Tensor:
        lost: Tensor = F.binary_cross_entropy_with_logits(odds, gone, counts, reduction="none")
        return lost.sum(2)

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the most probable level."""
        return (self._chances(columns, raw).argmax(2) + 1).to(raw.dtype)

    def mean_inputs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the chances to lie beyond each step, minus the shares."""
        beyond = self._odds(columns, raw).sigmoid().cumprod(2)
        if _n_levels(columns) < 2:
            return beyond.flatten(1) * 0
        shares = columns.row(raw, "shares", lambda column: column.shares)
        return (beyond - (1 - shares.cumsum(1)[:, :-1])).flatten(1)

    def from_inputs(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return the most probable level."""
        return (self._expected_chances(columns, inputs).argmax(2) + 1).to(inputs.dtype)

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return the probability of all levels but the most probable one."""
        return 1 - self._expected_chances(columns, inputs).amax(2)

    def _expected_chances(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return probabilities for expected inputs, shape (n_samples, n_columns, n_places)."""
        places = inputs.reshape(inputs.shape[0], len(columns), -1)
        if _n_levels(columns) < 2:
            return torch.ones_like(places)
        shares = columns.row(inputs, "shares", lambda column: column.shares)
        beyond = (places + (1 - shares.cumsum(1)[:, :-1])).clamp(0, 1).cummin(2).values
        reached = torch.cat([torch.ones_like(beyond[:, :, :1]), beyond], 2)
        chances = reached - torch.cat([beyond, torch.zeros_like(beyond[:, :, :1])], 2)
        positive = chances.clamp(min=LEAST_CHANCE)
        return positive / positive.sum(2, keepdim=True)

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return the levels of places."""
        return _ranked(column, values)

    def spread(self, draws: Matrix) -> Matrix:
        """Return the share of draws that are not the most frequent one."""
        return _disagreement(draws)

    def _chances(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        beyond = self._odds(columns, raw).sigmoid().cumprod(2)
        if _n_levels(columns) < 2:
            return torch.ones_like(beyond)
        reached = torch.cat([torch.ones_like(beyond[:, :, :1]), beyond], 2)
        return reached - torch.cat([beyond, torch.zeros_like(beyond[:, :, :1])], 2)

    def _odds(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        start = columns.row(raw, "odds", lambda column: _stepwise(column.shares))
        return raw.reshape(raw.shape[0], len(columns), -1) + start


class Count(ColumnType):
    """How often something happened, 0, 1, 2, ...; seen as log(1 + count), given back whole.

    Judged by -log of its probability, whose log-mean is log m + s raw, m and s of the rows of fit.

    Parameters
    ----------
    distribution : {"poisson", "negative_binomial"}, default="poisson"
        What the value is judged by. The second has a variance of its own, for counts that spread
        wider than their mean, such as sequencing reads.
    size_factors : bool, default=False
        Whether rows are judged beside their own totals, over the columns of this type in a view:
        how deep a cell was sequenced is then not for the code to say. What the code gives back is
        a row whose total is the mean of the rows of fit.

    References
    ----------
    Eraslan et al., "Single-cell RNA-seq denoising using a deep count autoencoder", Nature
    Communications 10 (2019), for the second.

    Examples
    --------
    >>> from narrows import Count
    >>> Count("negative_binomial")
    Count(distribution='negative_binomial')
    """

    is_whole = True
    is_log = True
    has_slopes = True

    def __init__(self, distribution: str = "poisson", size_factors: bool = False) -> None:
        self.distribution = distribution
        self.size_factors = size_factors

    def check(self) -> None:
        """Refuse an unknown distribution, and size factors that are neither true nor false."""
        checks.choice("types: distribution", self.distribution, ("poisson", "negative_binomial"))
        checks.boolean("types: size_factors", self.size_factors)

    @property
    def looks_at_rows(self) -> bool:  # type: ignore[override]
        """Whether a cell is judged by others of its row."""
        return self.size_factors

    @property
    def dispersed(self) -> bool:
        """Whether the variance is the network's to say."""
        return self.distribution == "negative_binomial"

    def n_inputs(self, n_places: int) -> int:
        """Return 1, or 2 where the variance is free."""
        return 2 if self.dispersed else 1

    def n_shares(self, n_places: int) -> int:
        """Return 2: mean and dispersion."""
        return 2

    def check_values(self, name: str, values: Matrix) -> None:
        """Refuse negative and broken numbers."""
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((values < 0) | (values != np.rint(values)) & ~np.isnan(values))
        if bad.size:
            raise DataError(
                f"column {name} is a count but row {bad[0]} has {values[bad[0]]:g}; "
                "counts are 0, 1, 2, ...; set types= to another type"
            )

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return the column with mean and dispersion, and what these lose as constants."""
        center, scale = spread_of(np.log1p(values), weight)
        mean = float(weight @ values)
        variance = float(weight @ (values - mean) ** 2)
        dispersion = max((variance - mean) / mean**2, 1e-3) if mean else 1e-3
        lost = float(weight @ _minus_log(values, mean, dispersion if self.dispersed else 0.0))
        return replace(
            column,
            center=center,
            scale=divisor(scale),
            shares=(mean, dispersion),
            baseline=divisor(lost),
        )

    def no_statistics(self, column: Column) -> Column:
        """Return the column with a mean of 1."""
        return replace(column, shares=(1.0, 1.0))

    def inputs(self, column: Column) -> list[Input]:
        """Return the number, and, where the variance is free, whether it is above 0."""
        if not self.dispersed:
            return [Input()]
        lowest = (0.0 - column.center) / column.scale  # of a count of 0, as it is encoded
        return [Input(), Input(torch.gt, lowest + 1e-4, 0.5)]

    def minus_log(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return -log of the probability of the count."""
        count = torch.expm1(columns.unscaled(x)).clamp(min=0)
        if not self.dispersed:
            log_mean = self._log_mean(columns, raw, count)
            return log_mean.exp() - count * log_mean + torch.lgamma(count + 1)
        means, spreads = _pairs(raw)
        log_mean = self._log_mean(columns, means, count)
        log_r = -self._log_dispersion(columns, spreads).clamp(-MOST_DISPERSED, MOST_DISPERSED)
        r = log_r.exp()
        above = F.softplus(log_mean - log_r)  # log(1 + mean / r), exact where r is large
        combinations = _log_rising(r, count) - torch.lgamma(count + 1)
        return (r + count) * above - combinations - count * (log_mean - log_r)

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the same and its derivatives by mean and dispersion, divided by the baseline."""
        count = torch.expm1(columns.unscaled(x)).clamp_(min=0)
        if self.dispersed:
            return self._dispersed_slopes(columns, count, raw)
        log_mean = self._log_mean(columns, raw, count)
        mean, steepness = log_mean.exp(), columns.row(raw, "steepness", _steepness)
        cells = torch.lgamma(count + 1).add_(mean).addcmul_(count, log_mean, value=-1)
        within = log_mean < HIGHEST_LOG_MEAN  # beyond, the mean stays as it is
        slopes = mean.sub_(count).mul_(within * steepness)
        return cells.div_(columns.baseline(raw)), slopes

    def _dispersed_slopes(
        self, columns: LikeColumns, count: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        means, spreads = _pairs(raw)
        log_mean = self._log_mean(columns, means, count)
        asked = self._log_dispersion(columns, spreads)
        log_r = -asked.clamp(-MOST_DISPERSED, MOST_DISPERSED)
        r, baseline = log_r.exp(), columns.baseline(raw)
        excess = log_mean - log_r
        above = F.softplus(excess)
        rising, slope_of_rising = _log_rising(r, count), _slope_of_log_rising(r, count)
        cells = (r + count) * above - rising + torch.lgamma(count + 1) - count * excess
        by_mean = (r + count) * excess.sigmoid() - count
        by_dispersion = by_mean - r * (above - slope_of_rising)  # by minus the logarithm of r
        by_mean = by_mean * columns.row(raw, "steepness", _steepness)
        by_mean = by_mean * (log_mean < HIGHEST_LOG_MEAN)
        by_dispersion = by_dispersion / baseline * (asked.abs() < MOST_DISPERSED)
        return cells / baseline, torch.stack([by_mean, by_dispersion], 2).flatten(1)

    def _log_dispersion(self, columns: LikeColumns, spreads: Tensor) -> Tensor:
        start = columns.row(spreads, "dispersion", lambda column: math.log(column.shares[1]))
        return start + spreads

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return log(1 + mean), scaled."""
        means = _pairs(raw)[0] if self.dispersed else raw
        return columns.scaled(torch.log1p(self._log_mean(columns, means).exp()))

    def mean_inputs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the same, and the chance to be above 0 where that is an input."""
        scaled = self.reconstruction(columns, raw)
        if not self.dispersed:
            return scaled
        above = -torch.expm1(-self._log_mean(columns, _pairs(raw)[0]).exp()) - 0.5
        return torch.stack([scaled, above], 2).flatten(1)

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return standard deviations of the counts, by the slope of exp."""
        count = columns.unscaled(self.from_inputs(columns, inputs)).clamp(max=60).exp()
        return super().input_spread(columns, inputs, deviations) * count

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return whole numbers from 0 up."""
        return np.rint(np.maximum(values, 0))

    def _log_mean(self, columns: LikeColumns, raw: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the logarithm of the means, of a row of mean total or of that of the counts."""
        mean = columns.row(raw, "mean", lambda column: math.log(max(column.shares[0], 1e-12)))
        scale = columns.row(raw, "scale", lambda column: column.scale)
        log_mean = mean + raw * scale
        if self.size_factors and count is not None:
            usual = mean.exp().sum().clamp(min=LEAST_TOTAL)
            total = count.sum(1, keepdim=True).clamp(min=LEAST_TOTAL)
            log_mean = log_mean + (total / usual).log()
        return log_mean.clamp(max=HIGHEST_LOG_MEAN)


class Proportion(_Share):
    """A share from 0 to 1; judged by the cross-entropy, as `CrossEntropy` does.

    As a density it is the continuous Bernoulli distribution.

    References
    ----------
    Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders", NeurIPS 2019.

    Examples
    --------
    >>> from narrows import Proportion
    >>> Proportion()
    Proportion()
    """

    def check_values(self, name: str, values: Matrix) -> None:
        """Refuse what is not between 0 and 1."""
        bad = np.flatnonzero((values < 0) | (values > 1))
        if bad.size:
            raise DataError(
                f"column {name} is a proportion but row {bad[0]} has {values[bad[0]]:g}; "
                "proportions go from 0 to 1; divide percentages by 100, or set types="
            )

    def log_density(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return the log of the density over [0, 1].

        The cross-entropy alone is minus the logarithm of r^x (1 - r)^(1 - x), whose integral over
        [0, 1] is not 1.
        """
        logit = raw + self._odds(columns, raw)
        return super().log_density(columns, x, raw) + _log_normalizer(logit)


class Angle(ColumnType):
    """A direction or a time of day: what goes round, so that 359 degrees are 2 from 1.

    Encoded as cosine and sine, and judged by the squared distance between the point on the circle
    and the point that the network gives, as a share of what the mean point loses. The direction of
    that point is the reconstruction. As a density it is the von Mises distribution.

    Parameters
    ----------
    period : float, default=360.0
        Once round, in the units of the column: 360 for degrees, 24 for hours, 2 pi for radians.

    References
    ----------
    Mardia & Jupp, "Directional statistics", 2000, sections 2.2 and 3.5.4.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import Angle, Autoencoder
    >>> hour = np.random.default_rng(0).uniform(0, 24, (60, 1))
    >>> X = np.hstack([hour, np.cos(np.pi * hour / 12), np.sin(np.pi * hour / 12)])
    >>> model = Autoencoder(2, types={0: Angle(24)}, max_epochs=60, random_state=0).fit(X)
    >>> error = np.abs(model.reconstruct(X)[:, 0] - hour[:, 0])
    >>> bool(np.minimum(error, 24 - error).mean() < 1)
    True
    """

    takes_noise = False
    has_slopes = True
    lowest_share = -1.0

    def __init__(self, period: float = 360.0) -> None:
        self.period = period

    def check(self) -> None:
        """Refuse a period that is not above 0."""
        checks.number("types: period", self.period, low=0, include_low=False)

    def n_inputs(self, n_places: int) -> int:
        """Return 2: cosine and sine."""
        return 2

    def n_shares(self, n_places: int) -> int:
        """Return 2: the means of cosine and sine."""
        return 2

    def canonical(self, values: Matrix) -> Matrix:
        """Return values above 0 and up to the period; 0 stands for none in what is encoded."""
        turns = values / self.period
        return (turns - np.ceil(turns) + 1) * self.period

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return the column with its mean point, and that point's distance from the circle."""
        angle = 2 * np.pi * values / self.period
        means = float(weight @ np.cos(angle)), float(weight @ np.sin(angle))
        lost = 1 - means[0] ** 2 - means[1] ** 2
        return replace(column, scale=float(self.period), shares=means, baseline=divisor(lost))

    def no_statistics(self, column: Column) -> Column:
        """Return the column with its mean point in the middle."""
        return replace(column, scale=float(self.period), shares=(0.0, 0.0))

    def inputs(self, column: Column) -> list[Input]:
        """Return cosine and sine, minus their means."""
        cosine, sine = column.shares
        return [Input(_cosine, 0.0, cosine), Input(_sine, 0.0, sine)]

    def cells(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return the squared distance of the points, as a share of what the mean point loses."""
        distance = (self._points(columns, raw) - _circle(x)).square().sum(2)
        return distance / columns.baseline(raw)

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the same, and how it changes as the network moves the point."""
        apart, baseline = self._points(columns, raw).sub_(_circle(x)), columns.baseline(raw)
        cells = apart.square().sum(2).div_(baseline)
        return cells, apart.mul_(self._reach(columns, raw) * (2 / baseline[:, None])).flatten(1)

    def log_density(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return the log of the von Mises density that is proportional to exp(-loss)."""
        point = 2 * self._points(columns, raw) / columns.baseline(raw)[:, None]
        kappa = point.norm(dim=2)
        along = (point * _circle(x)).sum(2)
        period = math.log(float(self.period))  # the density is one of the units of the table
        density: Tensor = along - kappa - torch.special.i0e(kappa).log() - period
        return density

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the direction of the point, in turns above 0 and up to 1."""
        return _direction(self._points(columns, raw))

    def mean_inputs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the point relative to the mean point."""
        return (self._points(columns, raw) - self._means(columns, raw)).flatten(1)

    def from_inputs(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return the direction of the expected point, in turns above 0 and up to 1."""
        return _direction(self._expected_points(columns, inputs))

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return what the point's deviation is in units of the table, seen from the middle."""
        length = self._expected_points(columns, inputs).norm(dim=2).clamp(min=1e-6)
        spread = deviations.reshape(inputs.shape[0], len(columns), 2).square().mean(2).sqrt()
        turns: Tensor = (spread / length / (2 * math.pi)).clamp(max=1 / math.sqrt(12))
        return turns * self.period

    def _expected_points(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        means = self._means(columns, inputs)
        return means + inputs.reshape(inputs.shape[0], len(columns), 2)

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return values from 0 up and below the period."""
        return np.where(values >= self.period, values - self.period, values)

    def spread(self, draws: Matrix) -> Matrix:
        """Return the circular standard deviation."""
        angle = 2 * np.pi * draws / self.period
        length = np.hypot(np.cos(angle).mean(0), np.sin(angle).mean(0)).clip(1e-12, 1)
        spread: Matrix = np.sqrt(-2 * np.log(length)) * self.period / (2 * np.pi)
        return spread

    def _points(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the points that outputs stand for, shape (n_samples, n_columns, 2)."""
        moved = raw.reshape(raw.shape[0], len(columns), 2) * self._reach(columns, raw)
        return self._means(columns, raw) + moved

    def _reach(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return how far an output of 1 moves a point, shape (n_columns, 1)."""
        return columns.baseline(raw)[:, None].div(2).sqrt()

    def _means(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        return columns.row(raw, "means", lambda column: column.shares)


PLAIN = Column(Numeric())


def _circle(x: Tensor) -> Tensor:
    """Return turns as points on the circle, shape (n_samples, n_columns, 2)."""
    return torch.stack([_cosine(x), _sine(x)], 2)


def _direction(points: Tensor) -> Tensor:
    """Return the direction of points, shape (..., 2), in turns above 0 and up to 1."""
    turns = torch.atan2(points[..., 1], points[..., 0]) / (2 * math.pi)
    return turns - turns.ceil() + 1


def _cosine(x: Tensor, argument: Tensor | None = None) -> Tensor:
    return torch.cos(x * (2 * math.pi))


def _sine(x: Tensor, argument: Tensor | None = None) -> Tensor:
    return torch.sin(x * (2 * math.pi))


def _pairs(raw: Tensor) -> tuple[Tensor, Tensor]:
    pairs = raw.reshape(raw.shape[0], -1, 2)
    return pairs[..., 0], pairs[..., 1]


def _log_rising(z: Tensor, n: Tensor) -> Tensor:
    """Return log Gamma(z + n) - log Gamma(z), which is far smaller than either where z is large.

    By Stirling's series from 8 on (NIST Digital Library of Mathematical Functions, 5.11.1).
    """
    large = z.clamp(min=8.0)
    series = _stirling(large + n) - _stirling(large)
    by_series = (large - 0.5) * torch.log1p(n / large) + n * (torch.log(large + n) - 1) + series
    return torch.where(z < 8.0, torch.lgamma(z + n) - torch.lgamma(z), by_series)


def _slope_of_log_rising(z: Tensor, n: Tensor) -> Tensor:
    """Return the derivative of `_log_rising` by z, digamma(z + n) - digamma(z)."""
    large = z.clamp(min=8.0)
    end = large + n
    series = torch.log1p(n / large) + n / (2 * large * end)
    series += _slope_of_stirling(end) - _slope_of_stirling(large)
    return torch.where(z < 8.0, torch.digamma(z + n) - torch.digamma(z), series)


def _slope_of_stirling(z: Tensor) -> Tensor:
    square = z.reciprocal().square()
    return -square * (1 / 12 - square * (1 / 120 - square / 252))


def _steepness(column: Column) -> float:
    """Return how fast a log-mean moves with its output, over what the best constant loses."""
    return column.scale / column.baseline


def _stirling(z: Tensor) -> Tensor:
    """Return what Stirling's formula lacks of log Gamma(z), for z from 8 on."""
    square = z.reciprocal().square()
    return (1 / 12 - square * (1 / 360 - square / 1260)) / z


def _log_shares(column: Column, n_places: int) -> list[float]:
    """Return the logarithms of a column's shares, and of none for what it lacks in places."""
    logs = [math.log(max(share, 1e-4)) for share in column.shares or (1.0,)]
    return logs + [NEVER] * (n_places - len(logs))


def _n_levels(columns: LikeColumns) -> int:
    return len(columns.columns[0].levels)


def _with_shares(column: Column, values: Matrix, weight: Matrix) -> Column:
    counts = np.bincount(values.astype(int) - 1, weight, column.n_places)
    return replace(column, shares=tuple(counts.tolist()), baseline=divisor(entropy(counts)))


def _ranked(column: Column, values: Matrix) -> Any:
    missing = np.isnan(values)
    return _named(column, np.rint(np.where(missing, 1, values)).astype(int) - 1, missing)


def _named(column: Column, places: Matrix, missing: Matrix) -> Any:
    """Return the levels at some places: numbers, or a list with None where there is none."""
    as_numbers = column.form in (NUMBER, WHOLE)
    if not column.levels:  # fit saw none, so there is none to name
        return np.full(len(places), np.nan) if as_numbers else [None] * len(places)
    places = np.minimum(places, len(column.levels) - 1)
    if as_numbers:
        levels = np.array([float(level) for level in column.levels])
        return np.where(missing, np.nan, levels[places])
    return [
        None if empty else column.levels[place]
        for place, empty in zip(places.tolist(), missing.tolist(), strict=True)
    ]


def _disagreement(draws: Matrix) -> Matrix:
    agree = (draws[:, None] == draws[None]).sum(1).max(0)
    share: Matrix = 1 - agree / len(draws)
    return share


def _minus_log(k: Matrix, mean: float, dispersion: float) -> Matrix:
    """Return -log of the probability of counts, negative binomial where there is a dispersion."""
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    mean = max(mean, 1e-12)
    if not dispersion:
        poisson: Matrix = mean - k * math.log(mean) + log_gamma(k + 1)
        return poisson
    r = 1 / dispersion
    binomial: Matrix = (
        log_gamma(k + 1)
        + math.lgamma(r)
        - log_gamma(k + r)
        - r * math.log(r / (r + mean))
        - k * math.log(mean / (r + mean))
    )
    return binomial


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
