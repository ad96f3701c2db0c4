"""Columns that are not plain numbers: detection, likelihoods, what comes back, what is refused."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import scipy.stats
import torch
from scipy.special import loggamma

import narrows
from lanes import few
from narrows import (
    Angle,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    Binary,
    Categorical,
    Contraction,
    Count,
    GaussianNoise,
    Layerwise,
    Masking,
    Ordinal,
    Proportion,
    View,
    recipes,
)
from narrows.core.forward_pass import ForwardPass
from narrows.data.column import Column, LikeColumns
from narrows.data.column_types import _log_rising
from narrows.errors import DataError, MissingWarning, ParameterError
from narrows.losses.columnwise import likelihood
from narrows.network.input_layer import InputLayer

FUSIONS = (
    "early",
    "intermediate",
    "shared_private",
    "product_of_experts",
    "mixture_of_experts",
    "mixture_of_products",
)
TYPES = {"visits": "count", "share": "proportion", "reads": Count("negative_binomial")}
GRADES = ["low", "mid", "high"]


def people(n: int = 120, seed: int = 0) -> pd.DataFrame:
    """Return a table of all types, two of whose causes are continuous."""
    random = np.random.RandomState(seed)
    z = random.randn(n, 2)
    cities = np.array(["ulm", "bonn", "kiel", "trier"])
    grade = np.array(GRADES)[np.clip(z[:, 1] + 1.5, 0, 2).astype(int)]
    return pd.DataFrame(
        {
            "age": 40 + 10 * z[:, 0],
            "smoker": z[:, 1] > 0,
            "city": cities[np.clip(z[:, 0] + 2, 0, 3).astype(int)],
            "grade": pd.Categorical(grade, categories=GRADES, ordered=True),
            "visits": random.poisson(np.exp(1 + 0.8 * z[:, 0])),
            "share": 1 / (1 + np.exp(-2 * z[:, 1])),
            "reads": random.negative_binomial(3, 3 / (3 + np.exp(3 + z[:, 1]))),
        }
    )


def columns_with_missing(table: pd.DataFrame, share: float = 0.1) -> pd.DataFrame:
    holes = np.random.RandomState(1).rand(*table.shape) < share
    return table.mask(pd.DataFrame(holes, columns=table.columns, index=table.index))


def model(**settings: Any) -> Autoencoder:
    return Autoencoder(**{"types": TYPES, "max_epochs": 3, "random_state": 0, **settings})


def decided(fitted: Autoencoder) -> list[str]:
    assert fitted.layout_.schema is not None
    return [column.type.name for column in fitted.layout_.schema.columns]


EXPECTED = ["numeric", "binary", "categorical", "ordinal", "count", "proportion", "count"]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_dtypes_say_what_columns_are(library: str) -> None:
    table: Any = columns_with_missing(people())
    if library != "pandas":
        table = pl.from_pandas(people()).with_columns(
            pl.col("grade").cast(pl.String).cast(pl.Enum(GRADES))
        )
    if library == "pyarrow":
        table = table.with_columns(pl.col("grade").cast(pl.String)).to_arrow()
    given: dict[str, Any] = dict(TYPES)
    if library == "pyarrow":
        given["grade"] = Ordinal(GRADES)
    assert decided(model(types=given).fit(table)) == EXPECTED


def test_what_comes_back_of_pandas_has_its_dtypes_and_index() -> None:
    table = people()
    table.index = pd.Index([f"p{i}" for i in range(len(table))])
    fitted = model().fit(columns_with_missing(table))
    filled = fitted.impute(columns_with_missing(table))
    assert filled["grade"].dtype == table["grade"].dtype
    assert filled["city"].dtype == table["city"].dtype
    assert filled["smoker"].dtype == bool
    assert filled.index.equals(table.index)
    assert not filled.isna().any().any()
    measured = columns_with_missing(table).notna()
    for name in table.columns:
        assert (filled[name][measured[name]] == table[name][measured[name]]).all(), name
    back = fitted.inverse_transform(fitted.transform(table))
    assert list(back.columns) == list(table.columns)
    assert set(back["city"]) <= set(table["city"])
    counts = back["visits"].to_numpy()
    np.testing.assert_array_equal(counts, counts.round())
    assert (counts >= 0).all()


def test_what_comes_back_of_polars_has_its_dtypes() -> None:
    table = pl.from_pandas(people()).with_columns(
        pl.col("grade").cast(pl.String).cast(pl.Enum(GRADES)),
        pl.col("city").cast(pl.Categorical),
    )
    fitted = model().fit(table)
    for found in (fitted.reconstruct(table), fitted.impute(table)):
        assert found.schema["grade"] == pl.Enum(GRADES)
        assert found.schema["smoker"] == pl.Boolean
        assert isinstance(found.schema["city"], (pl.Categorical, pl.Enum))
        assert found.schema["visits"] == pl.Int64


def test_nothing_is_lost_in_a_model_file(tmp_path: Path) -> None:
    table = columns_with_missing(people())
    fitted = model(latent="gaussian", penalty="kl").fit(table)
    fitted.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.impute(table), fitted.impute(table))
    np.testing.assert_array_equal(again.score_samples(table), fitted.score_samples(table))
    pd.testing.assert_frame_equal(again.sample(5, random_state=0), fitted.sample(5, random_state=0))
    pd.testing.assert_frame_equal(again.fit(table).impute(table), fitted.impute(table))


def test_plain_numbers_are_read_as_ever() -> None:
    table = people()[["age", "visits", "share"]]
    fitted = Autoencoder(2, max_epochs=3, random_state=0).fit(table)
    assert fitted.layout_.schema is None
    array = Autoencoder(2, max_epochs=3, random_state=0).fit(table.to_numpy())
    np.testing.assert_array_equal(
        fitted.transform(table), np.asarray(array.transform(table.to_numpy()))
    )
    declared = Autoencoder(2, types={"visits": "numeric"}, max_epochs=3, random_state=0).fit(table)
    np.testing.assert_array_equal(declared.transform(table), fitted.transform(table))


def test_columns_of_an_array_have_the_types_that_are_given() -> None:
    random = np.random.RandomState(0)
    X = np.column_stack([random.randn(90), random.randint(0, 3, 90), random.poisson(3, 90)])
    fitted = Autoencoder(2, types={1: "categorical", 2: "count"}, max_epochs=3, random_state=0).fit(
        X
    )
    found = fitted.reconstruct(X)
    assert set(found[:, 1]) <= {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(found[:, 2], found[:, 2].round())


# The likelihoods --------------------------------------------------------------------------------


def column(kind: Any, values: np.ndarray, n_levels: int = 0) -> Column:
    levels = tuple(f"level {i}" for i in range(n_levels))
    return Column(kind, levels=levels).with_statistics(values.astype(float), None)


def cases() -> dict[str, tuple[Column, np.ndarray]]:
    random = np.random.RandomState(0)
    places = random.choice(3, 500, p=[0.2, 0.5, 0.3]) + 1.0
    yes = (random.rand(500) < 0.3).astype(float)
    made = {
        "binary": (Binary(), yes, 2),
        "categorical": (Categorical(), places, 3),
        "ordinal": (Ordinal(), places, 3),
        "poisson": (Count(), random.poisson(4, 500).astype(float), 0),
        "negative binomial": (
            Count("negative_binomial"),
            random.negative_binomial(2, 0.1, 500).astype(float),
            0,
        ),
        "proportion": (Proportion(), random.rand(500), 0),
        "angle": (Angle(), Angle().canonical(20 + 60 * random.randn(500)), 0),
    }
    return {name: (column(kind, values, n), values) for name, (kind, values, n) in made.items()}


def scaled(found: Column, values: np.ndarray) -> torch.Tensor:
    shown = np.log1p(values) if found.type.is_log else values
    return torch.from_numpy((shown - found.center) / found.scale)[:, None]


def lost(found: Column, x: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
    forward: Any = ForwardPass(None, x, x, None, raw, raw)  # type: ignore[arg-type]
    return likelihood([found]).cells(forward)


@pytest.mark.parametrize("name", cases())
def test_saying_nothing_loses_what_the_best_constant_does(name: str) -> None:
    found, values = cases()[name]
    x = scaled(found, values)
    raw = torch.zeros(len(x), found.n_outputs, dtype=torch.float64)
    assert lost(found, x, raw).mean() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("name", cases())
def test_derivatives_of_likelihoods_are_right(name: str) -> None:
    found, values = cases()[name]
    x = scaled(found, values[:7])
    raw = torch.randn(7, found.n_outputs, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: lost(found, x, r), raw)


@pytest.mark.parametrize("times", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("name", cases())
def test_slopes_are_those_of_autograd_however_far_outputs_are(name: str, times: float) -> None:
    found, values = cases()[name]
    columns = LikeColumns([found, found])
    x = scaled(found, values).reshape(-1, 2)
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(len(x), 2 * found.n_outputs, generator=generator, dtype=x.dtype) * times
    leaf = raw.clone().requires_grad_()
    expected = found.type.cells(columns, x, leaf)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    cells, slopes = found.type.cells_and_slopes(columns, x, raw)
    torch.testing.assert_close(cells, expected.detach(), rtol=1e-9, atol=1e-9)
    # Beyond 20 torch takes softplus for a straight line, which leaves some 2e-9 of r out.
    atol = 1e-5 if name == "negative binomial" and times == 30.0 else 1e-9
    torch.testing.assert_close(slopes, slope, rtol=1e-9, atol=atol)


def test_counts_have_the_textbook_s_probabilities() -> None:
    for name in ("poisson", "negative binomial"):
        found, values = cases()[name]
        raw = torch.full((len(values), found.n_outputs), 0.3, dtype=torch.float64)
        x = scaled(found, values)
        minus_log = found.type.minus_log(LikeColumns([found]), x, raw)[:, 0].numpy()
        mean = found.shares[0] * np.exp(0.3 * found.scale)
        if name == "poisson":
            expected = scipy.stats.poisson(mean).logpmf(values)
        else:
            r = 1 / (found.shares[1] * np.exp(0.3))
            expected = scipy.stats.nbinom(r, r / (r + mean)).logpmf(values)
        np.testing.assert_allclose(-minus_log, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("distribution", ["poisson", "negative_binomial"])
def test_size_factors_are_the_total_of_a_row_beside_the_mean_total(distribution: str) -> None:
    random = np.random.default_rng(0)
    values = random.poisson([2.0, 5.0, 1.0], (40, 3)) * random.integers(0, 4, (40, 1))
    kinds = [Count(distribution, size_factors=own) for own in (True, False)]
    own, plain = (
        LikeColumns(
            [Column(kind).with_statistics(values[:, i].astype(float), None) for i in range(3)]
        )
        for kind in kinds
    )
    x = torch.tensor(
        np.column_stack(
            [(np.log1p(values[:, i]) - c.center) / c.scale for i, c in enumerate(own.columns)]
        )
    )
    n_outputs = own.columns[0].n_outputs
    raw = torch.randn(40, 3 * n_outputs, dtype=torch.float64)
    usual = sum(column.shares[0] for column in own.columns)
    factors = np.maximum(values.sum(1), 1) / usual
    moved = raw.clone().unflatten(1, (3, n_outputs))
    scales = torch.tensor([column.scale for column in own.columns])
    moved[:, :, 0] += torch.tensor(np.log(factors))[:, None] / scales
    torch.testing.assert_close(
        kinds[0].minus_log(own, x, raw),
        kinds[1].minus_log(plain, x, moved.flatten(1)),
        rtol=1e-5,
        atol=1e-5,
    )
    torch.testing.assert_close(
        kinds[0].reconstruction(own, raw), kinds[1].reconstruction(plain, raw)
    )


def test_totals_are_of_the_columns_of_a_view() -> None:
    X = np.random.default_rng(0).poisson(2.0, (50, 6))
    kind = Count(size_factors=True)
    views = {"a": View([0, 1, 2], types=kind), "b": View([3, 4, 5], types=kind)}
    model = Autoencoder(2, views=views, max_epochs=2, random_state=0).fit(X)
    groups = model._fitted.layout.likelihood_groups
    assert [columns for columns, _ in groups] == [(0, 1, 2), (3, 4, 5)]
    alone = Autoencoder(2, types=dict.fromkeys(range(6), kind), max_epochs=2).fit(X)
    assert len(alone._fitted.layout.likelihood_groups) == 1


def test_sparse_counts_are_checked_where_they_stand_and_levels_are_refused() -> None:
    X = scipy.sparse.csr_array(np.random.default_rng(0).poisson(1.0, (30, 4)).astype(float))
    X[7, 2] = 1.5
    with pytest.raises(DataError, match=r"column 2 is a count but row 7 has 1\.5"):
        Autoencoder(2, types={2: "count"}).fit(X)
    with pytest.raises(DataError, match="X is sparse, but column 1 has levels"):
        Autoencoder(2, types={1: "ordinal"}).fit(X)


@pytest.mark.parametrize("name", ["categorical", "ordinal"])
def test_probabilities_of_levels_add_up_to_one(name: str) -> None:
    found, _ = cases()[name]
    raw = torch.randn(5, found.n_outputs, dtype=torch.float64)
    by_level = [
        -found.type.minus_log(
            LikeColumns([found]), torch.full((5, 1), place, dtype=torch.float64), raw
        )
        for place in (1.0, 2.0, 3.0)
    ]
    total = torch.cat(by_level, 1).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("name", cases())
def test_what_the_network_would_see_is_the_mean_of_what_it_sees(name: str) -> None:
    found, values = cases()[name]
    if name in ("poisson", "negative binomial"):
        pytest.skip("the logarithm of the mean is not the mean of logarithms")
    raw = torch.zeros(1, found.n_outputs, dtype=torch.float64)
    wide = InputLayer([found]).double()(scaled(found, values))
    judge = likelihood([found])
    shown = judge.mean_inputs(raw, judge.activation)
    torch.testing.assert_close(shown[0], wide.mean(0), atol=1e-9, rtol=0)


# Angles -----------------------------------------------------------------------------------------


def winds(n: int = 300) -> pd.DataFrame:
    """Return directions around north, and what they say."""
    random = np.random.RandomState(0)
    direction = random.normal(0, 40, n)
    turn = np.deg2rad(direction)
    return pd.DataFrame(
        {
            "direction": direction % 360,
            "north": np.cos(turn) + 0.05 * random.randn(n),
            "east": np.sin(turn) + 0.05 * random.randn(n),
        }
    )


def apart(one: Any, other: Any, period: float = 360.0) -> np.ndarray:
    gap = np.abs(np.asarray(one, float) - np.asarray(other, float)) % period
    return np.minimum(gap, period - gap)


@pytest.mark.slow
def test_directions_come_back_across_north() -> None:
    table = winds()
    train, test = table[:200], table[200:]
    fitted = Autoencoder(2, types={"direction": Angle()}, random_state=0).fit(train)
    found = fitted.reconstruct(test)["direction"]
    assert ((found >= 0) & (found < 360)).all()
    assert apart(found, test["direction"]).mean() < 10
    hidden = test.assign(direction=np.nan)
    typed = apart(fitted.impute(hidden)["direction"], test["direction"]).mean()
    assert typed < 5
    plain = Autoencoder(2, random_state=0).fit(train).impute(hidden)["direction"]
    # Whoever takes 359 and 1 for far apart.
    assert apart(plain, test["direction"]).mean() > 3 * typed


def test_once_round_is_the_same(tmp_path: Path) -> None:
    table = winds(60)
    types = {"direction": Angle()}
    fitted = Autoencoder(2, types=types, max_epochs=3, random_state=0).fit(table)
    codes = fitted.transform(table)
    for turns in (-720, -360, 360, 1080):
        moved = table.assign(direction=table["direction"] + turns)
        np.testing.assert_allclose(fitted.transform(moved), codes, atol=1e-9)
        assert fitted.impute(moved).equals(moved)
    fitted.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(table), codes)
    assert loaded.columns_[0]["type"] == "angle"
    zeros, full = (table.assign(direction=value) for value in (0.0, 360.0))
    np.testing.assert_array_equal(fitted.transform(zeros), fitted.transform(full))
    holes = fitted.transform(table.assign(direction=np.nan))
    assert not np.allclose(holes, fitted.transform(zeros))


def test_densities_of_angles_integrate_to_one() -> None:
    for period, raw in ((360.0, [0.3, -1.0]), (24.0, [0.0, 0.0]), (2 * np.pi, [5.0, 2.0])):
        values = np.random.RandomState(0).uniform(0, period / 3, 200)
        found = column(Angle(period), Angle(period).canonical(values))
        x = torch.linspace(0, 1, 4001, dtype=torch.float64)[1:, None]
        outputs = torch.tensor([raw], dtype=torch.float64).expand(len(x), 2)
        density = found.type.log_density(LikeColumns([found]), x, outputs).exp()
        assert float(density.mean()) * period == pytest.approx(1, abs=1e-6)


def test_the_spread_of_angles_goes_round() -> None:
    draws = np.array([[359.0, 10.0], [1.0, 190.0]])
    near, far = Angle().spread(draws)
    assert near == pytest.approx(1.0, rel=1e-3)
    assert far > 180


def test_a_period_must_be_above_0() -> None:
    with pytest.raises(ParameterError, match=r"period=0"):
        Autoencoder(1, types={0: Angle(0)}).fit(np.ones((5, 2)))


# Missing cells, noise, rare levels --------------------------------------------------------------


def test_what_is_under_a_hole_never_counts() -> None:
    table = people(40)
    fitted = model(max_epochs=2).fit(table)
    network, objective = fitted.network_, fitted._fitted.objective
    rows = torch.from_numpy(fitted.scaling_.encode(fitted._fitted.read(table), np.float32))
    observed = torch.rand(rows.shape, generator=torch.Generator().manual_seed(0)) > 0.3
    values = []
    for junk in (0.0, 3.0, 1.0):
        x = torch.where(observed, rows, torch.tensor(junk))
        for parameter in network.parameters():
            parameter.grad = None
        value = objective(network(x, torch.where(observed, x, 0.0), observed=observed)).total
        value.backward()
        grads = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        values.append((value.detach(), grads))
    for value, grads in values[1:]:
        assert torch.equal(value, values[0][0])
        assert all(map(torch.equal, grads, values[0][1]))


def test_noise_leaves_levels_and_masking_hides_them() -> None:
    class Seen:
        low = high = torch.zeros(3)
        views = ()
        without_noise = (1,)
        has_holes = False

    x = torch.tensor([[0.5, 2.0, 0.1]] * 50)
    generator = torch.Generator().manual_seed(0)
    noisy = (GaussianNoise(0.5) + Masking(0.5)).apply(x, Seen, generator)  # type: ignore[arg-type]
    assert set(noisy[:, 1].tolist()) == {0.0, 2.0}
    assert len(set(noisy[:, 0].tolist())) > 5


def test_rare_and_unknown_levels_share_a_place() -> None:
    table = people()
    table.loc[0, "city"] = "jena"
    fitted = model().fit(table)
    assert fitted.layout_.schema is not None
    assert "jena" not in fitted.layout_.schema.columns[2].levels
    new = people(5)
    new.loc[0, "city"] = "riga"
    with pytest.warns(MissingWarning, match=r"'city' has levels .* not see, 'riga'; they share"):
        assert np.isfinite(fitted.score_samples(new)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = fitted.impute(table)
        assert set(fitted.reconstruct(table)["city"]) <= {"ulm", "bonn", "kiel", "trier"}
    assert kept.loc[0, "city"] == "jena"


def test_unknown_levels_without_such_a_place_are_missing() -> None:
    fitted = model(types={**TYPES, "city": Categorical(min_count=1)}).fit(people())
    new, hole = people(5), people(5)
    new.loc[0, "city"], hole.loc[0, "city"] = "riga", None
    with pytest.warns(MissingWarning, match="they count as missing"):
        found = fitted.transform(new)
    np.testing.assert_array_equal(found, fitted.transform(hole))


@pytest.mark.slow
def test_many_levels_are_learned_as_vectors() -> None:
    random = np.random.RandomState(0)
    group = random.randint(0, 100, 600)
    table = pd.DataFrame(
        {"zip": [f"z{g}" for g in group], "rent": group / 10 + 0.1 * random.randn(600)}
    )
    fitted = Autoencoder(2, corruption="masking", max_epochs=60, random_state=0).fit(table)
    vectors = fitted.network_.input_layer.vectors["0"]  # type: ignore[union-attr]
    assert vectors.shape == (101, 21)  # a level's place each, one for missing; 1.6 * 100^0.56
    assert not vectors[0].any()
    hole = table.assign(rent=np.nan)
    guess = fitted.impute(hole)["rent"]
    assert np.corrcoef(guess, table["rent"])[0, 1] > 0.98


# With everything else ---------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", few(FUSIONS, [*FUSIONS][:2].__contains__))
def test_views_may_have_all_types(fusion: str) -> None:
    views = {
        "clinic": ["age", "smoker", "grade"],
        "home": ["city", "share"],
        "counts": View(["visits", "reads"], types="count"),
    }
    make = recipes.variational if "of_" in fusion else Autoencoder
    fitted = make(
        4, views=views, fusion=fusion, types={"share": "proportion"}, max_epochs=20, random_state=0
    ).fit(columns_with_missing(people()))
    assert decided(fitted) == EXPECTED
    told = fitted.translate(people().drop(columns=["city", "share"]), "home")
    assert list(told.columns) == ["city", "share"]
    assert told["share"].between(0, 1).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": Layerwise(epochs=2, finetune=1), "architecture": (8,)},
        {"penalty": Contraction(0.1)},
        {"penalty": Contraction(0.1, estimator="hutchinson")},
        {"corruption": "swap"},
        {"corruption": "salt_and_pepper"},
        {"scaling": "none"},
        {"scaling": "minmax", "loss": "absolute_error"},
        {"optimizer": "lbfgs", "max_epochs": 1},
        {"architecture": narrows.Dense((8,), tied=True)},
    ],
    ids=repr,
)
def test_other_parts_go_with_types(settings: dict[str, Any]) -> None:
    table = columns_with_missing(people())
    fitted = model(**settings).fit(table)
    assert np.isfinite(fitted.score_samples(table)).all()
    assert fitted.sample_contractive(people(), random_state=0).shape == table.shape


def test_estimators_made_of_one_take_types() -> None:
    table, y = people(), people()["age"] > 40
    classifier = AutoencoderClassifier(model(), max_epochs=3, random_state=0).fit(table, y)
    assert classifier.predict(table).shape == (len(table),)
    detector = AnomalyDetector(model(), random_state=0).fit(table)
    assert set(detector.predict(table)) == {-1, 1}


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "types", "message"),
    [
        (
            {"born": [dt.datetime(2000, 1, 1)] * 120},
            {},
            r"'born' holds dates or times .* days since the first one",
        ),
        ({"city": 3.5}, {"city": "count"}, "'city' is a count but row 0 has 3.5"),
        ({"share": 55.0}, {"share": "proportion"}, "'share' is a proportion but row 0 has 55"),
        ({}, {"city": "binary"}, "'city' is binary but has 4 levels, 'bonn', 'kiel'"),
        ({"city": [{1}] * 120}, {}, "several or unknown types"),
        ({"city": [1, "a"] * 60}, {}, "several or unknown types"),
    ],
)
def test_columns_that_cannot_be_are_named(
    change: dict[str, Any], types: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        model(types=types).fit(people().assign(**change))


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"city": "ordinal"}, r"leaves open the order of 'bonn', 'kiel'.*Ordinal\(\[lowest"),
        ({"city": Ordinal(["ulm", "bonn"])}, "does not have 'kiel'"),
        ({"city": "count"}, "needs numbers, but the column holds text"),
        ({"citi": "count"}, "names column 'citi'.*did you mean 'city'"),
        ({"city": "kategorical"}, "type='kategorical' must be one of"),
        ({"visits": Count("poison")}, "poisson"),
        ({"city": Categorical(min_count=0)}, "min_count=0"),
        ("count", "types='count' must map columns to types"),
    ],
)
def test_types_that_cannot_be_are_refused(types: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        model(types=types).fit(people())


def test_a_model_of_a_frame_wants_a_frame() -> None:
    fitted = model().fit(people())
    with pytest.raises(DataError, match="give a data frame with the columns 'age', 'smoker'"):
        fitted.transform(np.zeros((3, 7)))
    with pytest.raises(DataError, match="Found array with 0 sample"):
        fitted.transform(people().iloc[:0])
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(people()[people().columns[::-1]])
    table = people()
    table.columns = pd.Index(["age"] * 7)
    with pytest.raises(DataError, match="two columns have the same name"):
        model(types=None).fit(table)
    with pytest.raises(ValueError, match="infinity"):
        fitted.transform(people().assign(age=np.inf))


def test_a_column_without_a_cell_is_remarked() -> None:
    table = people().assign(city=None)
    with pytest.warns(MissingWarning, match="no cell of column 'city' was measured"):
        fitted = model(types=TYPES).fit(table)
    assert fitted.transform(table).shape == (120, 2)


def test_categories_of_polars_come_back_as_what_they_were() -> None:
    table = pl.DataFrame(
        {
            "town": pl.Series(["ulm", "bonn"] * 10, dtype=pl.Categorical),
            "grade": pl.Series(["low", "high"] * 10, dtype=pl.Enum(GRADES)),
            "size": np.arange(20.0),
        }
    )
    fitted = model(types=None, max_epochs=1).fit(table)
    for back in (fitted.reconstruct(table), fitted.inverse_transform(fitted.transform(table))):
        assert back.schema == table.schema


@pytest.mark.filterwarnings("ignore::narrows.errors.MissingWarning")
@pytest.mark.parametrize("kind", ["str", "category", "boolean"])
def test_a_column_of_levels_without_any_stays_empty(kind: str) -> None:
    table = pd.DataFrame({"a": pd.Series([None] * 8, dtype=kind), "b": ["x", "y"] * 4})
    fitted = model(types=None, max_epochs=1).fit(table)
    back = fitted.inverse_transform(fitted.transform(table))
    assert set(back["b"]) <= {"x", "y"}
    assert fitted.impute(table)["a"].isna().all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("age", ["old"] * 4),
        ("smoker", [0.5] * 4),
        ("smoker", ["yes"] * 4),
        ("city", [1, 2, 3, 4]),
        ("city", [True] * 4),
        ("grade", [1.5] * 4),
    ],
)
def test_a_column_of_another_type_than_in_fit_is_refused_by_name(
    library: str, column: str, cells: list[Any]
) -> None:
    table = people()[["age", "smoker", "city", "grade"]]
    other = table[:4].assign(**{column: cells})
    if library == "polars":
        table, other = pl.from_pandas(table), pl.from_pandas(other)
    fitted = model(types=None, max_epochs=1).fit(table)
    for use in (fitted.transform, fitted.impute):
        with pytest.raises(
            DataError, match=f"column '{column}' h.*in fit|column '{column}'.*row 0"
        ):
            use(other)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_booleans_that_come_as_numbers_are_given_back_as_booleans(library: str) -> None:
    table = people()[["smoker", "age", "city"]]
    other = table[:4].assign(smoker=[0.0, 1.0, 1.0, np.nan])
    if library == "polars":
        table = pl.from_pandas(table)
        other = pl.from_pandas(other)
    filled = model(types=None, max_epochs=1).fit(table).impute(other)["smoker"]
    assert filled.dtype == table["smoker"].dtype
    assert filled.to_list()[:3] == [False, True, True]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("kind", ["categorical", "ordinal", "binary"])
@pytest.mark.parametrize("dtype", [float, int])
def test_numbers_that_stand_for_levels_are_filled_in_every_library(
    library: str, kind: str, dtype: type
) -> None:
    holes = [1.0, 2.0, np.nan, 1.0] if dtype is float else [1, 2, 2, 1]
    table: Any = people(20)[["age", "city"]].assign(grade=np.array(holes * 5, dtype))
    if library != "pandas":
        table = pl.DataFrame({name: table[name].to_numpy() for name in table})
        table = table.to_arrow() if library == "pyarrow" else table
    fitted = model(types={"grade": kind}, max_epochs=1).fit(table)
    assert fitted.columns_[2]["levels"] == [1, 2]
    back = fitted.impute(table)["grade"]
    cells = back.to_pylist() if library == "pyarrow" else back.to_list()
    assert [type(cell) for cell in cells] == [dtype] * 20
    for was, now in zip(holes * 5, cells, strict=True):
        assert now == was or (was != was and now in (1, 2))


def test_a_word_among_numbers_is_refused_with_its_column() -> None:
    table = people()[["age", "city"]]
    fitted = model(types=None, max_epochs=1).fit(table)
    other = table[:3].assign(age=pd.Series([40.0, "old", 50.0], dtype=object))
    with pytest.raises(DataError, match=r"column 'age' .*old"):
        fitted.transform(other)


def test_differences_of_large_log_gammas_keep_their_digits() -> None:
    z = torch.logspace(-4, 5, 200, dtype=torch.float64)[:, None]
    n = torch.tensor([0.0, 1.0, 2.0, 10.0, 1000.0, 1e5], dtype=torch.float64)
    exact = torch.from_numpy(loggamma((z + n).numpy()) - loggamma(z.numpy()))
    for dtype, bound in ((torch.float64, 2e-10), (torch.float32, 2e-6)):
        values = _log_rising(z.to(dtype), n.to(dtype)).double()
        assert ((values - exact).abs() / exact.abs().clamp(min=1)).max() < bound
    at = torch.tensor([0.5, 7.99, 8.01, 900.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: _log_rising(z, torch.full_like(z, 3.0)), at)
