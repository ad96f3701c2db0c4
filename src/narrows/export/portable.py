"""A fitted model as one torch module: from the cells of a table to the cells of a table."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from narrows.core import checks
from narrows.core.types import Json, Matrix, Named
from narrows.data.column import Column
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.errors import ParameterError
from narrows.inference.fitted_model import FittedModel

# What can be asked for, and the method that gives the same for a table.
OUTPUTS = {
    "encode": "transform",
    "reconstruct": "reconstruct",
    "score": "score_samples",
    "impute": "impute(method='network')",
    "decode": "inverse_transform",
}
DEFAULT = ("encode", "reconstruct", "score")


def checked_outputs(outputs: Sequence[str] | str, choices: Collection[str]) -> tuple[str, ...]:
    """Return what is to be given, of what can be.

    Raises
    ------
    ParameterError
        If there is none, one that is none, or "decode" beside others, which starts from codes.
    """
    chosen = (outputs,) if isinstance(outputs, str) else tuple(dict.fromkeys(outputs))
    for name in chosen:
        checks.choice("outputs", name, choices)
    if not chosen:
        raise ParameterError(f"outputs is empty; choose some of {', '.join(choices)}")
    if "decode" in chosen and len(chosen) > 1:
        raise ParameterError(
            "outputs has 'decode' beside others, but it starts from codes and they from rows; "
            "export it to a file of its own: outputs='decode'"
        )
    return chosen


def has_text(column: Column) -> bool:
    """Return whether a column's levels are text, which numbers stand for."""
    return column.type.has_levels and any(isinstance(level, str) for level in column.levels)


class Tabular(Protocol):
    """What a fitted estimator's tables are like."""

    @property
    def names(self) -> list[str] | None:
        """What the columns are called, where they have names."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What each column is."""

    @property
    def layout(self) -> Layout:
        """Views and types."""

    @property
    def scaling(self) -> Scaling:
        """Of the columns."""

    @property
    def n_features(self) -> int:
        """How many columns there are."""

    @property
    def n_components(self) -> int:
        """Length of the code."""


class PortableModule(nn.Module):
    """A module that gives its outputs for rows, or for codes to decode, in order."""

    outputs: tuple[str, ...]
    dtype: torch.dtype

    def example(self) -> Tensor:
        """Return what it can be traced with."""
        raise NotImplementedError


@dataclass(frozen=True)
class Exportable:
    """What of a fitted estimator can be exported, and what it is held against.

    Parameters
    ----------
    model : Tabular
        What its tables are like; a `FittedModel`, where there is a network.
    settings : mapping
        Of its fit.
    choices : collection of str
        What a file may give.
    default : tuple of str
        What it gives where nothing is chosen.
    portable : callable
        Returns a module for what is chosen.
    answers : callable
        Returns what the estimator says of rows, or of codes, by name.
    draw : callable
        Returns so many rows like those of fit, in a dtype, or codes.
    described : dict
        What else a file says of itself.
    """

    model: Tabular
    settings: Named
    choices: Collection[str]
    default: tuple[str, ...]
    portable: Callable[[Sequence[str]], PortableModule]
    answers: Callable[[Matrix, Sequence[str]], Mapping[str, Matrix]]
    draw: Callable[..., Matrix]
    described: Json = field(default_factory=dict)


class Portable(PortableModule):
    """A copy of a fitted model that asks nothing else of narrows.

    Cells are numbers in the units of the table, NaN where one was not measured; text is given by
    its number among the levels of its column. They are in the precision of the network, or float32
    where that is less.

    Parameters
    ----------
    model : FittedModel
        Which is not touched.
    outputs : sequence of str
        Of `OUTPUTS`.
    """

    center: Tensor
    scale: Tensor
    fill: Tensor
    logs: Tensor
    rounded: Tensor
    period: Tensor

    def __init__(self, model: FittedModel, outputs: Sequence[str]) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.n_features, self.n_components = model.n_features, model.n_components
        self.dtype = torch.float64 if model.dtype == torch.float64 else torch.float32
        self.network = copy.deepcopy(model.network).to("cpu", self.dtype).eval()
        self.network.requires_grad_(False)
        self._per_sample = copy.deepcopy(model.objective).per_sample
        scaling, columns = model.scaling, model.columns
        self.scales = scaling.center is not None and scaling.scale is not None
        self._hold("center", scaling.center, 0.0)
        self._hold("scale", scaling.scale, 1.0)
        self._hold("fill", scaling.fill, 0.0)
        self._hold("period", [getattr(c.type, "period", math.inf) for c in columns], math.inf)
        numbers = set(scaling.logs)
        self._mark("logs", [number in numbers for number in range(self.n_features)])
        self.has_turns = bool(self.period.isfinite().any())
        self._mark("rounded", [column.type.is_whole for column in columns])
        self._levels: list[tuple[int, int, float]] = []  # column, first number, that of no level
        for number, column in enumerate(columns):
            if column.type.has_levels and not has_text(column):
                first = column.type.first_level
                none = float(len(column.levels) + 1) if column.pooled else math.nan
                self._levels.append((number, first, none))
                levels = torch.tensor([float(level) for level in column.levels], dtype=self.dtype)
                self.register_buffer(f"levels{number}", levels)

    def example(self) -> Tensor:
        """Return what the module can be traced with: some rows, or codes to decode."""
        of_codes = self.outputs == ("decode",)
        return torch.zeros(3, self.n_components if of_codes else self.n_features, dtype=self.dtype)

    def _hold(self, name: str, values: object, default: float) -> None:
        own = torch.full((self.n_features,), default, dtype=self.dtype)
        if values is not None:
            own = torch.tensor(values, dtype=torch.float64).to(self.dtype)
        self.register_buffer(name, own)

    def _mark(self, name: str, values: list[bool]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.bool))
        setattr(self, f"has_{name}", any(values))

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for rows of shape (n_samples, n_features), or for codes to decode."""
        if self.outputs == ("decode",):
            return (self._restored(self.network.decode(rows)),)
        cells = self._numbered(rows)
        observed = ~torch.isnan(cells)
        x = torch.where(observed, self._scaled(cells), self.fill)
        code = self.network.encode(x, observed)
        made = {"encode": code, **self._predicted(cells, x, observed)}
        if {"reconstruct", "impute"} & set(self.outputs):
            covariates = self.network.covariates(x, observed)
            decoded = self._restored(self.network.decode(code, observed, covariates))
            made["reconstruct"] = torch.where(observed, decoded, torch.nan)
            made["impute"] = torch.where(torch.isnan(rows), decoded, rows)
        return tuple(made[name] for name in self.outputs)

    def _predicted(self, cells: Tensor, x: Tensor, observed: Tensor) -> dict[str, Tensor]:
        """Return what is said of rows besides, as they are and scaled, by name: the score."""
        if "score" not in self.outputs:
            return {}
        passed = self.network(x, observed=observed, training=False)
        return {"score": torch.where(observed.any(1), -self._per_sample(passed), torch.nan)}

    def _numbered(self, rows: Tensor) -> Tensor:
        """Return cells as the network is given them: numbers of levels, angles in one turn."""
        if self.has_turns:
            turns = rows / self.period
            turned = (turns - torch.ceil(turns) + 1) * self.period
            rows = torch.where(self.period.isfinite(), turned, rows)
        for number, first, none in self._levels:
            cells = rows[:, number : number + 1]
            levels = self.get_buffer(f"levels{number}")
            alike = cells == levels
            places = torch.arange(first, first + levels.shape[0], dtype=rows.dtype)
            named = torch.where(alike.any(1, keepdim=True), (alike * places).sum(1, True), none)
            named = torch.where(torch.isnan(cells), cells, named)
            rows = torch.cat([rows[:, :number], named, rows[:, number + 1 :]], 1)
        return rows

    def _scaled(self, cells: Tensor) -> Tensor:
        if self.has_logs:
            cells = torch.where(self.logs, torch.log1p(cells), cells)
        return (cells - self.center) / self.scale if self.scales else cells

    def _restored(self, scaled: Tensor) -> Tensor:
        """Return cells in the units of the table: counts whole, levels that are numbers as such."""
        cells = scaled * self.scale + self.center if self.scales else scaled
        if self.has_logs:
            cells = torch.where(self.logs, torch.expm1(cells), cells)
        if self.has_rounded:
            cells = torch.where(self.rounded, torch.round(cells.clamp(min=0.0)), cells)
        if self.has_turns:
            cells = torch.where(cells >= self.period, cells - self.period, cells)
        for number, first, _ in self._levels:
            levels = self.get_buffer(f"levels{number}")
            if not levels.shape[0]:
                continue
            place = torch.round(cells[:, number]) - first
            named = levels[place.clamp(0, levels.shape[0] - 1).long()]
            cells = torch.cat([cells[:, :number], named[:, None], cells[:, number + 1 :]], 1)
        return cells


class PortableHead(Portable):
    """The same with a head on the code, that of a classifier or regressor.

    Parameters
    ----------
    model : FittedModel
        Of the encoder.
    head : torch.nn.Module
        From codes to a number per class, or to standardised targets.
    outputs : sequence of str
        "encode", "predict", and "predict_proba" of classes.
    classes : sequence of int or None
        What is predicted for the first, second, ... class; None of numbers.
    mean, scale : array of shape (n_outputs,) or None
        Of targets that are numbers.
    """

    mean: Tensor
    spread: Tensor
    classes: Tensor

    def __init__(
        self,
        model: FittedModel,
        head: nn.Module,
        outputs: Sequence[str],
        *,
        classes: Sequence[int] | None = None,
        mean: Matrix | None = None,
        scale: Matrix | None = None,
    ) -> None:
        super().__init__(model, outputs)
        self.head = copy.deepcopy(head).to("cpu", self.dtype).eval().requires_grad_(False)
        self.classifies = classes is not None
        if classes is not None:
            self.register_buffer("classes", torch.tensor(classes, dtype=torch.int64))
        else:
            assert mean is not None
            assert scale is not None
            self.register_buffer("mean", torch.from_numpy(mean).to(self.dtype))
            self.register_buffer("spread", torch.from_numpy(scale).to(self.dtype))

    def _predicted(self, cells: Tensor, x: Tensor, observed: Tensor) -> dict[str, Tensor]:
        scores = self.head(self.network.posterior(x, observed).mean)
        if not self.classifies:
            return {"predict": scores * self.spread + self.mean}
        return {"predict": self.classes[scores.argmax(1)], "predict_proba": scores.softmax(1)}
