"""A cell that was not measured is never taken for one that was: not by noise, fills or scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.frozen import FrozenEstimator

import narrows
from narrows import AnomalyDetector, Autoencoder, Contraction, Count, Dense, Loss, Recurrent
from narrows.core.spec import Spec
from narrows.corruptions import Corruption, SaltAndPepper, Swap, ViewDropout
from narrows.data.scaling import SCALINGS
from narrows.data.table import DenseTable
from narrows.errors import DataError, MissingWarning
from narrows.network.composition import AUTO

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(50, 5, (300, 6)) * [1, 1, 1, 1, 1, 0.2]
HOLES = np.where(GENERATOR.random(X.shape) < 0.2, np.nan, X)
FILLED = np.where(np.isnan(HOLES), np.nanmean(HOLES, 0), HOLES)
VIEWS = {"a": range(3), "b": range(3, 6)}
ONE_LAYER = Dense((8,), activation="tanh")


def corruptions() -> list[Corruption]:
    named = [part() for name, part in Spec.members("corruption").items() if name != "sum"]
    return [*named, AUTO]  # type: ignore[list-item]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_hole_is_encoded_as_the_mean_of_its_column(
    scaling: str, weighted: bool, tmp_path: Path
) -> None:
    weight = GENERATOR.random(len(X)) + 0.1 if weighted else None
    model = Autoencoder(2, scaling=scaling, max_epochs=3, random_state=0)
    model.fit(HOLES, sample_weight=weight)
    filled = FILLED
    if weighted:
        mean = np.nansum(HOLES * weight[:, None], 0) / ((~np.isnan(HOLES)).T @ weight)
        filled = np.where(np.isnan(HOLES), mean, HOLES)
    np.testing.assert_allclose(model.transform(HOLES), model.transform(filled), atol=1e-9)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert np.array_equal(again.transform(HOLES), model.transform(HOLES))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_holes_that_were_not_there_in_fit_are_means_too(scaling: str) -> None:
    model = Autoencoder(2, scaling=scaling, max_epochs=3, random_state=0).fit(X)
    rows = HOLES[:50]
    filled = np.where(np.isnan(rows), X.mean(0), rows)
    np.testing.assert_allclose(model.transform(rows), model.transform(filled), atol=1e-9)


def test_views_hidden_in_a_sparse_table_are_means() -> None:
    rows = sparse.csr_array(np.where(GENERATOR.random(X.shape) < 0.5, 0.0, X))
    model = Autoencoder(2, scaling="minmax", views=VIEWS, max_epochs=2, random_state=0).fit(rows)
    scale = np.abs(rows.toarray()).max(0)
    np.testing.assert_allclose(model.scaling_.fill, rows.toarray().mean(0) / scale, rtol=1e-6)


def test_a_recurrent_encoder_sees_the_mean_in_a_hole_within_a_sequence() -> None:
    rows = HOLES.copy()
    rows[:, -1] = X[:, -1]  # every sequence has its last step, so all holes are within
    signal = Recurrent("signal", hidden=(4,))
    model = Autoencoder(2, architecture=signal, scaling="minmax", max_epochs=1)
    model.set_params(random_state=0).fit(rows)
    filled = np.where(np.isnan(rows), np.nanmean(rows, 0), rows)
    np.testing.assert_allclose(model.transform(rows), model.transform(filled), atol=1e-7)


@pytest.mark.parametrize("corruption", corruptions(), ids=repr)
def test_a_corruption_leaves_cells_that_were_not_measured(corruption: Corruption) -> None:
    x, observed = torch.tensor(FILLED), ~torch.tensor(HOLES).isnan()
    table = DenseTable(x, observed=observed, views=list(VIEWS.values()))
    generator = torch.Generator().manual_seed(0)
    changed = torch.zeros_like(observed)
    for _ in range(5):
        corrupted = corruption.of_measured(x, observed, table, generator)
        assert torch.equal(corrupted[~observed], x[~observed])
        changed |= corrupted != x
        assert corruption.masks_cells or not corrupted.isnan().any()
    assert changed.any()
    assert x.equal(torch.tensor(FILLED))


def test_a_corruption_puts_no_fill_into_measured_cells() -> None:
    x, observed = (
        torch.full((400, 2), 99.0),
        torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) < 0.8,
    )
    x[observed] = 5 + torch.arange(int(observed.sum())) / 1000
    table = DenseTable(x, observed=observed)
    for corruption in (Swap(0.9), SaltAndPepper(0.9), Swap(0.5) + SaltAndPepper(0.5)):
        corrupted = corruption.of_measured(x, observed, table, torch.Generator().manual_seed(1))
        assert (corrupted[observed] < 99).all()
        assert (corrupted[observed] >= 5).all()
    assert table.low.min() >= 5
    assert table.high.max() < 99


def test_a_view_that_is_not_there_is_not_the_one_that_stays() -> None:
    x = torch.ones(500, 6)
    observed = torch.ones(500, 6, dtype=torch.bool)
    observed[:, 3:] = False
    table = DenseTable(x, observed=observed, views=list(VIEWS.values()))
    generator = torch.Generator().manual_seed(0)
    assert not ViewDropout(0.9).of_measured(x, observed, table, generator).isnan().any()


def test_a_corruption_of_ones_own_cannot_change_a_hole() -> None:
    class Doubling(Corruption):
        def corrupt(self, x: Any, columns: Any, generator: Any) -> Any:
            return 2 * x.nan_to_num(7.0)

    x, observed = torch.tensor(FILLED), ~torch.tensor(HOLES).isnan()
    doubled = Doubling().of_measured(x, observed, DenseTable(x, observed=observed), None)  # type: ignore[arg-type]
    assert torch.equal(doubled, torch.where(observed, 2 * x, x))


def test_contraction_sees_indicators_as_the_encoder_does(monkeypatch: pytest.MonkeyPatch) -> None:
    table = load_breast_cancer().data[:120].copy()
    table[GENERATOR.random(table.shape) < 0.2] = np.nan
    model = Autoencoder(3, architecture=ONE_LAYER, add_indicator=True, max_epochs=1, random_state=0)
    network = model.set_params(precision="float64").fit(table).network_
    x = torch.tensor(model.scaling_.encode(table, np.float64))
    forward = network(x.nan_to_num(0.0), observed=~x.isnan(), training=False)
    closed_form = Contraction(estimator="exact")(forward)
    monkeypatch.setattr(type(network), "local_jacobian", lambda *rows: None)
    torch.testing.assert_close(closed_form, Contraction(estimator="exact")(forward))


def test_the_smallest_value_of_a_column_is_a_measured_one() -> None:
    x = torch.tensor([[0.0, 0.0, 1.0], [6.0, 0.0, 2.0]])
    observed = torch.tensor([[False, False, True], [True, False, True]])
    table = DenseTable(x, observed=observed)
    assert table.low.tolist() == [6.0, 0.0, 1.0]
    assert table.high.tolist() == [6.0, 0.0, 2.0]


NOTHING = np.vstack([X[:5], np.full((1, 6), np.nan), X[5:9]])


@pytest.mark.parametrize("details", [False, True])
def test_a_row_without_any_measured_cell_has_no_score(details: bool) -> None:
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    with pytest.warns(MissingWarning, match=r"1 of 10 rows have no measured cell.*row 5"):
        scores = model.score_samples(NOTHING, details=details)
    scores = scores.scores if details else scores
    assert np.flatnonzero(np.isnan(scores)).tolist() == [5]
    with pytest.warns(MissingWarning):
        assert model.score(NOTHING) == pytest.approx(np.nanmean(scores))
    with pytest.warns(MissingWarning):
        assert np.isnan(model.score(NOTHING[5:6]))
    assert np.isfinite(model.transform(NOTHING)).all()


@pytest.mark.filterwarnings("ignore::narrows.errors.MissingWarning")
@pytest.mark.parametrize(
    "settings",
    [
        *({"loss": name, "scaling": "minmax"} for name in sorted(Loss._register["loss"])),
        {"types": dict(enumerate(("categorical", "binary", "count", "angle", "ordinal")))},
        {"types": {0: Count("negative_binomial")}, "add_indicator": True},
        {"views": {"a": [0, 1], "b": [2, 3, 4, 5]}, "fusion": "product_of_experts"},
    ],
    ids=str,
)
def test_no_loss_scores_a_row_without_any_measured_cell(settings: dict[str, Any]) -> None:
    """Its loss is 0, so a score that is below 0 is that of a row with something in it."""
    counts = np.random.default_rng(0).integers(0, 2, size=(40, 6)).astype(float)
    rows = np.vstack([counts[:4], np.full((1, 6), np.nan), counts[4:6]])
    latent = {"latent": "gaussian"} if "fusion" in settings else {}
    model = Autoencoder(2, max_epochs=1, random_state=0, **settings, **latent).fit(counts)
    scores = model.score_samples(rows)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [4]


@pytest.mark.filterwarnings("ignore::narrows.errors.MissingWarning")
def test_what_is_unknown_is_not_normal() -> None:
    detector = AnomalyDetector(Autoencoder(2, max_epochs=2), contamination=0.1, random_state=0)
    plain = detector.fit(X).offset_
    assert detector.predict(NOTHING)[5] == -1
    assert np.isnan(detector.decision_function(NOTHING)[5])
    frozen = AnomalyDetector(FrozenEstimator(detector.autoencoder_), contamination=0.1)
    assert frozen.fit(np.vstack([X, np.full((200, 6), np.nan)])).offset_ == pytest.approx(plain)
    with pytest.raises(DataError, match="no row with a measured cell"):
        frozen.fit(np.full((4, 6), np.nan))


@pytest.mark.filterwarnings("ignore::narrows.errors.MissingWarning")
def test_a_report_leaves_out_rows_without_a_score(tmp_path: Path) -> None:
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    model.report(tmp_path / "report.html", NOTHING, train=X)
    rows = json.loads((tmp_path / "report.json").read_text())["anomalies"]["rows"]
    assert len(rows) == 9
    with pytest.raises(DataError, match="nothing to report"):
        model.report(tmp_path / "none.html", NOTHING[5:6])
