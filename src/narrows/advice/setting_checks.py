"""Checks of settings: which parts suit a table, and which of those asked for do not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone

from narrows.advice.profile import Profile
from narrows.advice.remark import Remark, some
from narrows.architectures.block import Architecture
from narrows.architectures.convolutional import Convolutional
from narrows.architectures.recurrent import Recurrent
from narrows.core.activations import ACTIVATIONS
from narrows.core.types import Named
from narrows.data.automatic_scaling import alike
from narrows.data.row_shape import RowShape
from narrows.data.scaling import Scaling
from narrows.estimators.autoencoder import Autoencoder
from narrows.network.composition import Composition
from narrows.penalties.sparsity import Sparsity
from narrows.training.optimizers.optimizer import AdamW, Optimizer
from narrows.training.plan import resolve_composition

Check = Callable[[Profile, Named], Remark | None]

FEW_ROWS = 100
DEEP_RATIO, DEEP_COLUMNS, DEEP_ROWS = 20, 64, 1_000
FAR_APART = 100  # times the spread of another column, or the columns of another view
# Column names of pixels and of steps: pixel_0_1, px12, t0, step3, lag 2, day_1, wavelength 530.
PIXEL = re.compile(r"(pixel|pix|px)[_ ]?\d+([_x, ]\d+)?", re.IGNORECASE)
STEP = re.compile(r"(t|time|step|lag|day|hour|sample)[_ ]?\d+", re.IGNORECASE)


def composed(settings: Named) -> Composition:
    """Return the parts that settings stand for."""
    return resolve_composition({**Autoencoder().get_params(deep=False), **settings})


def domain(table: Profile, settings: Named) -> Remark | None:
    """Refuse a loss for data it is not defined on, or say that another is possible."""
    loss = composed(settings).loss
    low, high = _ends(table)
    inside = bool(low.size and (low >= 0).all() and (high <= 1).all())
    bounded = math.isfinite(loss.low) and math.isfinite(loss.high)
    if not bounded:
        return _possible(low, high) if inside and settings.get("loss") is None else None
    scaling = settings.get("scaling", "none" if inside else "auto")
    if _within(table, scaling, loss.low, loss.high):
        return Remark(
            "loss",
            "advice",
            f"all numbers are within [{loss.low:g}, {loss.high:g}] with scaling={scaling!r}",
            "cross-entropy compares shares, and its sigmoid output stays among them.",
            f"loss={settings['loss']!r}, scaling={scaling!r}",
            {"scaling": scaling},
        )
    return Remark(
        "loss",
        "error",
        f"loss={settings['loss']!r} is asked for, but the numbers go from {low.min():.4g} to "
        f"{high.max():.4g}, and beyond [{loss.low:g}, {loss.high:g}] with scaling={scaling!r}",
        "the logarithm of a share below 0 or above 1 has no meaning.",
        f"loss={settings['loss']!r}, scaling='minmax'; or loss='squared_error'",
        {"scaling": "minmax"},
    )


def _possible(low: Any, high: Any) -> Remark | None:
    binary = set(np.unique([low, high]).tolist()) <= {0.0, 1.0}
    return Remark(
        "unit interval",
        "advice",
        f"all numbers are within [0, 1], from {low.min():.4g} to {high.max():.4g}",
        "if they are shares or intensities, cross-entropy with its sigmoid output fits them"
        + (", as it does the pixels of digits." if binary else "."),
        "loss='cross_entropy', scaling='none'",
    )


def _ends(table: Profile) -> tuple[Any, Any]:
    columns = np.setdiff1d(table.numeric, table.empty_columns)
    low, high = table.extremes
    return low[columns], high[columns]


def _within(table: Profile, scaling: str | None, low: float, high: float) -> bool:
    columns = np.setdiff1d(table.numeric, table.empty_columns)
    if not columns.size:
        return True
    values = table.values[:, columns]
    scaled = Scaling.fit(scaling, values, None).encode(values, np.float64)
    return bool(np.nanmin(scaled) >= low - 1e-6 and np.nanmax(scaled) <= high + 1e-6)


def spreads(table: Profile, settings: Named) -> Remark | None:
    """Say why columns of different spread are scaled, and refuse to leave them so."""
    values = table.values[
        :, np.setdiff1d(table.numeric, np.union1d(table.empty_columns, table.constant))
    ]
    if values.shape[1] < 2:
        return None
    spread = np.nanstd(values, axis=0)
    ratio = float(spread.max() / max(spread.min(), 1e-300))
    if ratio < FAR_APART or alike(np.nanmin(values, axis=0), np.nanmax(values, axis=0)):
        return None
    scaling = settings.get("scaling", "auto")
    unscaled = scaling in (None, "none")
    return Remark(
        "scaling",
        "warning" if unscaled else "advice",
        f"the widest column spreads {ratio:,.0f} times as far as the narrowest"
        + (f", and scaling={scaling!r} is asked for" if unscaled else ""),
        "the loss adds up squared errors, so without scaling the widest columns are all it sees.",
        f"scaling={'auto' if unscaled else scaling!r}",
        details={"ratio": ratio},
    )


def order(table: Profile, settings: Named) -> Remark | None:
    """Ask about columns that are named like pixels or steps."""
    if table.names is None or "architecture" in settings:
        return None
    for pattern, what in ((PIXEL, "pixels of an image"), (STEP, "steps of a sequence")):
        named = [name for name in table.names if pattern.fullmatch(name)]
        if len(named) < max(4, 0.9 * len(table.names)):
            continue
        image = pattern is PIXEL
        side = math.isqrt(len(named))
        call = f"({side}, {len(named) // side})" if image else f"({len(named)},)"
        return Remark(
            "order",
            "advice",
            f"columns {some(map(repr, named))} are named like {what}",
            "a dense network does not know which columns are neighbours; "
            + ("convolutions" if image else "recurrent units")
            + " do. Only you know whether theirs is an order.",
            f"advise(X, input_shape={call}), if it is so",
        )
    return None


def declared(shape: RowShape | None) -> Architecture | None:
    """Return the architecture for images or sequences that a row is."""
    if shape is None:
        return None
    if shape.is_image or shape.has_channels or len(shape.axes) > 2:
        channels, size = (shape.axes[0], shape.axes[1:]) if shape.has_channels else (1, shape.axes)
        return Convolutional(size, in_channels=channels)
    return Recurrent(shape.axes)


def suited(part: Architecture, lost: tuple[float, float] | None) -> Remark:
    """Say whether the layers made for what a row is do better than dense ones.

    Parameters
    ----------
    part : Architecture
        Made for it.
    lost : tuple of float or None
        Shares of held-out variance that it and dense layers lose; None where they were not
        compared.
    """
    name = type(part).__name__
    what, why = (
        ("an image", "neighbouring pixels go together wherever they are")
        if isinstance(part, Convolutional)
        else ("a sequence", "its steps have an order, and rows may be of any length")
    )
    finding, better = f"a row is {what}", False
    if lost is not None:
        better = lost[0] < lost[1]
        finding += (
            f"; {name} loses {lost[0]:.1%} of the variance of held-out rows, Dense {lost[1]:.1%}"
        )
    written = f"architecture={part!r}"
    return Remark(
        "architecture",
        "advice",
        finding,
        f"{why}, which {name} knows and Dense has to learn; on small ones Dense learns it sooner.",
        written if better else f"{written}, to compare with Dense",
        {"architecture": part} if better else {},
        {} if lost is None else {"own": lost[0], "dense": lost[1]},
    )


def activation(table: Profile, settings: Named) -> Remark | None:
    """Refuse sparsity on a code without a low end, warn where it has no high end."""
    composition = composed(settings)
    terms = {} if composition.penalty is None else composition.penalty.terms()
    counted = [t for t in terms.values() if isinstance(t, Sparsity) and t.kind != "l1"]
    name = getattr(composition.architecture, "code_activation", "linear")
    if not counted or name not in ACTIVATIONS or composition.latent.name != "point":
        return None
    function = ACTIVATIONS[name]
    if math.isfinite(function.low) and math.isfinite(function.high):
        return None
    refused = not math.isfinite(function.low)
    architecture = clone(composition.architecture).set_params(code_activation="sigmoid")
    return Remark(
        "activation",
        "error" if refused else "warning",
        f"penalty={counted[0]!r} counts how active each unit is, but code_activation={name!r} "
        f"has no {'low end' if refused else 'upper bound'}",
        "a share of activity needs a range to be a share of: sigmoid and tanh have one.",
        f"architecture={architecture!r}, or Sparsity(kind='l1')",
        {"architecture": architecture} if refused else {},
    )


def few_rows(table: Profile, settings: Named) -> Remark | None:
    """Say what to expect where rows are few."""
    wide = table.n_rows < 10 * math.sqrt(table.n_features)
    if not wide and table.n_rows >= FEW_ROWS:
        return None
    return Remark(
        "few rows",
        "warning",
        f"{table.n_rows:,} rows of {table.n_features:,} columns",
        "a network has more weights than such a table has cells, and may learn its rows by heart; "
        "a PCA is hard to beat here. With learning_rate and max_epochs left at 'auto', rows that "
        "are held out in turn decide how far training leaves it.",
        "look at trials_ after fit: a distance of 0 is the PCA",
        {},
        {"n_rows": table.n_rows, "n_columns": table.n_features},
    )


def decay(table: Profile, settings: Named) -> Remark | None:
    """Advise a small weight decay where nothing has one."""
    optimizer = Optimizer.of(settings.get("optimizer", "auto"))
    decaying = isinstance(optimizer, AdamW) and optimizer.weight_decay != 0
    if decaying or settings.get("penalty") is not None:
        return None
    return Remark(
        "decay",
        "advice",
        f"optimizer={settings.get('optimizer')!r} does not decay weights, and there is no penalty",
        "a weight decay keeps weights from growing where the data do not ask for it; a small one "
        "made no difference on tables where it was tried.",
        "optimizer='auto', which decays weights, or penalty=WeightDecay(0.0001)",
    )


def balance(table: Profile, settings: Named) -> Remark | None:
    """Say what views of very different width count."""
    width = {view.name: len(view.columns) for view in table.layout.views}
    if len(width) < 2 or max(width.values()) < 10 * min(width.values()):
        return None
    narrow, wide = (extreme(width, key=width.__getitem__) for extreme in (min, max))
    asked = settings.get("balance", "root")
    return Remark(
        "balance",
        "warning" if asked == "columns" else "advice",
        f"views of very different width, from {narrow!r} with {width[narrow]:,} columns to "
        f"{wide!r} with {width[wide]:,}",
        "with balance='columns' the widest would be nearly all that is learned; 'root' counts a "
        "view of d columns as sqrt(d), 'views' all alike.",
        "balance='root', which is the default; View(columns, weight=2.0) for one that matters more",
        details={"columns": width},
    )


def depth(table: Profile, settings: Named) -> Remark | None:
    """Advise another layer where the code is very short for the row."""
    seen, size = table.layout.n_inputs, settings["n_components"]
    narrow = seen >= DEEP_COLUMNS and seen >= DEEP_RATIO * size
    if not narrow or table.n_rows < DEEP_ROWS or "architecture" in settings:
        return None
    return Remark(
        "depth",
        "advice",
        f"a code of {size} for {seen:,} columns is {seen / size:.0f} times shorter than the row",
        "so much is seldom said in one step; a second layer, or training layer by layer, may take "
        "the code further down.",
        "architecture=(256, 64); schedule='layerwise' if that trains badly; compare both",
        details={"n_components": size, "n_seen": seen},
    )


def overcomplete(table: Profile, settings: Named) -> Remark | None:
    """Warn of a code as long as the row that nothing regularises."""
    seen, size = table.layout.n_inputs, settings["n_components"]
    if size < seen or composed(settings).regularized:
        return None
    return Remark(
        "overcomplete",
        "warning",
        f"n_components={size} is not below the {seen} columns, and nothing regularises the code",
        "such a network can copy its input, and has then learned nothing.",
        "fewer components; or corruption=Masking(0.2), or a penalty such as Contraction()",
        details={"n_components": size, "n_seen": seen},
    )


BEFORE_SIZE: tuple[Check, ...] = (
    domain,
    spreads,
    order,
    activation,
    few_rows,
    decay,
    balance,
)
AFTER_SIZE: tuple[Check, ...] = (depth, overcomplete)
