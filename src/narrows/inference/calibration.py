"""Learn from held-out rows what a network's answer and the linear one are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from narrows.data.layout import Layout
from narrows.data.table import Batch, DenseTable, Table, revealed
from narrows.inference import code_mode
from narrows.inference.code_mode import CodeDistribution
from narrows.inference.covariance import MOST_DIRECT, blocks
from narrows.inference.fitted_model import FittedModel
from narrows.inference.moments import MOST_COLUMNS, Moments, moments, most_maximised, pooled
from narrows.inference.normal import NormalDistribution, best_share
from narrows.inference.stack import Stack, fitted_factors, fitted_weights
from narrows.network.input_layer import as_inputs
from narrows.training.trainer import Trial

MOST_ROWS = 1000  # held-out rows that are looked at, of all trials together
MOST_CELLS = 400_000  # cells of them
MOST_LEARNED = 20_000_000  # cells that the distribution is learned from, ...
ENOUGH, ENOUGH_OF_COLUMN = 50_000, 500  # ... and rows, in all or for each column, if that is more
TIMES_MAXIMISED = 4  # so many rows as expectation-maximisation looks at, where there are holes
LEFT_OUT = 5  # one row of so many says how much to shrink, where no trial holds rows out
HIDDEN = 0.2  # share of the cells that are hidden from both, where the table has no holes
BOUNDS = 0.05, 0.5  # of that share, where it has
MOST_CODES = 2000  # rows that the distribution of codes is learned from
MOST_WORK = 1e9  # multiplications that looking for the most probable codes may take, ...
LEAST_SOUGHT = 20  # ... for at least so many rows
GAIN = 0.01  # of the squared error, from which on the most probable code is worth its time


class _Judged(NamedTuple):
    """Both answers for cells of held-out rows, relative to the mean; ``cells`` are those hidden."""

    network: Tensor
    normal: Tensor
    deviation: Tensor
    truth: Tensor
    cells: Tensor

    def first(self, n_rows: int) -> _Judged:
        """Return what is said of the first rows."""
        return _Judged(*(part[:n_rows] for part in self))


class _Sample(NamedTuple):
    """Rows as the network sees them, what was measured of them, and what each counts."""

    inputs: Tensor
    observed: Tensor
    weight: Tensor | None

    @classmethod
    def of(cls, model: FittedModel, table: DenseTable, rows: Tensor) -> _Sample:
        """Return the rows of these numbers."""
        weight = None if table.sample_weight is None else table.sample_weight.cpu()[rows]
        shape = len(rows), model.n_outputs  # which may be more than the table has: not all at once
        inputs = torch.empty(shape, dtype=table.x.dtype, device="cpu")
        observed = torch.empty(shape, dtype=torch.bool, device="cpu")
        for block in blocks(*shape):
            inputs[block], observed[block] = _inputs(model, table.take(rows[block]))
        return cls(inputs, observed, weight)

    def some(self, chosen: Tensor | slice) -> _Sample:
        """Return some of the rows: by number, by a mask, or, without a copy, by a slice."""
        weight = None if self.weight is None else self.weight[chosen]
        return _Sample(self.inputs[chosen], self.observed[chosen], weight)

    @property
    def total(self) -> float:
        """What all rows count."""
        return float(len(self.inputs) if self.weight is None else self.weight.double().sum())

    def moments(self, start: Moments | None = None) -> Moments:
        """Return mean and covariance, found from others that are near where there are holes."""
        return moments(self.inputs, self.observed, self.weight, start)

    def moments_beside(self, left_out: Tensor | slice, own: Moments) -> Moments:
        """Return mean and covariance of all rows, where those of all but some are at hand."""
        others = self.some(left_out)
        complete = bool(self.observed.all())
        n_own = len(self.inputs) - len(others.inputs)
        if not len(others.inputs) or (not complete and self._say_as_much(n_own)):
            return own
        if not complete or self.inputs.shape[1] > MOST_COLUMNS:
            return self.moments(own)
        return pooled(own, others.moments(), 1 - others.total / self.total)

    def _say_as_much(self, n_some: int) -> bool:
        """Return whether no more would be learned of all rows than of so many, with holes."""
        enough = most_maximised(self.observed.shape[1])
        return n_some >= 0.9 * len(self.observed) and n_some >= enough


def calibrated(
    model: FittedModel, table: Table, trials: Sequence[Trial], generator: torch.Generator
) -> Stack | None:
    """Return the normal distribution of a table, stacked with the model as held-out rows say.

    Without trials the rows of fit themselves are asked, of which the model knows more than of
    others; how much to shrink, a part of them that the covariance then has not seen.

    Parameters
    ----------
    model : FittedModel
        Trained on the table.
    table : Table
        Its scaled rows.
    trials : sequence of Trial
        Networks, and rows of these that they have not seen.
    generator : torch.Generator
        Draws the cells that are hidden.

    Returns
    -------
    Stack or None
        None of a sparse table, or of values that have no covariance.
    """
    if not isinstance(table, DenseTable) or table.n_rows < 2:
        return None
    most = _most_learned(model.n_outputs, has_holes=table.observed is not None)
    rows = _learned_from(table.n_rows, most)
    sample = _Sample.of(model, table, rows)
    if not bool(torch.isfinite(torch.linalg.vector_norm(sample.inputs))):
        return None
    tried = [trial for trial in trials if len(trial.held_out)]
    share, of_all = (None, None) if tried else _share_apart(sample, model, generator)
    tried = tried or [Trial(model.network, torch.arange(table.n_rows))]
    fewer = 1.0
    scattered: list[_Judged] = []
    by_mode: list[_Judged] = []
    n_sought = _most_sought(model) // len(tried)
    by_view: list[_Judged] = []
    for trial, rest, estimate in _others(sample, rows, tried, of_all):
        taken = _evenly(trial.held_out, _most_judged(model.n_outputs) // len(tried))
        batch = table.take(taken)
        x, measured = _inputs(model, batch)
        hidden = _hidden(model.layout, measured, generator)
        if share is None:
            share = best_share(estimate, x, measured, hidden)
            fewer = float(rest.double().mean())  # what all rows say is to be trusted the more
        by_normal = NormalDistribution(estimate[0], estimate[1].shrunk(share))
        judge = _Judge(model, trial.network, by_normal, batch, table.fill)
        scattered.append(judge(hidden))
        if n_sought >= LEAST_SOUGHT:
            codes = _code_distribution(model, trial.network, table, rows[rest])
            by_mode.append(judge.by_mode(codes, hidden, scattered[-1], n_sought))
        by_view += judge.by_view(hidden)
    assert share is not None
    mean, covariance = sample.moments_beside(~rest, estimate)
    final = NormalDistribution(mean, covariance.shrunk(share * fewer)).rounded()
    if not bool(torch.isfinite(final.covariance.variances()).all()):
        return None
    groups = _groups(model.layout)
    deviations = final.covariance.variances().double().sqrt()
    mode_helps = bool(by_mode) and _gains(by_mode, scattered, deviations, groups)
    if mode_helps:
        scattered = by_mode
    weights, factors = _learned(scattered, deviations, groups)
    of_views = _learned(by_view, deviations, groups) if by_view else (weights, factors)
    return Stack(
        final,
        torch.stack([weights, of_views[0]]).float(),
        torch.stack([factors, of_views[1]]).float(),
        _code_distribution(model, model.network, table, rows).rounded() if mode_helps else None,
    )


def _learned_from(n_rows: int, most: int) -> Tensor:
    """Return row numbers, those that may be left out first: neither part is then copied."""
    rows = _evenly(torch.arange(n_rows), most)
    return torch.cat([rows[::LEFT_OUT], rows[torch.arange(len(rows)) % LEFT_OUT != 0]])


def _others(
    sample: _Sample, rows: Tensor, trials: Sequence[Trial], of_all: Moments | None
) -> Iterator[tuple[Trial, Tensor, Moments]]:
    """Yield each trial, which rows it has not held out, and the moments of these.

    Or of all, where they are at hand, as no row is held out.
    """
    if of_all is not None:
        yield trials[0], torch.ones_like(rows) > 0, of_all
        return
    start = None
    for trial in trials:
        rest = ~torch.isin(rows, trial.held_out)
        start = sample.some(rest).moments(start)
        yield trial, rest, start


def _share_apart(
    sample: _Sample, model: FittedModel, generator: torch.Generator
) -> tuple[float, Moments]:
    """Return how much to shrink, by the first rows of the sample, and the moments of all.

    Judged by rows that it was learned from, the less a covariance is shrunk the better it seems.
    """
    n_apart = -(-len(sample.inputs) // LEFT_OUT)
    learned = sample.some(slice(n_apart, None)).moments()
    judged = sample.some(_evenly(torch.arange(n_apart), _most_judged(model.n_outputs)))
    hidden = _hidden(model.layout, judged.observed, generator)
    share = best_share(learned, judged.inputs, judged.observed, hidden)
    return share, sample.moments_beside(slice(n_apart), learned)


def _gains(
    by_mode: list[_Judged],
    scattered: list[_Judged],
    deviations: Tensor,
    groups: list[list[int]],
) -> bool:
    """Return whether the most probable codes tell hidden cells enough better, for the same rows."""
    plain = [judged.first(len(own.truth)) for judged, own in zip(scattered, by_mode, strict=True)]
    errors = []
    for judged in (plain, by_mode):
        both = _joined(judged)
        weights = _weights(both, deviations, groups)
        joint = weights[0] * both.network + weights[1] * both.normal
        units = deviations.clamp(min=1e-30)
        errors.append(float(((joint - both.truth) / units).square()[both.cells].mean()))
    return errors[1] < (1 - GAIN) * errors[0]


def _most_sought(model: FittedModel) -> int:
    """Return for how many rows the most probable code may be looked for; 0 where it has no use."""
    network = model.network
    _, _, decoder = network.stages()
    hard = network.code_activation.harden is not None
    if hard or network.n_covariates or any(stage is None for stage in decoder):
        return 0
    weights = sum(parameter.numel() for parameter in network.decoder.parameters())
    k = model.n_components
    work = code_mode.STEPS * (k + 1) * (weights + k * model.n_outputs)
    return int(MOST_WORK / work)


def _code_distribution(
    model: FittedModel, network: Any, table: DenseTable, rows: Tensor
) -> CodeDistribution:
    """Return how codes of rows are distributed, and how far off what they decode to is."""
    batch = table.take(_evenly(rows, MOST_CODES))
    with torch.no_grad():
        codes = network.encode(batch.x, batch.observed)
        decoded = model.decoded_inputs(network, codes)
    return CodeDistribution.fit(codes.cpu(), decoded.cpu(), *_inputs(model, batch))


def _learned(
    judged: list[_Judged], deviations: Tensor, groups: list[list[int]]
) -> tuple[Tensor, Tensor]:
    """Return weights and factors of what was judged."""
    both = _joined(judged)
    weights = _weights(both, deviations, groups)
    joint = weights[0] * both.network + weights[1] * both.normal
    return weights, fitted_factors(joint - both.truth, both.deviation, both.cells)


def _joined(judged: list[_Judged]) -> _Judged:
    return _Judged(*(torch.cat(parts) for parts in zip(*judged, strict=True)))


def _weights(judged: _Judged, deviations: Tensor, groups: list[list[int]]) -> Tensor:
    return fitted_weights(
        judged.network, judged.normal, judged.truth, judged.cells, deviations, groups
    )


@dataclass(frozen=True)
class _Judge:
    """Asks a network and a normal distribution for hidden cells of rows."""

    model: FittedModel
    network: Any
    by_normal: NormalDistribution
    batch: Batch
    fill: Tensor | None

    def __call__(self, hidden: Tensor) -> _Judged:
        """Return both answers for cells, shape (n_rows, n_outputs), which neither sees."""
        inputs, observed = _inputs(self.model, self.batch)
        expectation = self.by_normal.roughly(inputs, observed & ~hidden, variances=True)
        assert expectation.variances is not None
        with torch.no_grad():
            answer = self.model.said_inputs(self.network, *self._left(hidden)).cpu().double()
        mean = self.by_normal.mean
        return _Judged(
            answer - mean,
            expectation.rows - mean,
            expectation.variances.sqrt(),
            inputs - mean,
            hidden & observed,
        )

    def by_mode(
        self, codes: CodeDistribution, hidden: Tensor, judged: _Judged, most: int
    ) -> _Judged:
        """Return what was judged, of most so many rows, with the network's most probable codes."""
        own = judged.first(most)
        x, observed = (part[: len(own.truth)] for part in self._left(hidden))
        with torch.no_grad():
            start = self.network.encode(x, observed).cpu()
        inputs, measured = as_inputs(x, observed, self.model.layout)
        decode = self.model.exact_decoder(self.network)
        mode = codes.mode(decode, start, inputs.cpu(), measured.cpu())
        return own._replace(network=decode(mode) - self.by_normal.mean)

    def by_view(self, like: Tensor) -> list[_Judged]:
        """Return both answers for the cells of each view, where it is hidden, of all as one.

        An empty list where there is but one view.
        """
        views = self.model.layout.of_views
        joint: list[_Judged] = []
        for columns in views if len(views) > 1 else []:
            own = list(self.model.layout.output_columns(columns))
            hidden = torch.zeros_like(like)
            hidden[:, own] = True
            judged = self(hidden)
            joint = joint or [judged]
            for cells, more in zip(joint[0], judged, strict=True):
                cells[:, own] = more[:, own]
        return joint

    def _left(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is left of the rows when cells are hidden, and where."""
        batch = self.batch
        gone = torch.zeros(batch.x.shape, dtype=torch.bool)
        rows, outputs = hidden.nonzero(as_tuple=True)
        gone[rows, torch.tensor(self.model.layout.source_outputs)[outputs]] = True
        x = batch.x.masked_fill(gone.to(batch.x.device), torch.nan)
        return revealed(x, batch.observed, self.fill)


def _hidden(layout: Layout, observed: Tensor, generator: torch.Generator) -> Tensor:
    """Return which cells to hide: as large a share of all as is missing; all inputs of a column."""
    missing = 1 - float(observed.double().mean())
    shape = len(observed), layout.n_features
    if not missing and layout.n_features > MOST_DIRECT:
        drawn = _parted(*shape, generator)
    else:
        share = min(max(missing, BOUNDS[0]), BOUNDS[1]) if missing else HIDDEN
        drawn = torch.rand(shape, generator=generator, dtype=torch.float32) < share
    return drawn[:, layout.source_outputs]


def _parted(n_rows: int, n_columns: int, generator: torch.Generator) -> Tensor:
    """Return a fifth of the columns, at random, for each row; a column is in one fifth alone.

    So that many rows lack the same cells, and their equations are solved together.
    """
    n_parts = round(1 / HIDDEN)
    part_of_column = torch.randperm(n_columns, generator=generator) % n_parts
    part_of_row = torch.randint(n_parts, (n_rows, 1), generator=generator)
    return part_of_column == part_of_row


def _groups(layout: Layout) -> list[list[int]]:
    """Return which inputs share their weights: numbers and levels of each view."""
    views = layout.of_views or [tuple(range(layout.n_features))]
    levels = set(layout.level_columns)
    groups = []
    for columns in views:
        numbers = [column for column in columns if column not in levels]
        named = [column for column in columns if column in levels]
        groups += [list(layout.output_columns(own)) for own in (numbers, named) if own]
    return groups


def _inputs(model: FittedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return rows as the network sees them, and what was measured of it."""
    inputs, observed = as_inputs(batch.x, batch.observed, model.layout)
    return inputs.cpu(), observed.cpu()


def _most_learned(n_outputs: int, *, has_holes: bool) -> int:
    """Return how many rows the distribution is learned from: of more, errors fall by .2 %."""
    most = min(max(ENOUGH, ENOUGH_OF_COLUMN * n_outputs), MOST_LEARNED // n_outputs)
    if has_holes and n_outputs <= MOST_COLUMNS:
        # The others would but tell means and variances of columns, which these do.
        return min(most, TIMES_MAXIMISED * most_maximised(n_outputs))
    return most


def _most_judged(n_outputs: int) -> int:
    """Return how many held-out rows are looked at."""
    return min(MOST_ROWS, MOST_CELLS // n_outputs)


def _evenly(rows: Tensor, most: int) -> Tensor:
    """Return as many rows, evenly spread, and at least ten."""
    most = max(10, most)
    return rows if len(rows) <= most else rows[torch.arange(most) * len(rows) // most]
