"""The result of `advise`: all remarks about a table, and the call that follows from them."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn.base import clone

from narrows.advice import cell_checks, duration, setting_checks, size
from narrows.advice.profile import Profile, profile
from narrows.advice.remark import SEVERITIES, Remark
from narrows.core import checks
from narrows.core.isolation import isolated
from narrows.core.spec import Spec
from narrows.core.text_table import as_html
from narrows.core.types import Json, Named, Part, TableLike
from narrows.data import containers
from narrows.data.row_shape import RowShape
from narrows.estimators.autoencoder import Autoencoder

__all__ = ["Advice", "advise"]

WIDTH = 80
LINE = 78  # of a call, beyond which it is spread over lines


class Advice:
    """What `advise` found: remarks, and the settings that follow from them.

    Iterating gives the remarks: what stops a fit first, then what to look at, then choices.

    Parameters
    ----------
    remarks : sequence of Remark
        Each with topic, severity ("error", "warning" or "advice"), finding, why, call and details.
    settings : mapping
        Of `Autoencoder`: those asked for, and those that the remarks add.
    shape : tuple of int
        Rows and usable columns of the table.
    n_looked_at : int
        How many of the rows were looked at.
    prepare : str
        A line that leaves out columns which cannot be used; empty where all can.

    Examples
    --------
    >>> from narrows import advise
    >>> from sklearn.datasets import load_iris
    >>> advice = advise(load_iris().data, quick=True)
    >>> [remark.topic for remark in advice if remark.severity == "warning"]
    ['duplicates']
    >>> advice.estimator()
    Autoencoder(random_state=0)
    """

    def __init__(
        self,
        remarks: Any,
        settings: Named,
        shape: tuple[int, int],
        n_looked_at: int,
        prepare: str = "",
    ) -> None:
        self.remarks = tuple(sorted(remarks, key=lambda r: SEVERITIES.index(r.severity)))
        self.settings = dict(settings)
        self.shape = shape
        self.n_looked_at = n_looked_at
        self.prepare = prepare

    def __iter__(self) -> Iterator[Remark]:
        return iter(self.remarks)

    def __len__(self) -> int:
        return len(self.remarks)

    def about(self, topic: str) -> Remark | None:
        """Return the remark about a topic, or None where there is nothing to say."""
        return next((remark for remark in self if remark.topic == topic), None)

    def estimator(self) -> Autoencoder:
        """Return the unfitted `Autoencoder` that is advised."""
        parts = {key: _copied(value) for key, value in self.settings.items()}
        return Autoencoder(**parts)

    @property
    def call(self) -> str:
        """The whole call, ready to paste: imports, what to leave out, settings, fit."""
        written = [
            f"{key}={key if key in ('views', 'types') and not self.prepare else _written(value)}"
            for key, value in self.settings.items()
        ]
        line = f"model = Autoencoder({', '.join(written)}).fit(X)"
        if len(line) > LINE:
            line = f"model = Autoencoder(\n    {f',{chr(10)}    '.join(written)},\n).fit(X)"
        named = set(re.findall(r"\b([A-Z]\w*)\(", line)) & set(Spec.classes())
        imports = f"from narrows import {', '.join(sorted({'Autoencoder', *named}))}"
        return "\n".join([imports, "", *([self.prepare] if self.prepare else []), line])

    def to_dict(self) -> Json:
        """Return everything as plain data, for JSON."""
        return {
            "rows": self.shape[0],
            "columns": self.shape[1],
            "rows_looked_at": self.n_looked_at,
            "remarks": [remark.to_dict() for remark in self],
            "settings": {key: _plain(value) for key, value in self.settings.items()},
            "call": self.call,
        }

    def __str__(self) -> str:
        rows, columns = self.shape
        blocks = [f"{rows:,} rows x {columns:,} columns"]
        for severity in SEVERITIES:
            said = [remark for remark in self if remark.severity == severity]
            if said:
                blocks.append("\n".join([severity, *(_block(remark) for remark in said)]))
        blocks.append("the call\n" + textwrap.indent(self.call, "  "))
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        """Return the remarks and the call for notebooks."""
        headings = ("", "about", "what was found", "what to write")
        rows = [
            (remark.severity, remark.topic, f"{remark.finding}. {remark.why}", remark.call)
            for remark in self
        ]
        title = f"{self.shape[0]:,} rows x {self.shape[1]:,} columns"
        remarks = as_html(headings, rows, caption=title, all_left=True) if rows else ""
        return f"{remarks}<pre>{html.escape(self.call)}</pre>"

    def __repr__(self) -> str:
        counts = [sum(remark.severity == s for remark in self) for s in SEVERITIES]
        listed = ", ".join(f"{n} of {s}" for n, s in zip(counts, SEVERITIES, strict=True))
        return f"<Advice: {listed}>"


def _block(remark: Remark) -> str:
    text = f"{remark.topic}: {remark.finding}. {remark.why[0].upper()}{remark.why[1:]}"
    lines = textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    call = textwrap.wrap(remark.call, WIDTH, initial_indent="    > ", subsequent_indent="      ")
    return "\n".join([*lines, *call])


def _written(value: Any) -> str:
    """Return a setting as a person writes it: what is added up, with ``+``."""
    parts = getattr(value, "penalties", None) or getattr(value, "corruptions", None)
    return repr(value) if parts is None else " + ".join(map(_written, parts))


def _copied(value: Any) -> Any:
    return clone(value) if isinstance(value, Spec) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return _written(value)


@isolated
def advise(
    X: TableLike,
    *,
    views: Part = None,
    types: Part = None,
    input_shape: Sequence[int] | None = None,
    quick: bool = False,
    seconds: float = 30.0,
    max_rows: int | None = None,
    random_state: int = 0,
    **settings: Any,
) -> Advice:
    """Look at a table and say what to look out for, and which autoencoder to begin with.

    Parameters
    ----------
    X : array, CSR array or data frame of shape (n_samples, n_features)
        What `Autoencoder` takes; NaN where a cell was not measured.
    views : mapping of str to View or columns, optional
        As `Autoencoder` has it.
    types : mapping of column to ColumnType or str, optional
        As `Autoencoder` has it.
    input_shape : tuple of int, optional
        If a flat row is an image, (height, width) or (channels, height, width); if it is a
        sequence, (n_steps,) or (n_steps, n_channels). Two numbers are an image where both are at
        least 8. By default the shape of the rows of X, where they are not flat.
    quick : bool, default=False
        Whether to leave out the held-out curve of the size, which takes a few fits.
    seconds : float, default=30.0
        No fit of that curve is begun that would end after these, the first excepted.
    max_rows : int, optional
        How many rows to look at, at most, drawn at random. By default 10,000, and of wide tables so
        many that they have 5,000,000 cells, but at least 200.
    random_state : int, default=0
        Seed of all draws, and of the autoencoder that is advised.
    settings : settings of `Autoencoder`, optional
        What you have in mind. It is checked against the table, and kept unless a fit would be
        refused.

    Returns
    -------
    Advice
        Prints well; `call` is the text to paste, `estimator()` the autoencoder, `to_dict()` for
        JSON. Iterating gives the remarks.

    Raises
    ------
    ParameterError
        If a setting cannot be.
    DataError
        If X cannot be read.

    References
    ----------
    The guidelines are those of Charte et al., "A practical tutorial on autoencoders for nonlinear
    feature fusion", Information Fusion 44 (2018).

    Examples
    --------
    >>> from narrows import advise
    >>> from sklearn.datasets import load_breast_cancer
    >>> advice = advise(load_breast_cancer().data, quick=True)
    >>> advice.about("size").finding
    'rule of thumb 5, from 30 columns and 569 rows; knee of a PCA 5'
    >>> advice.estimator()
    Autoencoder(n_components=5, random_state=0)
    """
    checks.number("seconds", seconds, low=0)
    if max_rows is not None:
        checks.integer("max_rows", max_rows, low=1)
    seed = checks.integer("random_state", random_state, low=0)
    _check_known(settings)
    row_shape = RowShape.of(X)
    X = containers.opened(X)
    table = profile(X, views=views, types=types, max_rows=max_rows, random_state=seed)
    plan = _Plan(settings)
    if input_shape is not None:
        row_shape = RowShape.declared(input_shape, table.n_features)
    part = setting_checks.declared(row_shape)
    plan.take_shape(table, row_shape)
    plan.run((*cell_checks.CHECKS, *setting_checks.BEFORE_SIZE), table)
    plan.settings.update({key: value for key, value in _given(table).items() if value is not None})
    plan.settings["random_state"] = seed
    _choose_size(plan, table, quick=quick, seconds=seconds, seed=seed)
    supervised = setting_checks.composed(plan.settings).supervised  # a fit would ask for classes
    if part is not None:
        both = None
        if not (quick or supervised or "architecture" in plan.asked):
            both = size.against_dense(table, part, plan.settings, seconds, seed)
        plan.add(setting_checks.suited(part, both))
    plan.run(setting_checks.AFTER_SIZE, table)
    if not supervised:
        plan.add(duration.measured(table, plan.settings))
    prepare = cell_checks.dropping(table) if table.left_out else ""
    shape = (table.n_rows, table.n_features)
    return Advice(plan.remarks, plan.of_estimator(), shape, table.n_looked_at, prepare)


class _Plan:
    """Remarks so far, and the settings that follow from them."""

    def __init__(self, asked: Named) -> None:
        self.asked = dict(asked)
        self.settings = dict(asked)
        self.remarks: list[Remark] = []

    def take_shape(self, table: Profile, row_shape: RowShape | None) -> None:
        """Refuse an architecture that needs the shape of a row, or give it that.

        Sequences of different length leave no choice.
        """
        if row_shape is not None and row_shape.is_ragged:
            only = setting_checks.declared(row_shape)
            for settings in (self.asked, self.settings):
                settings.setdefault("architecture", only)
        composition = setting_checks.composed(self.settings)
        shaped = composition.for_rows(replace(table.layout, row_shape=row_shape))
        if shaped.architecture is not composition.architecture:
            self.settings["architecture"] = shaped.architecture

    def run(self, these: Any, table: Profile) -> None:
        for check in these:
            remark = check(table, self.settings)
            if remark is not None:
                self.add(remark)

    def add(self, remark: Remark) -> None:
        """Take a remark, and its settings but for those that were asked for and can be."""
        self.remarks.append(remark)
        for key, value in remark.settings.items():
            if key not in self.asked or remark.severity == "error":
                self.settings[key] = value

    def of_estimator(self) -> Json:
        """Return the settings that are not the estimator's own defaults, the size first."""
        default = Autoencoder().get_params(deep=False)
        first = {"n_components": self.settings["n_components"], **self.settings}
        return {
            key: value
            for key, value in first.items()
            if key == "n_components" or isinstance(value, Spec) or value != default[key]
        }


def _check_known(settings: Named) -> None:
    known = [key for key in Autoencoder().get_params(deep=False) if key not in ("views", "types")]
    for key in settings:
        checks.choice("setting", key, known)
    setting_checks.composed(settings)


def _given(table: Profile) -> Json:
    return {"views": table.views, "types": table.types}


def _choose_size(plan: _Plan, table: Profile, *, quick: bool, seconds: float, seed: int) -> None:
    asked = plan.asked.get("n_components")
    remark, guesses = size.by_rule(table, asked, seed)
    plan.add(remark)
    alone = size.unrelated(table, int(remark.details["knee"]))
    if alone is not None:
        plan.add(alone)
    if quick or table.layout.n_inputs < 2 or setting_checks.composed(plan.settings).supervised:
        return
    if duration.measured(table, plan.settings).severity == "error":
        return  # no fit would go well; it is said at the end
    for remark in size.by_curve(
        table, plan.settings, guesses, asked, seconds=seconds, random_state=seed
    ):
        plan.add(remark)
