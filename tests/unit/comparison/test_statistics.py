"""Statistics and summaries: worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from narrows.comparison.statistics import corrected
from narrows.comparison.summary import Scores, best, judgement, summarized

LOST = {"name": "lost", "label": "Lost", "higher_is_better": False, "meaning": "How much."}
RIGHT = {"name": "right", "label": "Right", "higher_is_better": True, "meaning": "How often."}


def cell(method: str, fold: int, seed: int = 0, size: int = 2, **values: Any) -> dict[str, Any]:
    return {
        "method": method,
        "n_components": size,
        "fold": fold,
        "seed": seed,
        "status": "ok",
        "message": None,
        "maps_new_rows": "yes",
        "reconstructs": "yes",
        "fit_seconds": 1.0,
        "peak_memory_mb": None,
        "model_bytes": 8,
        "values": values,
        "columns": None,
    }


def test_the_corrected_test_is_nadeau_and_bengios() -> None:
    values = [0.1, 0.3, 0.2, 0.4, 0.0]
    found = corrected(values, 1 / 4)
    error = math.sqrt((1 / 5 + 1 / 4) * np.var(values, ddof=1))
    assert found.mean == pytest.approx(0.2)
    assert found.p == pytest.approx(2 * stats.t.sf(0.2 / error, 4))
    assert found.high == pytest.approx(0.2 + stats.t.ppf(0.975, 4) * error)
    assert found.low + found.high == pytest.approx(2 * found.mean)


def test_without_overlap_it_is_the_paired_t_test() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, size=12)
    assert corrected(values, 0.0).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_correction_makes_chance_more_likely() -> None:
    values = [0.1, 0.3, 0.2, 0.4, 0.05]
    assert corrected(values, 0.25).p > corrected(values, 0.0).p


def test_differences_without_spread_leave_nothing_to_chance() -> None:
    assert corrected([0.5, 0.5, 0.5], 0.5)[1:] == (0.5, 0.5, 0.0)
    assert corrected([0.0, 0.0], 0.5).p == 1
    assert corrected([0.5], 0.5)[1:] == (None, None, None)


def alarms(test_to_train: float) -> float:
    """Return how often two methods that are alike are called different, on five folds of 50 rows.

    A difference has a part of the held-out rows, which folds do not share, and one of the training
    rows, which they do.
    """
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        held_out, learned = generator.normal(size=(2, 50))
        parts = np.arange(50).reshape(5, 10)
        differences = [held_out[part].mean() + np.delete(learned, part).mean() for part in parts]
        found += corrected(differences, test_to_train).p < 0.05
    return found / 400


def test_false_alarms_are_rare_with_the_correction_and_not_without() -> None:
    assert alarms(0.25) < 0.1 < alarms(0.0)


def test_seeds_are_averaged_before_folds_are_compared() -> None:
    cells = [cell("a", fold, seed, lost=fold + seed) for fold in (0, 1) for seed in (0, 1)]
    assert Scores(cells, 0.5).folds("a", 2, "lost") == {0: 0.5, 1: 1.5}


def test_differences_are_paired_by_fold_and_ranks_are_of_a_size() -> None:
    cells = [
        *(cell("pca", fold, lost=value) for fold, value in enumerate([0.5, 0.6, 0.7])),
        *(cell("ours", fold, lost=value) for fold, value in enumerate([0.4, 0.5, 0.6])),
        *(cell("half", fold, lost=value) for fold, value in enumerate([0.9, 0.5])),
        *(cell("pca", fold, size=8, lost=0.1) for fold in range(3)),
    ]
    entries = {
        (entry["method"], entry["n_components"]): entry["values"]["lost"]
        for entry in summarized(Scores(cells, 0.5), [LOST], "pca")
    }
    assert entries["ours", 2]["difference"]["mean"] == pytest.approx(-0.1)
    assert entries["pca", 2]["difference"] is None
    assert entries["half", 2]["difference"]["mean"] == pytest.approx(0.15)
    ranks = {method: entries[method, 2]["rank"] for method in ("pca", "ours", "half")}
    assert ranks == {"pca": 2.5, "ours": 1.25, "half": 2.25}
    assert entries["pca", 8]["rank"] == 1


def test_the_best_says_whether_it_is_better() -> None:
    cells = [
        *(cell("pca", fold, right=value) for fold, value in enumerate([0.5, 0.6, 0.7])),
        *(cell("ours", fold, right=value) for fold, value in enumerate([0.9, 0.5, 0.9])),
    ]
    summary = summarized(Scores(cells, 0.5), [RIGHT], "pca")
    found = best(summary, RIGHT, "pca", None)
    assert (found["method"], found["n_components"]) == ("ours", 2)
    assert "not significantly better than pca of that size (by 0.17, p = " in found["why"]
    assert best(summary, RIGHT, "pca", 8) is None


@pytest.mark.parametrize(
    ("mean", "p", "words"),
    [
        (-0.2, 0.01, "better than pca of that size by 0.2 (p = 0.01)"),
        (0.2, 0.0001, "worse than pca of that size by 0.2 (p < 0.001)"),
        (-0.2, 0.5, "not significantly better than pca of that size (by 0.2, p = 0.5)"),
        (0.2, 0.5, "not better than pca of that size (worse by 0.2, p = 0.5)"),
        (0.0, 1.0, "not better than pca of that size (the same, p = 1)"),
        (-0.2, None, "not significantly better than pca of that size (by 0.2, on one fold)"),
    ],
)
def test_a_difference_is_put_into_words(mean: float, p: float | None, words: str) -> None:
    assert judgement({"mean": mean, "p": p}, LOST, "pca") == words
