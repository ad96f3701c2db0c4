"""Sequences: padding and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from narrows import mask_after, pad_sequences, unpad_sequences
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
