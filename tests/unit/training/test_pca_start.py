"""Start: a network begins at the PCA of its rows where it can, and says where it began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import narrows
from narrows import (
    SGD,
    AdamW,
    Angle,
    Autoencoder,
    AutoencoderClassifier,
    Dense,
    GaussianNoise,
    KSparse,
    Layerwise,
    OneCycle,
    Recurrent,
    SharedPrivate,
    View,
)
from narrows.errors import CompositionError, ParameterError
from narrows.network.input_layer import to_inputs
from narrows.training import budget

HALVES = {"left": range(32), "right": range(32, 64)}
STILL: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-15, "max_epochs": 1}


def still(n_components: int, **settings: Any) -> Autoencoder:
    """Return an autoencoder that stays where it begins."""
    return Autoencoder(n_components, random_state=0, **{**STILL, **settings})


def lost(z: Any, reconstruction: Any) -> float:
    return float(((z - reconstruction) ** 2).mean())


@pytest.mark.parametrize("hidden", [(), (64,), (64, 32), (64, 48, 32)], ids=str)
def test_a_network_begins_with_the_error_of_pca(hidden: tuple[int, ...], digits: Any) -> None:
    z = StandardScaler().fit_transform(digits)
    pca = PCA(5).fit(z)
    linear = lost(z, pca.inverse_transform(pca.transform(z)))
    model = still(5, architecture=Dense(hidden)).fit(digits)
    ours = lost(z, StandardScaler().fit(digits).transform(model.reconstruct(digits)))
    assert model.init_ == "pca"
    assert ours == pytest.approx(linear, rel=0.05)
    drawn = still(5, architecture=Dense(hidden), init="random").fit(digits)
    assert drawn.init_ == "random"
    assert -drawn.score(digits) > -1.5 * model.score(digits)


def begun(z: Any, model: Autoencoder) -> float:
    """Return the mean error per measured cell of a network that stays where it begins."""
    model.set_params(precision="float64", scaling=None, max_epochs=1).fit(z)
    assert model.init_ == "pca"
    return float(-model.score_samples(z).sum() / np.isfinite(z).sum())


def linear(z: Any, n_components: int) -> float:
    filled = np.nan_to_num(z)
    pca = PCA(n_components, svd_solver="full").fit(filled)
    error = (filled - pca.inverse_transform(pca.transform(filled))) ** 2
    return float(error[np.isfinite(z)].mean())


def standardised(X: Any) -> Any:
    return StandardScaler().fit_transform(X.astype(np.float64))


@pytest.mark.parametrize("n_components", [2, 8, 20])
@pytest.mark.parametrize("hidden", [(64,), (80, 48)], ids=str)
@pytest.mark.parametrize("table", ["breast_cancer", "digits"])
def test_the_first_error_is_that_of_pca(
    table: str, hidden: tuple[int, ...], n_components: int, request: pytest.FixtureRequest
) -> None:
    z = standardised(request.getfixturevalue(table))
    model = still(n_components, architecture=Dense(hidden))
    assert begun(z, model) == pytest.approx(linear(z, n_components), rel=1e-6)


@pytest.mark.parametrize("shape", [(200, 30), (30, 200)], ids=str)
def test_the_first_error_on_a_table_of_low_rank_is_none(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0).normal
    z = standardised(draw(size=(shape[0], 3)) @ draw(size=(3, shape[1])))
    assert begun(z, still(5)) < 1e-20
    assert begun(z, still(2)) == pytest.approx(linear(z, 2), rel=1e-6)


@pytest.mark.parametrize("fusion", ["intermediate", "early"])
def test_the_first_error_of_views_is_that_of_pca(fusion: str, digits: Any) -> None:
    z = standardised(digits)
    model = still(8, views=HALVES, fusion=fusion, corruption=None, architecture=Dense((48, 32)))
    assert begun(z, model) == pytest.approx(linear(z, 8), rel=1e-6)


def test_the_first_error_with_holes_is_that_of_the_pca_of_means(breast_cancer: Any) -> None:
    X = breast_cancer.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    z = standardised(X)
    assert begun(z, still(8)) == pytest.approx(linear(z, 8), rel=1e-6)


BESIDE = [3, 40, 41]  # columns of the digits that vary


def apart(z: Any, n_components: int) -> float:
    """Return the error of a regression on covariates, and of a PCA of what it leaves."""
    filled = np.nan_to_num(z)
    beside = filled[:, BESIDE]
    left = filled - beside @ np.linalg.lstsq(beside, filled, rcond=None)[0]
    return linear(np.where(np.isnan(z), np.nan, left), n_components)


@pytest.mark.parametrize("hidden", [(64,), (64, 48)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"views": HALVES, "fusion": "intermediate", "corruption": None},
        {"views": HALVES, "fusion": "early", "corruption": None},
    ],
    ids=str,
)
def test_beside_covariates_the_first_error_is_that_of_the_pca_of_what_they_leave(
    hidden: tuple[int, ...], settings: dict[str, Any], digits: Any
) -> None:
    z = standardised(digits)
    model = still(8, covariates=BESIDE, architecture=Dense(hidden), **settings)
    assert begun(z, model) == pytest.approx(apart(z, 8), rel=1e-6)
    codes = model.transform(z)
    assert np.abs(codes.T @ z[:, BESIDE]).max() < 1e-6 * len(z)
    np.testing.assert_allclose(model.reconstruct(z)[:, BESIDE], z[:, BESIDE], atol=1e-6)


def test_covariates_that_say_the_same_or_are_not_measured_do_not_stop_a_start(
    digits: Any,
) -> None:
    z = standardised(digits)
    z[:, 41] = -2 * z[:, 40]
    assert begun(z, still(8, covariates=BESIDE)) == pytest.approx(apart(z, 8), rel=1e-6)
    z[::7, BESIDE] = np.nan
    z -= np.nanmean(z, axis=0)
    assert begun(z, still(8, covariates=BESIDE)) == pytest.approx(apart(z, 8), rel=1e-6)


def test_levels_beside_the_code_are_out_of_it_at_first(digits: Any) -> None:
    rng = np.random.default_rng(0)
    batch = rng.integers(3, size=len(digits))
    shifted = digits + 20 * rng.normal(size=(3, 64))[batch]
    table = pd.DataFrame(shifted).rename(columns=str).assign(batch=np.array(["a", "b", "c"])[batch])
    model = still(5, covariates=["batch"], precision="float64").fit(table)
    assert model.init_ == "pca"
    codes = model.transform(table)
    means = np.array([codes[batch == level].mean(0) for level in range(3)])
    assert np.ptp(means, axis=0).max() < 1e-6 * codes.std()
    moved = model.reconstruct(table, covariates=table.assign(batch="a")).drop(columns="batch")
    means = np.array([moved.to_numpy()[batch == level].mean(0) for level in range(3)])
    assert np.ptp(means, axis=0).max() < 1e-4 * shifted.std()


def test_unscaled_covariates_far_from_zero_are_centred(digits: Any) -> None:
    z = standardised(digits)
    model = still(8, covariates=BESIDE)
    assert begun(z + 5, model) == pytest.approx(apart(z, 8), rel=1e-6)


def test_all_hidden_units_learn_from_the_second_step_on(breast_cancer: Any) -> None:
    """Those of the PCA are a few of 256; weights of the others must move too."""
    settings: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-3, "batch_size": 569}
    settings["precision"] = "float64"
    first, third = (
        Autoencoder(2, **settings, max_epochs=n, random_state=0).fit(breast_cancer) for n in (1, 3)
    )
    for before, after in zip(first.network_.weights(), third.network_.weights(), strict=True):
        assert bool((before != after).any(1).float().mean() > 0.9)


@pytest.mark.parametrize("hidden", [(), (64,), (64, 48, 32)], ids=str)
@pytest.mark.parametrize("fusion", ["intermediate", "early"])
def test_views_begin_at_the_pca_of_all_of_them(
    hidden: tuple[int, ...], fusion: str, digits: Any
) -> None:
    even = {"even": range(0, 64, 2), "odd": range(1, 32, 2), "rest": range(33, 64, 2)}
    z = StandardScaler().fit_transform(digits)
    pca = PCA(5).fit(z)
    settings: dict[str, Any] = {"views": even, "fusion": fusion, "corruption": None}
    model = still(5, architecture=Dense(hidden), **settings).fit(digits)
    ours = lost(z, StandardScaler().fit(digits).transform(model.reconstruct(digits)))
    assert model.init_ == "pca"
    assert ours == pytest.approx(lost(z, pca.inverse_transform(pca.transform(z))), rel=0.05)


def test_without_hidden_layers_the_first_codes_are_scaled_scores(digits: Any) -> None:
    model = still(3, architecture=Dense(()), scaling="standard", precision="float64").fit(digits)
    scores = PCA(3).fit_transform(StandardScaler().fit_transform(digits))
    codes = model.transform(digits)
    between = np.abs(np.corrcoef(codes.T, scores.T)[:3, 3:])
    np.testing.assert_allclose(between, np.eye(3), atol=0.02)
    np.testing.assert_allclose(codes.std(0), codes[:, 0].std(), rtol=1e-3)


@pytest.mark.parametrize("unit", [0.01, 1, 20])
def test_unscaled_rows_far_from_zero_are_centred(unit: float, digits: Any) -> None:
    far = (digits.astype(np.float64) + 50) * unit
    model = still(5, scaling=None, precision="float64").fit(far)
    pca = PCA(5).fit(far)
    linear = lost(far, pca.inverse_transform(pca.transform(far)))
    assert lost(far, model.reconstruct(far)) == pytest.approx(linear, rel=0.05)


def test_a_sigmoid_output_begins_near_the_pca(digits: Any) -> None:
    pixels = digits / 16.0
    settings: dict[str, Any] = {"scaling": None, "loss": "cross_entropy"}
    model = still(8, **settings).fit(pixels)
    drawn = still(8, init="random", **settings).fit(pixels)
    assert model.init_ == "pca"
    mean = lost(pixels, pixels.mean(0))
    assert lost(pixels, model.reconstruct(pixels)) < 0.6 * mean
    assert lost(pixels, drawn.reconstruct(pixels)) > mean


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": Dense((64,), activation="tanh")},
        {"architecture": Dense((64,), code_activation="tanh")},
        {"architecture": Dense((64,), tied=True)},
        {"architecture": Dense((9,))},  # less than twice the code
        {"architecture": Recurrent("signal")},
        {"latent": "gaussian"},
        {"latent": KSparse(2)},
        {"views": HALVES, "fusion": SharedPrivate(1)},
        {"views": HALVES, "fusion": "product_of_experts"},
        {"views": {"left": View(range(32), architecture=(64, 32)), "right": range(32, 64)}},
    ],
    ids=str,
)
def test_other_networks_begin_as_drawn(settings: dict[str, Any], digits: Any) -> None:
    model = still(5, **settings).fit(digits[:200])
    drawn = still(5, init="random", **settings).fit(digits[:200])
    assert model.init_ == "random"
    np.testing.assert_array_equal(model.transform(digits[:9]), drawn.transform(digits[:9]))
    with pytest.raises(CompositionError, match=r"init='pca' needs .* set init='auto'"):
        still(5, init="pca", **settings).fit(digits[:200])


def test_stacked_layers_begin_as_drawn_unless_asked(digits: Any) -> None:
    assert still(5, schedule=Layerwise(epochs=1)).fit(digits).init_ == "random"
    assert still(5, schedule=Layerwise(epochs=1), init="pca").fit(digits).init_ == "pca"


def test_a_start_that_is_none_is_refused(digits: Any) -> None:
    with pytest.raises(ParameterError, match="init='zeros' must be one of"):
        Autoencoder(2, init="zeros").fit(digits)


def test_a_code_no_shorter_than_the_table_is_drawn(breast_cancer: Any) -> None:
    model = still(30, corruption=GaussianNoise(0.1), architecture=Dense((64,)))
    assert model.fit(breast_cancer).init_ == "random"
    assert still(5).fit(breast_cancer[:5]).init_ == "random"


def test_a_constant_table_and_holes_are_no_obstacle(breast_cancer: Any) -> None:
    assert np.isfinite(still(2).fit(np.full((40, 5), 2.0)).reconstruct(np.ones((2, 5)))).all()
    holes = breast_cancer.copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.2] = np.nan
    model = still(2).fit(holes)
    assert model.init_ == "pca"
    assert model.score(breast_cancer) > 1.5 * still(2, init="random").fit(holes).score(
        breast_cancer
    )


def test_weights_count_as_often_as_rows_are_repeated(breast_cancer: Any) -> None:
    weight = np.random.default_rng(0).integers(0, 4, len(breast_cancer))
    settings: dict[str, Any] = {"scaling": None, "precision": "float64"}
    z = StandardScaler().fit_transform(breast_cancer)
    weighted = still(3, **settings).fit(z, sample_weight=weight)
    repeated = still(3, **settings).fit(np.repeat(z, weight, 0))
    np.testing.assert_allclose(weighted.transform(z), repeated.transform(z), atol=1e-3)


def test_sparse_rows_begin_where_dense_ones_do(digits: Any) -> None:
    settings: dict[str, Any] = {"scaling": None}
    dense = still(5, **settings).fit(digits)
    sparse = still(5, **settings).fit(scipy.sparse.csr_array(digits))
    assert sparse.init_ == "pca"
    np.testing.assert_allclose(sparse.transform(digits), dense.transform(digits), atol=1e-3)


def test_the_same_seed_begins_and_ends_at_the_same_model(digits: Any) -> None:
    one, two = (Autoencoder(4, max_epochs=2, random_state=3).fit(digits) for _ in range(2))
    np.testing.assert_array_equal(one.transform(digits), two.transform(digits))
    assert clone(one).get_params()["init"] == "auto"


def test_going_on_does_not_begin_again(digits: Any) -> None:
    model = Autoencoder(4, max_epochs=2, random_state=0, warm_start=True).fit(digits)
    before = model.score(digits)
    model.set_params(**STILL).fit(digits)
    assert model.init_ == "pca"
    assert model.score(digits) == pytest.approx(before, rel=1e-6)
    piece = Autoencoder(4, random_state=0).partial_fit(digits[:100])
    assert piece.init_ == "random"
    assert piece.partial_fit(digits[100:200]).init_ == "random"


def test_a_saved_model_says_where_it_began(digits: Any, tmp_path: Path) -> None:
    model = Autoencoder(4, max_epochs=1, random_state=0).fit(digits)
    assert model.optimizer == "auto"
    model.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model")
    assert (loaded.init_, loaded.optimizer, loaded.init) == ("pca", "auto", "auto")
    assert repr(loaded.optimizer_) == repr(model.optimizer_) == "AdamW()"


def test_auto_is_adamw_bit_for_bit_where_weights_are_drawn(digits: Any) -> None:
    settings: dict[str, Any] = {"init": "random", "max_epochs": 2, "random_state": 0}
    auto = Autoencoder(4, **settings).fit(digits)
    named = Autoencoder(4, optimizer=AdamW(), **settings).fit(digits)
    np.testing.assert_array_equal(auto.transform(digits), named.transform(digits))
    head = AutoencoderClassifier(max_epochs=1)
    assert head.optimizer == "auto"


@pytest.mark.slow
def test_the_pace_is_short_only_where_the_rate_is_left_open(digits: Any) -> None:
    X = digits[::3]

    def epochs(**settings: Any) -> int:
        model = Autoencoder(4, batch_size=len(X), random_state=0, **settings)
        return model.fit(X).n_iter_

    for settings in ({}, {"optimizer": "adamw"}, {"optimizer": AdamW(weight_decay=1.0)}):
        assert epochs(**settings) == budget.FROM_PCA.epochs
    assert epochs(optimizer=SGD()) in (0, budget.FROM_PCA.epochs)  # 0 if it does not beat the PCA
    for settings in (
        {"learning_rate": OneCycle(1e-3)},
        {"init": "random"},
        {"corruption": "masking"},
    ):
        assert epochs(**settings) == budget.FROM_RANDOM.epochs


def test_the_rate_falls_where_columns_outnumber_rows() -> None:
    assert budget.ahead(1000, 10) == budget.ahead(10, 10) == budget.AHEAD
    assert budget.ahead(25, 100) == budget.AHEAD / 2
    X = np.random.default_rng(0).normal(size=(50, 200))
    model = Autoencoder(2, max_epochs=40, random_state=0).fit(X)
    peak = max(row["learning_rate"] for row in model.history_)
    assert peak == pytest.approx(AdamW().default_rate(200) * budget.ahead(50, 200), rel=0.01)


def test_steps_take_more_rows_and_are_fewer_where_there_are_many() -> None:
    asked = (20, 600, 8191, 8192, 32_767, 32_768, 10**6)
    sizes = [budget.batch_size("auto", n, budget.FROM_PCA) for n in asked]
    assert sizes == [16, 32, 64, 128, 128, 256, 256]
    assert [budget.FROM_PCA.steps_of(size) for size in (16, 64, 128, 256, 1024)] == [
        1500,
        1500,
        1061,
        750,
        750,
    ]
    assert budget.batch_size("auto", 10_000) == 256
    assert {budget.FROM_RANDOM.steps_of(size) for size in (16, 256, 1024)} == {4000}


def test_ten_thousand_rows_are_gone_through_thirteen_times() -> None:
    epochs = budget.max_epochs("auto", 10_000, 128, AdamW(), budget.FROM_PCA)
    assert epochs == 1061 // 79 == 13


def mixed(n_rows: int = 400) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return columns of all types that follow two hidden variables, and the types."""
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, n_rows))
    noise = rng.normal(size=(6, n_rows))
    frame = pd.DataFrame(
        {
            "size": 3 * u + noise[0],
            "mass": u - v + 0.5 * noise[1],
            "ill": u + 0.5 * noise[2] > 0,
            "kind": pd.cut(v + 0.5 * noise[3], [-9, -0.5, 0.5, 9], labels=list("abc")).astype(str),
            "stage": pd.cut(u + 0.5 * noise[4], [-9, -1, 0, 1, 9], labels=[1, 2, 3, 4]).astype(int),
            "visits": rng.poisson(np.exp(1 + 0.3 * v)),
            "share": 1 / (1 + np.exp(-u - 0.3 * noise[5])),
            "hour": (12 + 3 * v) % 24,
        }
    )
    types = {"stage": "ordinal", "visits": "count", "share": "proportion", "hour": Angle(24)}
    return frame, types


def test_columns_of_all_types_begin_at_the_pca_of_what_the_network_sees() -> None:
    frame, types = mixed()
    model = still(3, types=types, precision="float64").fit(frame)
    assert model.init_ == "pca"
    fitted = model._fitted
    x, _ = to_inputs(fitted.read(frame), model.scaling_, model.layout_)
    owner = fitted.network.input_layer.owner.numpy()
    unit = np.array([x[:, owner == number].var(0).sum() ** -0.5 for number in owner])
    unit[:2] = 1  # size and mass are plain numbers
    pca = PCA(3).fit(x * unit)
    linear = pca.inverse_transform(pca.transform(x * unit)) / unit - x.mean(0)
    small = 1e-3  # where what is said is expected to first order
    middle = np.asarray(fitted.decode_to_inputs(np.zeros((1, 3))))
    ours = (fitted.decode_to_inputs(small * model.transform(frame)) - middle) / small
    for column in range(x.shape[1]):
        slope = (ours[:, column] @ linear[:, column]) / (linear[:, column] @ linear[:, column])
        assert np.corrcoef(ours[:, column], linear[:, column])[0, 1] > 0.99
        assert 0.7 < slope < 1.1  # less where a level is rare


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [3, 1])
def test_columns_of_all_types_are_not_learned_by_heart(n_components: int) -> None:
    frame, types = mixed()
    shuffled = frame.apply(lambda column: column.sample(frac=1, random_state=1).to_numpy())
    for table in (frame, shuffled):  # of unrelated columns the best code says nothing
        train, test = table[:200], table[200:]
        model = Autoencoder(n_components, types=types, random_state=0).fit(train)
        assert model.trials_
        assert -model.score(test) < 1.1 * frame.shape[1]


def test_levels_with_learned_vectors_begin_at_their_shares() -> None:
    frame, types = mixed()
    without = still(3, types=types).fit(frame)
    frame["town"] = [f"town {number % 50}" for number in range(len(frame))]
    model = still(3, types=types).fit(frame)
    assert model.init_ == without.init_ == "pca"
    assert model.score(frame) == pytest.approx(without.score(frame.iloc[:, :-1]) - 1, abs=0.02)


def test_indicators_do_not_keep_a_table_from_its_pca(digits: Any) -> None:
    X = digits.astype(np.float64)
    X[np.random.default_rng(0).random(X.shape) < 0.05] = np.nan
    told, plain = (still(5, add_indicator=told).fit(X) for told in (True, False))
    assert told.init_ == plain.init_ == "pca"
    assert told.score(X) == pytest.approx(plain.score(X), rel=1e-3)
