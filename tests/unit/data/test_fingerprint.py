"""Fingerprint: which rows a fit has seen is known, however they come, and nothing else of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.frozen import FrozenEstimator

import narrows
from narrows import Autoencoder, AutoencoderRegressor
from narrows.data import fingerprint
from narrows.data.fingerprint import Fingerprint, Seen

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
OTHER = RNG.normal(size=(80, 5))
HOLES = np.where(RNG.random(X.shape) < 0.2, np.nan, X)


def counts(seen: Seen) -> tuple[int, int, int]:
    return seen.n_rows, seen.n_told, seen.n_seen


def asked(model: Any, rows: Any) -> tuple[int, int, int]:
    return counts(model._fitted.count_seen(model._fitted.read(rows)))


@pytest.mark.parametrize("table", [X, HOLES], ids=["whole", "holes"])
def test_rows_of_fit_are_known_however_they_come(table: Any) -> None:
    kept = Fingerprint.of(table)
    for rows in (
        table,
        table[::-1],
        table.astype(np.float32),
        np.asfortranarray(table),
        pd.read_csv(io.StringIO(pd.DataFrame(table).to_csv(index=False))).to_numpy(),
    ):
        assert counts(kept.seen(rows)) == (120, 120, 120)
    assert counts(kept.seen(OTHER)) == (80, 80, 0)
    assert counts(kept.seen(np.vstack([table[:30], OTHER[:20]]))) == (50, 50, 30)
    assert counts(kept.seen(table[:, ::-1])) == (120, 120, 0)


def test_zeros_of_either_sign_and_holes_are_one_each() -> None:
    kept = Fingerprint.of(np.array([[0.0, np.nan]]))
    other = np.float64(-np.nan)
    assert kept.seen(np.array([[-0.0, other]])).n_seen == 1


def test_a_sparse_table_has_the_fingerprint_of_its_cells() -> None:
    rows = np.where(np.abs(X) > 1, X, 0.0)
    dense, sparse = Fingerprint.of(rows), Fingerprint.of(scipy.sparse.csr_array(rows))
    assert dense.salt == sparse.salt
    np.testing.assert_array_equal(dense.marks, sparse.marks)


def test_of_many_rows_a_random_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "MOST", 256)
    rows = RNG.normal(size=(4000, 3))
    kept = Fingerprint.of(rows)
    assert 64 < len(kept.marks) <= 256
    seen = kept.seen(np.vstack([rows, rows + 1]))
    assert seen.n_told == pytest.approx(8000 * len(kept.marks) / 4000, rel=0.3)
    assert seen.share == pytest.approx(0.5, abs=0.15)
    assert str(seen).startswith("about ")
    assert kept.seen(rows).share == 1
    assert kept.seen(rows + 1).share == 0


def test_parts_of_a_table_leave_the_fingerprint_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fingerprint, "MOST", 64)
    rows = RNG.normal(size=(1000, 3))
    whole, parts = Fingerprint.of(rows), Fingerprint.of(rows[:200])
    for start in range(200, 1000, 200):
        parts = parts.including(rows[start : start + 200])
    assert parts.level == whole.level
    assert counts(parts.seen(rows)) == counts(whole.seen(rows))


def test_marks_are_whole_numbers_that_files_hold() -> None:
    marks = Fingerprint.of(X).marks
    np.testing.assert_array_equal(marks, np.floor(marks))
    assert marks.max() < 2**53
    assert (np.diff(marks) > 0).all()


def test_marks_stay_what_files_of_earlier_versions_have() -> None:
    """Known since 0.2: of a file, rows that its fit has seen would be taken for new."""
    marks = Fingerprint.of(np.array([[0.5, 1.0], [np.nan, -0.0], [2.0, 3.0]])).marks
    assert marks.tolist() == [1282166664540672, 2592734498915008, 4496786331691137]


def test_two_tables_with_a_row_in_common_do_not_share_its_mark() -> None:
    one, other = Fingerprint.of(X), Fingerprint.of(X[::-1])
    assert not np.isin(one.marks, other.marks).any()


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(5, 5, 5), "all 5 rows were"),
        (Seen(5, 5, 2), "2 of 5 rows were"),
        (Seen(5, 5, 0), "none of 5 rows was"),
        (Seen(5000, 100, 50), "about 50.0% of 5,000 rows were"),
        (Seen(5, 0, 0), "of 5 rows nobody can tell which were"),
    ],
)
def test_it_is_said_in_words(seen: Seen, said: str) -> None:
    assert str(seen) == said
    assert seen.held_out is (None if not seen.n_told else seen.n_seen == 0)


def test_a_model_keeps_it_through_a_file(tmp_path: Path) -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(HOLES)
    model.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model")
    for one in (model, loaded):
        assert asked(one, HOLES) == (120, 120, 120)
        assert asked(one, OTHER) == (80, 80, 0)
    text = (tmp_path / "model" / "config.json").read_text()
    assert json.loads(text)["fitted"]["fingerprint"]["n_marks"] == 120


def test_a_frame_with_levels_is_known_through_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcde")).assign(city=RNG.choice(["bonn", "kiel"], 120))
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(frame)
    frame.to_csv(tmp_path / "table.csv", index=False)
    assert asked(model, pd.read_csv(tmp_path / "table.csv")) == (120, 120, 120)


def test_partial_fits_and_warm_starts_add_to_it() -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0)
    model.partial_fit(X[:60]).partial_fit(X[60:])
    assert asked(model, X) == (120, 120, 120)
    model.set_params(warm_start=True).fit(OTHER)
    assert asked(model, np.vstack([X, OTHER])) == (200, 200, 200)
    model.set_params(warm_start=False).fit(OTHER)
    assert asked(model, X) == (120, 120, 0)


def test_fine_tuning_adds_to_it() -> None:
    frozen = FrozenEstimator(Autoencoder(2, max_epochs=1, random_state=0).fit(X))
    model = AutoencoderRegressor(frozen, max_epochs=1, random_state=0).fit(OTHER, OTHER[:, 0])
    assert asked(model.encoder_, np.vstack([X, OTHER])) == (200, 200, 200)
    assert asked(frozen.estimator, OTHER) == (80, 80, 0)


def test_rows_of_weight_0_were_not_seen() -> None:
    weight = np.r_[np.ones(100), np.zeros(20)]
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X, sample_weight=weight)
    assert asked(model, X) == (120, 120, 100)
