"""Fits to sources: the same models as from tables, for every kind that batches serve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import narrows
from lanes import few
from narrows import (
    LBFGS,
    Adversarial,
    Autoencoder,
    Count,
    Decomposition,
    GaussianNoise,
    Masking,
    ViewDropout,
    open_source,
    recipes,
)
from narrows.errors import ParameterError, SourceError
from narrows.priors import Mixture
from narrows.training import progress
from narrows.training.progress import Silent

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]
pytestmark = pytest.mark.filterwarnings("ignore::narrows.errors.MixingWarning")
MEMORY = 100_000  # bytes, so that 5,000 rows of 5 columns do not fit


@pytest.fixture
def table(table_of: Drawn) -> pa.Table:
    return table_of(5000)


@pytest.fixture
def place(folder: Writer, table: pa.Table) -> Path:
    return folder(table, 1000, 100)


def _held_out(table_of: Drawn) -> pa.Table:
    return table_of(1000, seed=1).drop_columns(["row"])


@pytest.mark.slow
def test_a_source_is_learned_as_well_as_the_table(
    place: Path, table: pa.Table, table_of: Drawn
) -> None:
    test = _held_out(table_of)
    source = open_source(place, ids=["row"], memory=MEMORY)
    streamed = Autoencoder(2, random_state=0).fit(source)
    whole = Autoencoder(2, random_state=0).fit(table.drop_columns(["row"]))
    assert streamed.score(test) > 1.03 * whole.score(test)
    assert streamed.init_ == "pca"
    assert len(streamed.trials_) == 5
    np.testing.assert_allclose(streamed.scaling_.scale, whole.scaling_.scale, rtol=1e-12)
    np.testing.assert_allclose(streamed.scaling_.center, whole.scaling_.center, atol=1e-14)
    assert streamed.score(source) == pytest.approx(
        streamed.score(table.drop_columns(["row"])), rel=1e-5
    )
    assert not [t for t in threading.enumerate() if t.name == "narrows-reader"]


def test_the_same_seed_gives_the_same_model(place: Path, table_of: Drawn, tmp_path: Path) -> None:
    test = _held_out(table_of)
    models = [
        Autoencoder(2, max_epochs=2, random_state=seed).fit(
            open_source(place, ids=["row"], memory=MEMORY)
        )
        for seed in (0, 0, 1)
    ]
    first, again, other = (model.transform(test) for model in models)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    models[0].save(tmp_path / "model")
    np.testing.assert_array_equal(narrows.load(tmp_path / "model").transform(test), first)


def test_the_survey_and_what_training_waits_for_are_shown(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, int]] = []
    surveyed: list[int] = []

    class Listening(Silent):
        def phase(self, name: str, n_epochs: int, n_rows: int) -> None:
            shown.append((name, n_rows))

        def batch(self, n_rows: int) -> None:
            if shown[-1][0] == "survey":
                surveyed.append(n_rows)

    monkeypatch.setattr(progress, "make", lambda verbose: Listening())
    source = open_source(place, ids=["row"], memory=MEMORY)
    model = Autoencoder(2, max_epochs=2, random_state=0, learning_rate=1e-3).fit(source)
    assert [name for name, _ in shown] == ["survey", "joint"]
    assert sum(surveyed) == shown[0][1] == source.n_rows
    assert all(0 <= row["waiting_seconds"] <= row["seconds"] + 1e-3 for row in model.history_)


KINDS: dict[str, Any] = {
    "basic": Autoencoder(2),
    "early stopping": Autoencoder(2, early_stopping=True),
    "denoising": Autoencoder(2, corruption=GaussianNoise(0.1) + Masking(0.1)),
    "tied": recipes.tied(2),
    "sparse": recipes.sparse(2),
    "contractive": recipes.contractive(2),
    "variational": recipes.variational(2),
    "adversarial": recipes.adversarial(2),
    "robust loss": Autoencoder(2, loss="huber"),
    "views": Autoencoder(2, views={"a": ["x0", "x1"], "b": ["x2", "x3", "x4"]}),
    "views at once": Autoencoder(
        2, views={"a": ["x0", "x1"], "b": ["x2", "x3", "x4"]}, corruption=ViewDropout(0.2)
    ),
    "layer by layer": recipes.stacked(2, architecture=(4,)),
    "layer by layer, views": Autoencoder(
        2,
        architecture=(4,),
        schedule="layerwise",
        views={"a": ["x0", "x1"], "b": ["x2", "x3", "x4"]},
    ),
    "robust scaling": Autoencoder(2, scaling="robust"),
    "no scaling": Autoencoder(2, scaling="none"),
    "float64": Autoencoder(2, precision="float64"),
}


@pytest.mark.parametrize("kind", few(KINDS, [*KINDS][::2].__contains__))
def test_every_kind_that_batches_serve_learns_from_a_source(
    kind: str, place: Path, table: pa.Table
) -> None:
    n_epochs = 12 if kind == "adversarial" else 3  # a critic needs time to be worth something
    model = KINDS[kind].set_params(max_epochs=n_epochs, random_state=0)
    rows = table.drop_columns(["row"])

    def error() -> float:
        pairs = zip(rows.columns, model.reconstruct(rows).columns, strict=True)
        return float(np.mean([np.square(x.to_numpy() - back.to_numpy()) for x, back in pairs]))

    model.fit(rows)
    whole = error()
    model.fit(open_source(place, ids=["row"], memory=MEMORY))
    assert error() < 1.25 * whole
    assert max(row["epoch"] for row in model.history_) <= n_epochs


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": LBFGS()}, r"optimizer=LBFGS.*set optimizer='adam', or fit to some"),
        ({"schedule": Decomposition()}, r"schedule=Decomposition.*set schedule='joint'"),
    ],
)
def test_what_needs_all_rows_is_refused_by_name(settings: Any, words: str, place: Path) -> None:
    with pytest.raises(ParameterError, match=words):
        Autoencoder(2, **settings).fit(open_source(place, memory=MEMORY))


def test_holes_types_weights_and_levels(folder: Writer, table: pa.Table, table_of: Drawn) -> None:
    rng = np.random.default_rng(0)
    values = np.array(table["x1"].to_numpy())
    values[rng.random(5000) < 0.2] = np.nan
    site = np.array(["north", "south", "west"])[(np.array(table["x0"]) > 0).astype(int)]
    site[:3] = "west"
    mixed = (
        table.set_column(1, "x1", pa.array(values))
        .append_column("site", pa.array(site))
        .append_column("visits", pa.array(rng.poisson(2, 5000)))
        .append_column("weight", pa.array((np.arange(5000) % 4) * 1.0))
    )
    source = open_source(folder(mixed, 1000, 100), ids=["row"], weight="weight", memory=4 * MEMORY)
    model = Autoencoder(3, types={"visits": Count()}, max_epochs=4, random_state=0).fit(source)
    described = {row["column"]: row for row in model.columns_}
    assert described["site"]["type"] == "categorical"
    assert described["visits"]["type"] == "count"
    counted = np.arange(5000) % 4 > 0
    assert described["x1"]["missing"] == pytest.approx(np.isnan(values)[counted].mean())
    assert described["site"]["missing"] == 0
    holed = mixed.drop_columns(["row", "weight"]).slice(0, 200)
    filled = model.impute(holed)
    assert filled["x1"].null_count == 0
    assert not np.isnan(filled["x1"].to_numpy()).any()
    assert set(filled["site"].to_pylist()) <= {"north", "south", "west"}


def test_rows_of_weight_0_are_as_good_as_absent(
    folder: Writer, table: pa.Table, table_of: Drawn
) -> None:
    """What stands in them takes no part, in the survey, in training, or in what is held out."""
    weight = (np.arange(5000) % 2) * 1.0
    wild = np.where(weight > 0, np.array(table["x0"]), 1e6).astype(np.float32)
    models = []
    for x0 in (np.array(table["x0"]), wild):
        rows = table.set_column(0, "x0", pa.array(x0)).append_column("w", pa.array(weight))
        source = open_source(folder(rows, 1000, 100), ids=["row"], weight="w", memory=MEMORY)
        models.append(Autoencoder(2, max_epochs=2, random_state=0).fit(source))
    test = _held_out(table_of)
    np.testing.assert_array_equal(models[0].transform(test), models[1].transform(test))


def test_partial_fit_goes_once_over_a_source(place: Path, table: pa.Table, table_of: Drawn) -> None:
    test = _held_out(table_of)
    model = Autoencoder(2, random_state=0)
    scores = []
    for _ in range(3):
        model.partial_fit(open_source(place, ids=["row"], memory=MEMORY))
        scores.append(model.score(test))
    assert scores == sorted(scores)
    assert model.n_iter_ == 3
    whole = Autoencoder(2, random_state=0)
    for _ in range(3):
        whole.partial_fit(table.drop_columns(["row"]))
    assert scores[-1] > 1.1 * whole.score(test)


def test_classes_come_from_the_source(folder: Writer, table: pa.Table) -> None:
    penalty = Adversarial(prior=Mixture(3), n_classes=3)
    labelled = table.append_column("y", pa.array(np.arange(5000) % 3))
    source = open_source(folder(labelled, 1000, 100), ids=["row"], target="y", memory=MEMORY)
    model = Autoencoder(2, penalty=penalty, max_epochs=1, random_state=0).fit(source)
    assert model.n_features_in_ == 5
    assert "critic_accuracy" in model.history_[-1]


def test_an_error_in_the_middle_leaves_the_model_and_no_thread(
    place: Path, table_of: Drawn
) -> None:
    source = open_source(place, ids=["row"], memory=MEMORY)
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(source)
    before = model.transform(_held_out(table_of))
    calls = [0]
    piece = source.piece

    def broken(number: int) -> Any:
        calls[0] += 1
        if calls[0] > 80:  # after the survey, in the first epoch
            raise SourceError("the disk is gone")
        return piece(number)

    source.piece = broken  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="the disk is gone"):
        model.fit(source)
    np.testing.assert_array_equal(model.transform(_held_out(table_of)), before)
    assert not [t for t in threading.enumerate() if t.name == "narrows-reader"]


def test_a_view_is_written_as_the_others_tell_it(
    place: Path, table: pa.Table, tmp_path: Path
) -> None:
    rows = table.drop_columns(["row"])
    views = {"a": ["x0", "x1"], "b": ["x2", "x3", "x4"]}
    model = Autoencoder(2, views=views, max_epochs=1, random_state=0).fit(rows)
    source = open_source(place, columns=["x2", "x3", "x4"], memory=MEMORY)
    model.transform_to(source, tmp_path / "out", what="translated", to="a")
    result = open_source(tmp_path / "out").sample(10_000).features
    expected = model.translate(rows.select(["x2", "x3", "x4"]), "a")
    assert result.column_names == ["x0", "x1"]
    for name in result.column_names:
        np.testing.assert_allclose(result[name].to_numpy(), expected[name].to_numpy(), atol=1e-5)
    for options in ({"what": "translated"}, {"to": "a"}, {"what": "translated", "to": "c"}):
        with pytest.raises(ParameterError):
            model.transform_to(source, tmp_path / "new", **options)


@pytest.mark.parametrize("what", ["codes", "reconstruction", "imputed", "scores"])
def test_what_is_written_is_what_the_table_gives(
    what: str, place: Path, table: pa.Table, tmp_path: Path
) -> None:
    rows = table.drop_columns(["row"])
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(rows)
    source = open_source(place, ids=["row"], memory=MEMORY)
    written = model.transform_to(source, tmp_path / "out", what=what)
    assert written.n_rows == 5000
    result = open_source(tmp_path / "out", ids=["row"]).sample(10_000)
    method = {"codes": "transform", "reconstruction": "reconstruct"}.get(what, what)
    method = {"imputed": "impute", "scores": "score_samples"}.get(method, method)
    expected = getattr(model, method)(rows)
    if isinstance(expected, pa.Table):
        expected = np.column_stack([column.to_numpy() for column in expected.columns])
    got = np.column_stack([column.to_numpy() for column in result.features.columns])
    np.testing.assert_allclose(got, expected.reshape(5000, -1), rtol=1e-5, atol=1e-6)
    assert result.ids is not None
    assert result.ids["row"].to_pylist() == list(range(5000))
