"""What every source is: pieces, samples, and no array."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.frozen import FrozenEstimator

from narrows import AnomalyDetector, Autoencoder, AutoencoderClassifier, open_source
from narrows.data.sources import source as sources
from narrows.errors import DataError


def test_a_sample_is_evenly_spread_and_in_order() -> None:
    opened = open_source(np.arange(100_000).reshape(50_000, 2))
    rows = opened.sample(10).features[:, 0] // 2
    np.testing.assert_array_equal(rows // 5_000, np.arange(10))
    assert len(set((rows % 5_000).tolist())) == 10  # and not where rows that take turns are alike
    np.testing.assert_array_equal(opened.sample(10).features[:, 0] // 2, rows)
    assert len(opened.sample(10**9).features) == 50_000


def test_rows_and_pieces_are_joined_with_all_that_belongs_to_them() -> None:
    piece = sources.Piece(
        pa.table({"a": [1, 2, 3]}), np.arange(3.0), None, pa.table({"i": [7, 8, 9]})
    )
    some = sources.rows_of(piece, np.array([2, 0]))
    both = sources.joined([some, piece])
    assert both.features["a"].to_pylist() == [3, 1, 1, 2, 3]
    assert both.weight is not None
    assert both.weight.tolist() == [2, 0, 0, 1, 2]
    assert both.target is None
    assert both.ids is not None
    assert both.ids["i"].to_pylist() == [9, 7, 7, 8, 9]


@pytest.mark.parametrize(
    ("memory", "bytes_"),
    [("512MB", 512_000_000), ("1 GiB", 1 << 30), ("64KiB", 1 << 16), (1_000_000, 1_000_000)],
)
def test_sizes_are_read(memory: str | int, bytes_: int) -> None:
    assert sources.n_bytes(memory) == bytes_


@pytest.mark.parametrize("memory", ["lots", "1kb", -1, True, "GB", 2.5, None])
def test_sizes_that_cannot_be_are_refused(memory: object) -> None:
    with pytest.raises(DataError, match=r"memory=.*write for example"):
        sources.n_bytes(memory)  # type: ignore[arg-type]


def test_what_cannot_stream_says_what_can() -> None:
    opened = open_source(np.zeros((20, 3), np.float32))
    rows = np.random.default_rng(0).normal(size=(30, 3))
    model = Autoencoder(2, max_epochs=1).fit(rows)
    detector = AnomalyDetector(FrozenEstimator(model)).fit(rows)
    classifier = AutoencoderClassifier(Autoencoder(2, max_epochs=1), max_epochs=1)
    classifier.fit(rows, [0, 1] * 15)
    for refused in (
        lambda: np.asarray(opened),
        lambda: opened[3],
        lambda: model.transform(opened),
        lambda: model.impute(opened),
        lambda: detector.score_samples(opened),
        lambda: classifier.predict(opened),
    ):
        with pytest.raises(DataError, match="fit, partial_fit, score and transform_to take it"):
            refused()


def test_it_is_described() -> None:
    assert repr(open_source(np.zeros((20_000, 3)))) == "<ChunkedSource of 20,000 x 3 in 2 pieces>"
