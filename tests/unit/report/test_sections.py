"""Sections: what a report says of a model and rows is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

import narrows
from narrows import AnomalyDetector, Autoencoder, Convolutional, Recurrent
from narrows.errors import DataError, ParameterError, SourceError
from narrows.report import comparison as comparing
from narrows.report import overview, training
from narrows.report.codes import silent

Made = Callable[..., tuple[str, dict[str, Any]]]


def verdict(data: dict[str, Any]) -> dict[str, str]:
    return data["overview"]["verdicts"][0]


def test_the_variance_kept_is_that_of_the_model(made: Made, fitted: Any, table: Any) -> None:
    _, data = made(train=table[:160])
    own = fitted.explained_variance(table[160:], train=table[:160])
    total = next(r for r in own if (r["view"], r["component"]) == ("all", "total"))
    assert data["explained"]["total"] == pytest.approx(total["explained"], rel=1e-5)
    assert data["explained"]["pca"] == pytest.approx(total["pca"], rel=1e-5)


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_a_model_that_is_not_better_than_pca_is_said_to_be_not(made: Made, load: Any) -> None:
    train, test = train_test_split(load().data, random_state=0)
    settings: dict[str, Any] = {"max_epochs": 1, "scaling": "minmax", "init": "random"}
    model = Autoencoder(4, random_state=0, **settings).fit(train)
    page, data = made(model, test, train=train)
    assert "not better than PCA" in verdict(data)["text"]
    assert verdict(data)["state"] == "worse"
    assert "not better than PCA" in page


def test_a_model_that_follows_a_curve_is_said_to_be_better_than_pca(made: Made) -> None:
    angle = np.random.default_rng(0).uniform(0, 5, 600)
    X = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
    model = Autoencoder(1, max_epochs=60, random_state=0).fit(X[:400])
    _, data = made(model, X[400:], train=X[:400])
    assert verdict(data)["state"] == "better"


def test_a_linear_autoencoder_is_said_to_be_no_better_than_pca(made: Made, table: Any) -> None:
    X = table.to_numpy()
    model = Autoencoder(2, architecture=(), optimizer="lbfgs", random_state=0).fit(X[:160])
    _, data = made(model, X[160:], train=X[:160])
    assert verdict(data)["state"] in ("equal", "worse")
    z = (X - X[:160].mean(0)) / X[:160].std(0)
    pca = PCA(2).fit(z[:160])
    lost = ((z[160:] - pca.inverse_transform(pca.transform(z[160:]))) ** 2).sum()
    kept = 1 - lost / ((z[160:] - z[160:].mean(0)) ** 2).sum()
    assert data["explained"]["pca"] == pytest.approx(kept, rel=1e-4)


def test_rows_of_fit_get_no_verdict_but_are_told_what_to_give(
    made: Made, fitted: Any, table: Any
) -> None:
    page, data = made(X=table[:160])
    assert verdict(data)["state"] == "unknown"
    assert "train=X_train" in data["explained"]["needs"]
    assert "All figures are of training rows" in page


def test_rows_that_are_all_among_those_of_fit_are_noticed(made: Made, table: Any) -> None:
    _, data = made(X=table[20:60], train=table[:160])
    assert data["explained"]["needs"]


def test_rows_that_are_partly_among_those_of_fit_are_counted(made: Made, table: Any) -> None:
    _, data = made(X=table[40:180], train=table[:160])
    leak = next(a for a in data["overview"]["alerts"] if "seen in training" in a["text"])
    assert leak["level"] == "problem"
    assert "120 of 140 rows were seen in training" in leak["text"]
    assert data["explained"]["held_out"] is False
    assert data["explained"]["difference"]["parts"] == 10


def test_a_frame_with_numbers_for_names_and_32_bits_is_taken(made: Made, table: Any) -> None:
    X = pd.DataFrame(table.to_numpy(np.float32))
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X[:160])
    _, data = made(model, X[160:], train=X[:160], y=pl.Series(range(80)))
    assert data["data"]["columns"][0]["column"] == "x0"
    assert data["code"]["classes"]["kind"] == "number"


def test_a_single_row_has_a_page_that_says_what_it_cannot(made: Made, table: Any) -> None:
    _, data = made(X=table[160:161])
    assert "at least two rows" in data["explained"]["needs"]


def test_a_loaded_model_knows_what_it_was_fitted_to_unless_its_file_is_old(
    made: Made, fitted: Any, table: Any, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    model = narrows.load(tmp_path / "model")
    _, data = made(model)
    assert not any("fit" in alert["text"] for alert in data["overview"]["alerts"])
    model._fitted = replace(model._fitted, fingerprint=None)  # as in files of the first version
    _, data = made(model)
    assert any("nobody can tell" in alert["text"] for alert in data["overview"]["alerts"])
    _, data = made(model, train=table[:160])
    assert not any("nobody can tell" in alert["text"] for alert in data["overview"]["alerts"])


def test_a_planted_row_is_the_strangest_and_its_column_the_reason(made: Made, table: Any) -> None:
    X = table[160:].reset_index(drop=True)
    X.loc[17, "column 3"] += 25
    _, data = made(X=X, ids=[f"patient {i}" for i in range(len(X))])
    worst = data["anomalies"]["rows"][0]
    assert (worst["row"], worst["name"]) == (17, "patient 17")
    assert worst["reasons"][0]["column"] == "column 3"
    assert worst["views"][0] > worst["views"][1]
    assert data["gallery"]["groups"][2]["rows"][0]["row"] == 17
    assert data["gallery"]["groups"][2]["rows"][0]["columns"][0]["marked"]


def test_best_median_and_worst_are_those_of_the_scores(made: Made, fitted: Any, table: Any) -> None:
    _, data = made()
    order = np.argsort(-fitted.score_samples(table[160:]))
    groups = [[row["row"] for row in group["rows"]] for group in data["gallery"]["groups"]]
    assert groups == [order[:3].tolist(), order[38:41].tolist(), order[::-1][:3].tolist()]


def test_a_traversal_decodes_the_codes_it_names(made: Made, fitted: Any, table: Any) -> None:
    _, data = made()
    codes = fitted.transform(table[160:])
    walk = data["traversal"]["components"][0]
    component = walk["component"]
    walked = np.tile(np.median(codes, axis=0), (11, 1))
    walked[:, component] = walk["values"]
    rows = fitted.inverse_transform(walked)
    names = list(table.columns)
    for column in walk["columns"]:
        place = names.index(column["column"])
        mean, deviation = (getattr(table[160:][column["column"]], f)() for f in ("mean", "std"))
        assert np.allclose(
            column["places"],
            (rows[:, place] - mean) / (deviation * np.sqrt(79 / 80)),
            rtol=1e-3,
            atol=1e-3,
        )


def test_a_sample_is_said_to_be_one(made: Made, fitted: Any, table: Any) -> None:
    X = pd.concat([table] * 60, ignore_index=True)
    page, data = made(X=X)
    assert data["data"]["n_rows"] == 14_400
    assert data["data"]["n_examined"] == 10_000
    assert data["code"]["n_shown"] == len(data["code"]["rows"]) == 5_000
    assert "5,000 of 14,400, a random sample" in page
    assert "random sample of 10,000 rows" in page


def test_the_same_rows_make_the_same_page(made: Made, table: Any) -> None:
    first, again = (made(train=table[:160])[1] for _ in range(2))
    for data in (first, again):
        del data["reproduction"]["made"]
    assert first == again


def test_the_model_is_left_as_it_was(made: Made, fitted: Any, table: Any) -> None:
    before = {name: value.clone() for name, value in fitted.network_.state_dict().items()}
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that it is not touched
    made(train=table[:160])
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert all(
        (fitted.network_.state_dict()[name] == value).all() for name, value in before.items()
    )


def test_missing_cells_are_mapped_and_alerted(made: Made, table: Any) -> None:
    X = table.mask(np.random.default_rng(1).uniform(size=table.shape) < 0.05)
    X.iloc[160:220, 2] = np.nan
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(X[:160])
    page, data = made(model, X[160:])
    missing = data["data"]["map"]
    column = missing["columns"].index("column 2")
    assert [row[column] for row in missing["shares"]][:60] == [100] * 60
    assert data["data"]["missing"] == pytest.approx(X[160:].isna().to_numpy().mean(), rel=1e-5)
    assert any("column 2" in alert["text"] for alert in data["overview"]["alerts"])
    assert "missing-map" in page


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_all_types_are_shown_by_their_levels(made: Made, library: str) -> None:
    generator = np.random.default_rng(0)
    kind = generator.choice(["red", "green", "blue"], 120)
    frame = pd.DataFrame(
        {
            "size": generator.normal(size=120) + (kind == "red"),
            "colour": pd.Categorical(kind),
            "smoker": generator.uniform(size=120) < 0.3,
        }
    )
    table: Any = frame if library == "pandas" else pl.from_pandas(frame)
    table = table.to_arrow() if library == "pyarrow" else table
    part = (
        (lambda a, b: table.slice(a, b - a)) if library != "pandas" else (lambda a, b: table[a:b])
    )
    model = Autoencoder(2, max_epochs=5, random_state=0).fit(part(0, 80))
    _, data = made(model, part(80, 120), y=kind[80:], train=part(0, 80))
    columns = {column["column"]: column for column in data["data"]["columns"]}
    assert columns["colour"]["type"] == "categorical"
    assert "red" in columns["colour"]["text"]
    shown = data["code"]["columns"]
    assert set(shown[1]["levels"]) == {"red", "green", "blue"}
    places = [row[1] for row in data["code"]["cells"]]
    assert [shown[1]["levels"][int(place)] for place in places] == kind[80:].tolist()


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array, np.ndarray.tolist])
def test_arrays_without_names_are_taken_too(made: Made, table: Any, convert: Any) -> None:
    X = np.round(table.to_numpy(), 1)
    model = Autoencoder(1, max_epochs=2, random_state=0).fit(X[:160])
    _, data = made(model, convert(X[160:]), train=convert(X[:160]))
    assert [column["column"] for column in data["data"]["columns"]] == [f"x{i}" for i in range(8)]
    assert data["code"]["axes"] == [0, None]


def test_images_are_shown_as_the_architecture_lays_them_out(made: Made) -> None:
    X = load_digits().data
    architecture = Convolutional((8, 8), channels=(4,))
    model = Autoencoder(2, architecture=architecture, max_epochs=1, random_state=0).fit(X[:300])
    _, data = made(model, X[300:420])
    assert data["gallery"]["kind"] == data["traversal"]["kind"] == "image"
    best = data["gallery"]["groups"][0]["rows"][0]
    np.testing.assert_array_equal(np.ravel(best["measured"]), X[300 + best["row"]])


def test_images_need_not_be_flat(made: Made) -> None:
    X = load_digits().images[:420]
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X[:300])
    _, data = made(model, X[300:], train=X[:300])
    assert data["gallery"]["kind"] == data["traversal"]["kind"] == "image"
    best = data["gallery"]["groups"][0]["rows"][0]
    np.testing.assert_array_equal(np.ravel(best["measured"]), X[300 + best["row"]].ravel())


def test_channels_and_steps_of_sequences_are_told_apart(made: Made) -> None:
    X = np.random.default_rng(0).normal(size=(60, 12))
    architecture = Recurrent((6, 2), hidden=(4,))
    model = Autoencoder(2, architecture=architecture, max_epochs=1, random_state=0).fit(X[:40])
    _, data = made(model, X[40:])
    best = data["gallery"]["groups"][0]["rows"][0]
    expected = X[40 + best["row"]].reshape(6, 2).T
    np.testing.assert_allclose(best["measured"], expected, rtol=1e-5)
    _, again = made(model, X[40:], input_shape=(6, 2))
    assert again["gallery"]["groups"][0]["rows"][0] == best


def test_a_component_that_never_moves_is_silent() -> None:
    assert silent(np.column_stack([np.arange(50.0), np.full(50, 3.0)])) == [1]


def test_training_that_still_falls_is_alerted_and_one_at_rest_is_not() -> None:
    falling = [{"phase": "joint", "objective": 100 - i} for i in range(50)]
    at_rest = [{"phase": "joint", "objective": 1 + 0.5**i} for i in range(50)]
    assert training.still_falling(falling) == pytest.approx(5 / 56)
    assert training.still_falling(at_rest) is None
    assert training.still_falling(falling[:1]) is None


def test_phases_and_named_parts_are_kept(made: Made, table: Any) -> None:
    model = Autoencoder(
        2,
        architecture=(6,),
        schedule=narrows.Layerwise(),
        penalty=narrows.WeightDecay(1e-3),
        max_epochs=3,
        early_stopping=True,
        random_state=0,
    ).fit(table[:160])
    _, data = made(model)
    found = data["training"]
    assert len(found["phases"]) > 1
    assert found["phases"][-1]["last"] == found["n_epochs"] == len(model.history_)
    names = [part["name"] for part in found["parts"]]
    assert names == ["objective", "loss", "weight_decay", "learning rate"]
    assert found["parts"][0]["valid"][-1] == pytest.approx(
        model.history_[-1]["valid_objective"], rel=1e-5
    )


def test_a_verdict_without_enough_rows_does_not_speak_of_chance() -> None:
    few = {"needs": None, "held_out": True, "total": 0.5, "pca": 0.6, "difference": None}
    found = overview.beside_pca(few, 2)
    assert found["state"] == "worse"
    assert "too few rows" in found["text"]


@pytest.mark.parametrize(
    ("low", "high", "state"), [(0.01, 0.05, "better"), (-0.05, -0.01, "worse"), (-1, 1, "equal")]
)
def test_a_verdict_follows_the_interval(low: float, high: float, state: str) -> None:
    difference = {"mean": (low + high) / 2, "low": low, "high": high, "parts": 10}
    found = overview.beside_pca(
        {"needs": None, "held_out": True, "total": 0.5, "pca": 0.5, "difference": difference}, 1
    )
    assert found["state"] == state
    assert ("not better" in found["text"]) == (state != "better")


@pytest.mark.parametrize(("p", "side"), [(0.01, "better"), (0.3, "equal"), (None, "equal")])
def test_a_comparison_counts_only_what_is_beyond_chance(
    p: float, side: str, made: Made, comparison: Any
) -> None:
    found = comparison(p=p)
    said = comparing.described(comparing.given(found))["verdicts"][0]
    assert said[side] == ["autoencoder (2)"]
    page, data = made(comparison=found)
    text = data["overview"]["verdicts"][1]["text"]
    assert ("better than pca: autoencoder (2)" in text) == (side == "better")
    assert ("nothing is better than pca" in text) == (side != "better")
    assert "out of &lt;memory&gt;" in page


def test_a_comparison_may_be_an_object_or_a_file(
    made: Made, comparison: Any, tmp_path: Path
) -> None:
    class Comparison:
        def to_dict(self) -> dict[str, Any]:
            return comparison()

    (tmp_path / "c.json").write_text(json.dumps(comparison()), encoding="utf-8")
    by_object, by_file = (
        made(comparison=given)[1]["comparison"] for given in (Comparison(), tmp_path / "c.json")
    )
    assert by_object == by_file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is no comparison"),
        ({"version": 2}, "has version 2 but this narrows reads 1"),
        ({"summary": ...}, "lacks summary"),
    ],
)
def test_what_is_no_comparison_is_refused(
    made: Made, comparison: Any, change: Any, message: str
) -> None:
    found = {k: v for k, v in {**comparison(), **change}.items() if v is not ...}
    with pytest.raises(ParameterError, match=message):
        made(comparison=found)


def test_a_comparison_that_cannot_be_read_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"absent\.json'.* cannot be read"):
        made(comparison=tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"y": [1, 2]}, DataError, "y has 2 values for 80 rows"),
        ({"ids": ["a"]}, DataError, "ids has 1 values for 80 rows"),
        ({"input_shape": (3, 3)}, ParameterError, r"input_shape=\(3, 3\) .* of 8 columns"),
        ({"input_shape": (2, 2, 1, 2)}, ParameterError, "does not fill rows"),
        ({"input_shape": 8}, ParameterError, "input_shape=8"),
    ],
)
def test_what_does_not_fit_is_refused(made: Made, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        made(**options)


def test_a_path_that_is_no_page_or_cannot_be_written_is_refused_first(
    fitted: Any, table: Any, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=r"must end in \.html"):
        fitted.report(tmp_path / "report.json", table[160:])
    with pytest.raises(SourceError, match="there is no folder"):
        fitted.report(tmp_path / "nowhere" / "report.html", table[160:])


def test_a_disk_that_fills_leaves_the_old_page(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, _ = made()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SourceError, match="No space left"):
        made(title="new")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_how_to_get_the_same_again_is_told(made: Made, fitted: Any, table: Any) -> None:
    _, data = made(y=np.arange(80) % 3, train=table[:160])
    found = data["reproduction"]
    assert found["call"].endswith("X, y=y, train=train)")
    again = eval(found["model"], {"Autoencoder": Autoencoder})
    assert again.get_params() == fitted.get_params()
    assert found["versions"]["narrows"] == narrows.__version__
    assert found["seed"] == "0"


def test_a_detector_ranks_rows_by_its_own_strangeness(made: Made, fitted: Any, table: Any) -> None:
    detector = AnomalyDetector(FrozenEstimator(fitted), contamination=0.02).fit(table[:160])
    X = table[160:].reset_index(drop=True)
    X.loc[17, "column 3"] += 25
    page, data = made(detector, X=X, train=table[:160])
    strange, scores = data["anomalies"], detector.score_samples(X)
    assert [row["row"] for row in strange["rows"]] == np.argsort(scores)[:20].tolist()
    assert strange["rows"][0]["row"] == 17
    assert strange["rows"][0]["strangeness"] == pytest.approx(-scores[17], rel=1e-4)
    assert strange["rows"][0]["reasons"][0]["column"] == "column 3"
    assert strange["threshold"] == pytest.approx(-detector.offset_, rel=1e-4)
    assert strange["n_anomalies"] == (detector.predict(X) == -1).sum() > 0
    assert strange["histogram"]["train_median"] > 0
    assert "Rows of greatest strangeness" in page
    assert f"{strange['n_anomalies']} of the 80 rows are anomalies" in page
    order = np.argsort(-fitted.score_samples(X))  # reconstructions stay ordered by their error
    assert data["gallery"]["groups"][2]["rows"][0]["row"] == order[-1]


def birds(n_rows: int = 200) -> pd.DataFrame:
    """Rows of all types, some cells missing, that have names and years."""
    rng = np.random.default_rng(0)
    species = rng.choice(["Adelie", "Gentoo"], n_rows)
    male = rng.random(n_rows) < 0.5
    size = np.where(species == "Gentoo", 3.0, 0.0) + male
    found = pd.DataFrame(
        {
            "species": species,
            "sex": np.where(male, "male", "female"),
            "mass": (3500 + 500 * size + 200 * rng.normal(size=n_rows)).round(),
            "bill": 40 + 3 * size + rng.normal(size=n_rows),
            "year": rng.choice([2007, 2008, 2009], n_rows),
        },
        index=[f"N{number}" for number in range(n_rows)],
    )
    found.loc[rng.random(n_rows) < 0.1, "sex"] = None
    return found


def reasons(data: dict[str, Any]) -> list[dict[str, Any]]:
    cards = [row for group in data["gallery"]["groups"] for row in group["rows"]]
    listed = [cell for row in cards for cell in row["columns"]]
    return listed + [reason for row in data["anomalies"]["rows"] for reason in row["reasons"]]


def test_a_level_is_never_said_to_stand_instead_of_itself(made: Made) -> None:
    frame = birds()
    model = Autoencoder(2, max_epochs=5, random_state=0).fit(frame[:150])
    page, data = made(model, frame[150:], train=frame[:150])
    same = [r for r in reasons(data) if r["measured"] == r["expected"] and r["off"] is None]
    assert same
    assert all(reason["unsure"] and not reason["marked"] for reason in same)
    for level in ("Adelie", "Gentoo", "male", "female"):
        shown = f'<bdi>{level}</bdi></span> instead of <span class="expected"><bdi>{level}<'
        assert shown not in page


def test_what_was_not_measured_neither_deviates_nor_is_a_reason(made: Made) -> None:
    frame = birds()
    model = Autoencoder(2, max_epochs=5, random_state=0).fit(frame[:150])
    _, data = made(model, frame[150:])
    assert any(cell["missing"] > 0 for cell in data["data"]["columns"])
    assert not any("missing" in (r["measured"], r["expected"]) for r in reasons(data))
    for group in data["gallery"]["groups"]:
        for row in group["rows"]:
            if len(row["columns"]) == len(frame.columns):
                assert row["n_marked"] == sum(cell["marked"] for cell in row["columns"])


def test_rows_are_called_what_the_index_calls_them_and_y_by_its_name(made: Made) -> None:
    frame = birds()
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(frame[:150])
    page, data = made(model, frame[150:], y=frame["species"][150:])
    assert data["anomalies"]["rows"][0]["name"].startswith("N")
    assert data["code"]["classes"]["label"] == "species"
    assert '<th scope="col"><bdi>species</bdi></th>' in page
    _, told = made(model, frame[150:], ids=range(50), y=frame["species"][150:].to_numpy())
    assert told["anomalies"]["rows"][0]["name"].isdigit()
    assert told["code"]["classes"]["label"] == "class"
    _, numbered = made(model, frame[150:].reset_index(drop=True))
    assert numbered["code"]["names"] is None


def test_years_have_no_separators(made: Made) -> None:
    frame = birds()
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(frame[:150])
    page, data = made(model, frame[150:])
    year = next(c for c in data["data"]["columns"] if c["column"] == "year")
    assert year["text"].startswith("2007 to 2009")
    assert "2,007" not in page


def test_components_come_in_order_by_the_names_that_transform_gives_them(made: Made) -> None:
    frame = birds()
    model = Autoencoder(3, max_epochs=5, random_state=0).fit(frame[:150])
    model.set_output(transform="pandas")
    names = list(model.transform(frame).columns)
    page, data = made(model, frame[150:], train=frame[:150])
    assert data["code"]["component_names"] == names
    assert data["code"]["components"] == data["explained"]["components"] == [0, 1, 2]
    for section in ("importance", "traversal"):
        assert [c["component"] for c in data[section]["components"]] == [0, 1, 2]
    assert all(page.count(name) >= 3 for name in names)
    codes = np.asarray(data["code"]["codes"])
    two = sorted(np.argsort(-codes.std(0))[:2].tolist())
    assert data["code"]["axes"] == two


def test_the_verdict_is_a_plain_sentence(made: Made, table: Any) -> None:
    _, data = made(train=table[:160])
    kept, linear = data["explained"]["total"], data["explained"]["pca"]
    wanted = f"2 components keep {kept:.1%} of the variance of new rows; a PCA of equal size "
    assert verdict(data)["text"].startswith(f"{wanted}{linear:.1%}")


def test_the_gain_over_pca_is_that_of_the_variance_kept(fitted: Any, table: Any) -> None:
    from narrows.inference.explanation import gains_over_pca

    parts = [table[160:200], table[200:]]
    gains = gains_over_pca(fitted._fitted, parts, table[:160])
    for part, gain in zip(parts, gains, strict=True):
        own = fitted.explained_variance(part, train=table[:160])
        total = next(r for r in own if (r["view"], r["component"]) == ("all", "total"))
        assert gain == pytest.approx(total["explained"] - total["pca"], rel=1e-6)


def test_columns_beyond_those_listed_are_looked_at_too(made: Made) -> None:
    X = np.random.default_rng(0).normal(size=(60, 500))
    X[:, 450] = 3.0
    X[:40, 460] = np.nan
    frame = pd.DataFrame(X, columns=[f"gene{number}" for number in range(500)])
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(frame)
    page, data = made(model, frame)
    assert len(data["data"]["columns"]) == 400
    said = " ".join(alert["text"] for alert in data["overview"]["alerts"])
    assert "1 column is constant here: gene450" in said
    assert "1 column lacks more than 20% of its cells: gene460" in said
    assert "the first 400 of 500" in page
    assert any(name == "gene499" or int(name[4:]) >= 400 for name in data["code"]["why_names"])
