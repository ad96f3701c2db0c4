"""``scaling="auto"``: which columns share a scale, which are bounded, and that it is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from narrows import Autoencoder, Convolutional, Recurrent, View, load
from narrows.data.automatic_scaling import FARTHEST, Unit, in_words
from narrows.data.scaling import Scaling


def pixels(n_rows: int = 200, n_columns: int = 20, top: float = 255.0) -> Any:
    rng = np.random.default_rng(0)
    X = np.rint(rng.uniform(0, top, (n_rows, n_columns)) * rng.uniform(0.2, 1, n_columns))
    X[0], X[1, : int(0.7 * n_columns)] = 0, top
    X[:, 0] = 0  # as a corner of pictures
    X[3, 1] = 3
    X[4:, 1] = 0
    X[1, 1] = 0
    return X


@pytest.mark.parametrize("kind", [np.array, np.float32, sparse.csr_array])
def test_columns_of_the_same_bounds_share_one_scale(kind: Any) -> None:
    X = pixels()
    scaling = Scaling.fit("auto", kind(X))
    assert set(scaling.rules) == {"common"}
    assert scaling.scale is not None
    assert scaling.scale == pytest.approx(np.sqrt(X[:, 1:].var(0).mean()), rel=1e-6)
    np.testing.assert_allclose(scaling.center, X.mean(0), rtol=1e-5)


def test_pictures_upside_down_share_one_scale_too() -> None:
    assert set(Scaling.fit("auto", 255 - pixels()).rules) == {"common"}


def test_columns_of_several_units_keep_their_own(breast_cancer: Any) -> None:
    scaling = Scaling.fit("auto", breast_cancer)
    standard = Scaling.fit("standard", breast_cancer)
    assert set(scaling.rules) == {"standard"}
    np.testing.assert_array_equal(scaling.scale, standard.scale)


def test_few_columns_of_the_same_bounds_may_be_so_by_chance() -> None:
    assert set(Scaling.fit("auto", pixels()[:, 10:13]).rules) == {"standard"}


def test_a_column_that_hardly_varies_is_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    X[:, 1] = 7.0
    X[5, 1] = 8.0
    X[5, 2] = 500.0  # a gross value of a column that varies: its own standard deviation stays
    scaling = Scaling.fit("auto", X)
    assert scaling.rules == ("standard", "bounded", "standard")
    scaled = scaling.encode(X, np.float64)
    assert np.abs(scaled[:, 1]).max() == pytest.approx(FARTHEST)
    assert np.abs(scaled[:, 2]).max() > 20


def test_missing_cells_and_empty_columns_have_no_say() -> None:
    X = pixels()
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    X[:, 4] = np.nan
    X[0, 5:], X[1, 5:15] = 0, 255
    scaling = Scaling.fit("auto", X)
    assert set(scaling.rules) == {"common"}
    assert np.isfinite(scaling.scale).all()


def test_weights_enter_as_repetitions() -> None:
    X = pixels()
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    weighted = Scaling.fit("auto", X, weight.astype(float))
    repeated = Scaling.fit("auto", np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.scale, repeated.scale)


def test_a_channel_shares_a_scale_whatever_its_bounds() -> None:
    X = np.random.default_rng(0).normal(size=(50, 12)) * np.arange(1, 13)
    scaling = Scaling.fit("auto", X, units=[Unit([0, 1, 2, 3, 4, 5], is_channel=True)])
    assert scaling.rules == ("channel",) * 6 + ("standard",) * 6
    assert scaling.scale is not None
    assert scaling.scale[0] == pytest.approx(np.sqrt(X[:, :6].var(0).mean()))


def test_architectures_say_what_their_channels_are() -> None:
    X = np.random.default_rng(0).normal(size=(40, 32)) * np.arange(1, 33)
    two = Convolutional(input_shape=(4, 4), in_channels=2, channels=(4,))
    scale = Autoencoder(2, architecture=two, max_epochs=1).fit(X).scaling_.scale
    assert scale is not None
    assert len(set(scale[:16])) == len(set(scale[16:])) == 1 != scale[0] / scale[16]
    steps = Recurrent(input_shape=(8, 4), hidden=(3,))
    scale = Autoencoder(2, architecture=steps, max_epochs=1).fit(X).scaling_.scale
    assert scale is not None
    np.testing.assert_array_equal(scale.reshape(8, 4), np.tile(scale[:4], (8, 1)))
    signal = Convolutional("signal", channels=(4,))
    scale = Autoencoder(2, architecture=signal, max_epochs=1).fit(X).scaling_.scale
    assert len(set(scale)) == 1
    images = Autoencoder(2, architecture=Convolutional(channels=(4,)), max_epochs=1, random_state=0)
    shaped = Autoencoder(2, architecture=two, max_epochs=1, random_state=0).fit(X)
    same = images.fit(X.reshape(40, 2, 4, 4))
    np.testing.assert_array_equal(same.transform(X), shaped.transform(X))


def test_each_view_is_looked_at_by_itself() -> None:
    rng = np.random.default_rng(0)
    X = np.hstack([pixels(), rng.normal(size=(200, 5)) * 1000])
    whole = Autoencoder(2, max_epochs=1).fit(X)
    assert set(whole.scaling_.rules) == {"standard", "bounded"}
    views = {"picture": View(slice(0, 20)), "other": View(slice(20, 25))}
    model = Autoencoder(2, views=views, max_epochs=1).fit(X)
    assert model.scaling_.rules == ("common",) * 20 + ("standard",) * 5


def test_what_was_decided_is_said_and_kept(tmp_path: Any) -> None:
    frame = pd.DataFrame(pixels(), columns=[f"p{i}" for i in range(20)])
    frame["kind"] = ["a", "b"] * 100
    model = Autoencoder(2, max_epochs=1).fit(frame)
    assert [column["scaling"] for column in model.columns_] == ["common"] * 20 + ["type"]
    again = load(model.save(tmp_path / "model") or tmp_path / "model")
    assert again.columns_ == model.columns_
    card = (tmp_path / "model" / "README.md").read_text()
    assert "20 columns with the same smallest and largest value: one scale for all" in card


@pytest.mark.parametrize("scaling", ["minmax", "robust", "none", "standard"])
def test_other_scalings_say_their_names(scaling: str) -> None:
    assert set(Scaling.fit(scaling, pixels()).rules) == {scaling}
    (line,) = in_words(Scaling.fit(scaling, pixels()).rules)
    assert line.startswith("20 columns")
