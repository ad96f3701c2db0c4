"""Choose the length of the code: a rule of thumb, the knee of a PCA, held-out rows."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence

import numpy as np

from narrows.advice import duration
from narrows.advice.profile import Profile
from narrows.advice.remark import Remark
from narrows.architectures.block import Architecture
from narrows.architectures.dense import Dense
from narrows.core.types import Named, TableLike
from narrows.data import reading
from narrows.data.parallel_analysis import parallel_analysis
from narrows.errors import DataError, DivergenceError, NarrowsWarning
from narrows.estimators.autoencoder import Autoencoder
from narrows.metrics import unexplained
from narrows.training import budget
from narrows.training.optimizers.optimizer import Optimizer

HELD_OUT = 0.2
CURVE_ROWS, MIN_CURVE_ROWS = 4_000, 50
CURVE_STEPS = 1_000  # of each quick fit; the default of a whole one is 4,000
MAX_SIZES = 6
ENOUGH = 0.9  # of what the best size explains
ALIKE = 0.01  # difference of two shares of variance that one split does not tell apart


def rule_of_thumb(n_rows: int, n_columns: int) -> int:
    """Return max(min(sqrt d, n / 10), 2), rounded (Charte et al., 2018)."""
    return round(max(min(math.sqrt(n_columns), n_rows / 10), 2))


def sizes(table: Profile, guesses: Sequence[int]) -> list[int]:
    """Return the sizes to try: 1, 2, 4, ... around the guesses, and the guesses."""
    most = min(table.layout.n_inputs - 1, table.n_looked_at // 2)
    top = min(most, 4 * max(guesses))
    powers = [1 << i for i in range(1, 12) if 1 << i <= top]
    known = sorted({guess for guess in guesses if 1 <= guess <= most})
    room = max(0, MAX_SIZES - len(known))
    grid = [p for p in powers if p not in known][-room:] if room else []
    return sorted({*known, *grid}) or [1]


def curve(
    table: Profile, settings: Named, tried: Sequence[int], *, seconds: float, random_state: int
) -> list[dict[str, float]]:
    """Return the share of held-out variance that autoencoder and PCA leave, by size of the code.

    Fits to four fifths of at most 4,000 rows: as they would be where held-out rows decide how far
    they go, else quick ones of some 1,000 steps.

    Parameters
    ----------
    table : Profile
        Whose rows.
    settings : mapping
        Of the autoencoder, but for the size.
    tried : sequence of int
        Sizes.
    seconds : float
        No fit is begun that would end after these, the first excepted.
    random_state : int
        Which rows are held out, and of the fits.

    Raises
    ------
    DataError
        If the rows cannot be split: too few, or all alike.
    """
    train, test = _parts(table, random_state)
    points: list[dict[str, float]] = []
    started = last = time.perf_counter()
    for size in tried:
        now = time.perf_counter()
        if (
            points and (now - started) + (now - last) > seconds
        ):  # the next takes as long as the last
            break
        last = now
        autoencoder, pca = _lost(table, {**settings, "n_components": size}, train, test)
        points.append({"n_components": size, "autoencoder": autoencoder, "pca": pca})
    return points


def _parts(table: Profile, random_state: int) -> tuple[TableLike, TableLike]:
    """Return rows to train on and rows to judge by."""
    if table.n_looked_at < MIN_CURVE_ROWS:
        raise DataError(f"{table.n_looked_at} rows are too few to hold some out")
    order = np.random.default_rng(random_state).permutation(table.n_looked_at)[:CURVE_ROWS]
    parts = np.split(order, [len(order) - _n_train(table)])
    test, train = (reading.select_rows(table.sample, np.sort(part)) for part in parts)
    return train, test


def _fitted(table: Profile, settings: Named, train: TableLike) -> Autoencoder:
    """Return an autoencoder fitted as the call would be, or quickly where that takes longer."""
    chooses = duration.fit_length(table, settings).chooses
    shorter = {} if chooses else quick_budget(settings, _n_train(table))
    with warnings.catch_warnings(), budget.one_course():
        warnings.simplefilter("ignore", NarrowsWarning)  # of quick fits of many
        return Autoencoder(**{**settings, **shorter}).fit(train)


def _n_train(table: Profile) -> int:
    """Return how many rows trial fits see."""
    n_rows = min(table.n_looked_at, CURVE_ROWS)
    return n_rows - int(HELD_OUT * n_rows)


def _lost(
    table: Profile, settings: Named, train: TableLike, test: TableLike
) -> tuple[float, float]:
    """Return the share of the variance of ``test`` that an autoencoder and a PCA leave."""
    total = _fitted(table, settings, train).explained_variance(test, train=train)
    row = next(r for r in total if (r["view"], r["component"]) == ("all", "total"))
    if not math.isfinite(row["explained"]):
        raise DataError("the held-out rows do not vary")
    return 1 - row["explained"], 1 - row["pca"]


def quick_budget(settings: Named, n_rows: int) -> dict[str, int]:
    """Return the batch size and the epochs of a quick fit."""
    size = budget.batch_size(settings.get("batch_size", "auto"), n_rows)
    optimizer = Optimizer.of(settings.get("optimizer", "auto"))
    whole = budget.max_epochs(settings.get("max_epochs", "auto"), n_rows, size, optimizer)
    steps = 1 if optimizer.full_batch else -(-n_rows // size)
    return {"batch_size": size, "max_epochs": max(1, min(whole, CURVE_STEPS // steps))}


def by_rule(table: Profile, asked: int | None, random_state: int) -> tuple[Remark, list[int]]:
    """Return what the rule of thumb and the knee say, and the guesses, the better one first."""
    thumb = rule_of_thumb(table.n_rows, table.n_features)
    size = parallel_analysis(table.seen, random_state, groups=table.layout.output_owners())
    guess = min(max(size, 2), max(2, table.n_rows // 10)) if size else thumb
    guess = asked or max(1, min(guess, table.layout.n_inputs - 1))
    remark = Remark(
        "size",
        "advice",
        f"rule of thumb {thumb}, from {table.n_features:,} columns and {table.n_rows:,} rows; knee "
        f"of a PCA {size}" + (f"; {asked} is asked for" if asked else ""),
        "the rule is max(min(sqrt(columns), rows / 10), 2); up to the knee, components explain "
        "more than those of the same table with its columns shuffled.",
        f"n_components={guess}",
        {"n_components": guess},
        {"rule": thumb, "knee": size},
    )
    return remark, [guess, thumb]


def unrelated(table: Profile, spectrum: int) -> Remark | None:
    """Warn where no column has to do with another."""
    if spectrum or table.layout.n_inputs < 2:
        return None
    return Remark(
        "unrelated",
        "warning",
        "no component explains more than it would if the columns had nothing to do with each other",
        "where columns say nothing of each other in a straight line, a code shorter than the row "
        "keeps little, unless they are bound by a curve.",
        "look at the held-out error before you use the code",
    )


def by_curve(
    table: Profile,
    settings: Named,
    guesses: Sequence[int],
    asked: int | None,
    *,
    seconds: float,
    random_state: int,
) -> list[Remark]:
    """Return what quick fits say of the size, and of PCA beside them."""
    tried = sizes(table, guesses)
    try:
        rows = curve(table, settings, tried, seconds=seconds, random_state=random_state)
    except (DataError, DivergenceError) as error:
        # A trial fit went well before, so this is about the rows left after some were held out.
        return [_no_curve(settings, str(error))]
    best = max(1 - row["autoencoder"] for row in rows)
    if best <= 0:
        return [_nothing_kept(rows, settings)]
    enough = [row for row in rows if 1 - row["autoencoder"] >= ENOUGH * best]
    size = asked or int(enough[0]["n_components"])
    short = f"; for more, {seconds:g} s were too short" * (len(rows) < len(tried))
    remark = Remark(
        "held-out size",
        "advice",
        f"variance of held-out rows that is lost, by size: {_points(rows)}{short}",
        f"the shortest code that keeps {ENOUGH:.0%} of what the best keeps, on rows held out.",
        f"n_components={size}",
        {"n_components": size},
        {"curve": rows},
    )
    row = min(rows, key=lambda row: abs(row["n_components"] - size))
    linear = None
    if row["autoencoder"] - row["pca"] > ALIKE and "architecture" not in settings:
        straight = {"n_components": int(row["n_components"]), "architecture": Dense(())}
        linear = _lost_by_linear(table, {**settings, **straight}, random_state)
    return [remark, _against_pca(row, linear)]


def _lost_by_linear(table: Profile, settings: Named, random_state: int) -> float | None:
    """Return what layers without a bend lose; None if they cannot be trained so."""
    try:
        return _lost(table, settings, *_parts(table, random_state))[0]
    except (DataError, DivergenceError):
        return None


def against_dense(
    table: Profile, part: Architecture, settings: Named, seconds: float, random_state: int
) -> tuple[float, float] | None:
    """Return the shares of held-out variance that an architecture and dense layers lose.

    In units of the scaling that goes with the architecture. None if no rows can be held out, a fit
    is refused, or its quick fit would take longer than ``seconds``.
    """
    try:
        train, test = _parts(table, random_state)
        own = {**settings, "architecture": part}
        quick = {**own, **quick_budget(own, _n_train(table))}
        foreseen = duration.measured(table, quick)
        share = _n_train(table) / table.n_rows
        if foreseen.severity == "error" or foreseen.details["seconds"] * share > seconds:
            return None
        models = [_fitted(table, tried, train) for tried in (own, settings)]
    except (DataError, DivergenceError):
        return None  # what the curve says of such rows stands
    fitted = models[0]._fitted
    x = fitted.scaling.encode(fitted.read(test), np.float64)
    first, second = (
        unexplained(
            x,
            fitted.scaling.encode(fitted.read(model.reconstruct(test)), np.float64),
            ~np.isnan(x),
        )
        for model in models
    )
    return first, second


def _points(rows: list[dict[str, float]]) -> str:
    return ", ".join(
        f"{row['n_components']}: {row['autoencoder']:.0%} (PCA {row['pca']:.0%})" for row in rows
    )


def _nothing_kept(rows: list[dict[str, float]], settings: Named) -> Remark:
    return Remark(
        "held-out size",
        "warning",
        f"no code keeps anything of held-out rows; lost of their variance: {_points(rows)}",
        "the column means alone would lose 100%: what was learned is of those rows and no others.",
        f"n_components={settings['n_components']}; more rows, or fewer columns",
        details={"curve": rows},
    )


def _against_pca(row: dict[str, float], linear: float | None) -> Remark:
    """Say which keeps more, and take layers without a bend where these do."""
    gain = row["pca"] - row["autoencoder"]
    n = int(row["n_components"])
    numbers = (
        f"at {n} component{'s' * (n > 1)} the autoencoder loses {row['autoencoder']:.1%}, "
        f"PCA {row['pca']:.1%}"
    )
    details = {"n_components": n, "autoencoder": row["autoencoder"], "pca": row["pca"]}
    if gain > ALIKE:
        return Remark(
            "pca",
            "advice",
            f"the autoencoder keeps more than a PCA here: {numbers}",
            "the columns seem to be bound by curves, which straight lines do not follow.",
            f"Autoencoder({n})",
            details=details,
        )
    adopted = linear is not None and row["autoencoder"] - linear > ALIKE
    return Remark(
        "pca",
        "warning",
        f"a PCA keeps {'more' if gain < -ALIKE else 'as much'} here: {numbers}"
        + (f", Dense(()) {linear:.1%}" if adopted else ""),
        "where straight lines do, a PCA is quicker and easier to explain; an autoencoder is then "
        "worth it for holes, mixed types, views or a loss of its own.",
        f"sklearn.decomposition.PCA({n})" + ", or architecture=Dense(())" * adopted,
        {"architecture": Dense(())} if adopted else {},
        {**details, "linear": linear} if adopted else details,
    )


def _no_curve(settings: Named, reason: str) -> Remark:
    return Remark(
        "held-out size",
        "advice",
        f"no held-out curve: {reason}",
        "the size rests on the rule of thumb and the knee alone.",
        f"n_components={settings['n_components']}",
    )
