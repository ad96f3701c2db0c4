"""Sequences: padding and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from narrows import (
    Autoencoder,
    join_windows,
    mask_after,
    pad_sequences,
    sliding_windows,
    unpad_sequences,
)
from narrows.errors import NarrowsError


def test_padding_is_undone() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, 3)) for length in (4, 1, 7)]
    X = pad_sequences(sequences)
    assert X.shape == (3, 21)
    for one, other in zip(sequences, unpad_sequences(X, 3), strict=True):
        assert_array_equal(one, other)


def test_channels_lie_within_steps() -> None:
    assert_array_equal(pad_sequences([[[1, 2], [3, 4]]]), [[1, 2, 3, 4]])


def test_rows_may_be_longer_than_the_longest_sequence() -> None:
    assert np.isnan(pad_sequences([[1.0]], n_steps=3)).sum() == 2


def test_float32_stays() -> None:
    steps = np.ones(3, np.float32)
    assert pad_sequences([steps]).dtype == np.float32
    assert pad_sequences([steps, [1.0]]).dtype == np.float64


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_lengths_may_be_a_column(frame: Any) -> None:
    table = frame({"a": [1.0, 2.0], "n": [2, 1], "b": [3.0, 4.0]})
    assert_array_equal(mask_after(table, "n"), [[1, 3], [2, np.nan]])


def test_masking_leaves_its_input_alone() -> None:
    X = np.ones((2, 4))
    found = mask_after(X, [1, 2], n_channels=2)
    assert_array_equal(np.isnan(found), [[False, False, True, True], [False] * 4])
    assert (X == 1).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pad_sequences([]), "at least one sequence"),
        (lambda: pad_sequences([[]]), "at least one step"),
        (lambda: pad_sequences([[1, 2, 3]], 2), "more than n_steps=2"),
        (lambda: pad_sequences([[[1, 2]], [[1]]]), "1 channels but the first has 2"),
        (lambda: pad_sequences([["a"]]), "not numeric"),
        (lambda: unpad_sequences(np.ones((2, 3)), 2), "no whole number of steps"),
        (lambda: mask_after(np.ones((2, 3)), [1]), "give one length per row"),
        (lambda: mask_after(np.ones((2, 3)), [0, 1]), r"lengths\[0\]=0"),
        (lambda: mask_after(np.ones((2, 3)), [1, 1.5]), r"lengths\[1\]=1.5"),
        (lambda: mask_after(np.ones((2, 3)), "n"), "is no data frame"),
        (lambda: mask_after(pd.DataFrame({"a": [1]}), "n"), "no column of X"),
    ],
)
def test_what_cannot_be_is_said(call: Any, words: str) -> None:
    with pytest.raises(NarrowsError, match=words):
        call()


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_windows_are_joined_to_the_series(stride: int, shape: tuple[int, ...]) -> None:
    series = np.random.default_rng(0).normal(size=shape)
    windows = sliding_windows(series, 6, stride)
    assert windows.shape == ((50 - 6) // stride + 1, 6, 1 if len(shape) == 1 else 3)
    back = join_windows(windows, 50, stride=stride)
    covered = np.zeros(50, bool)
    for first in range(0, 50 - 6 + 1, stride):
        covered[first : first + 6] = True
    np.testing.assert_allclose(back[covered], series.reshape(50, -1)[covered])
    assert np.isnan(back[~covered]).all()


def test_a_time_has_the_mean_of_its_windows() -> None:
    assert_array_equal(join_windows([0.0, 2.0, 4.0], 4, n_steps=2), [0, 1, 3, 4])
    steps = [[0.0, np.nan], [2.0, 4.0]]
    assert_array_equal(join_windows(steps, 3), [0, 2, 4])  # NaN is left out
    assert_array_equal(join_windows([[np.nan]], 1), [np.nan])


def test_an_anomaly_is_found_where_it_is() -> None:
    series = np.sin(np.arange(600) / 3)
    series[400:404] += 3
    windows = sliding_windows(series, 20)
    model = Autoencoder(3, max_epochs=20, random_state=0).fit(windows[:300])
    details = model.score_samples(windows, details=True)
    by_step = join_windows(details.columns.reshape(windows.shape)[:, :, 0], 600)
    assert 400 <= int(np.nanargmin(by_step)) < 404
    assert 380 < int(np.nanargmin(join_windows(details.scores, 600, n_steps=20))) < 424


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sliding_windows(np.ones(3), 4), "fewer than n_steps=4"),
        (lambda: sliding_windows(np.ones(3), 0), "n_steps=0"),
        (lambda: sliding_windows(np.ones((3, 2, 2)), 1), "series has shape"),
        (lambda: sliding_windows(["a", "b"], 1), "not numeric"),
        (lambda: join_windows([1.0], 4), "n_steps=None"),
        (
            lambda: join_windows([1.0], 4, n_steps=2),
            "1 windows of 2 steps, but a series of 4 has 3",
        ),
    ],
)
def test_what_is_no_series_is_refused(call: Any, words: str) -> None:
    with pytest.raises(NarrowsError, match=words):
        call()
