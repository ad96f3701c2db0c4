"""Baselines: every method of the catalogue does what it says it can do, and refuses the rest."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from narrows import Baseline
from narrows.baselines.catalogue import KINDS
from narrows.errors import DataError, MissingDependencyError, ParameterError

VIEWS = {"first": range(15), "second": range(15, 30)}
HAS_UMAP = importlib.util.find_spec("umap") is not None
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(kind.extra is not None and not HAS_UMAP, reason="needs the extra"),
    )
    for name, kind in KINDS.items()
]
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
TRAIN, TEST, CLASSES = X[:200], X[200:260], y[:200]


def made(name: str, n_components: int = 2, **options: object) -> Baseline:
    return Baseline(name, n_components, views=VIEWS, random_state=0, **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_gives_codes_and_rows_or_says_that_it_cannot(name: str) -> None:
    model = made(name)
    codes = model.fit_transform(TRAIN, CLASSES)
    width = 1 if name == "lda" else 2
    assert codes.shape == (200, width) == model.embedding_.shape
    assert np.isfinite(codes).all()
    assert model.get_feature_names_out().shape == (width,)
    if model.maps_new_rows == "yes":
        assert model.transform(TEST).shape == (60, width)
    else:
        with pytest.raises(ParameterError, match="cannot map others; set extension=True"):
            model.transform(TEST)
    if model.reconstructs == "yes":
        assert model.inverse_transform(codes).shape == TRAIN.shape
    else:
        with pytest.raises(ParameterError, match="no way back"):
            model.inverse_transform(codes)


@pytest.mark.parametrize("name", NAMES)
def test_an_extension_is_called_one_and_does_no_worse_than_the_mean(name: str) -> None:
    model = made(name, extension=True).fit(TRAIN, CLASSES)
    kind = KINDS[name]
    assert model.maps_new_rows == ("yes" if kind.maps else "extension")
    assert model.reconstructs == ("yes" if kind.reconstructs else "extension")
    back = model.inverse_transform(model.transform(TEST))
    # Machines of bits stacked on a table of numbers know little more than the mean.
    slack = 1.05 if name == "dbn" else 1.0
    assert ((back - TEST) ** 2).sum() < slack * ((TEST - TRAIN.mean(0)) ** 2).sum()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_codes_and_global_generators_stay(name: str) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - that it stays is what is tested
    first = made(name).fit_transform(TRAIN, CLASSES)
    second = clone(made(name)).fit_transform(TRAIN, CLASSES)
    assert np.array_equal(first, second)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.linear])
def test_a_linear_method_is_its_matrix_and_a_constant(name: str) -> None:
    model = made(name).fit(TRAIN, CLASSES)
    matrix = model.linear_map()
    assert matrix is not None
    codes = model.transform(TEST)
    np.testing.assert_allclose(codes - codes[0], (TEST - TEST[0]) @ matrix, atol=1e-8)


def test_the_extension_returns_the_rows_of_fit_at_the_rows_of_fit() -> None:
    model = made("mds", extension=True).fit(TRAIN)
    placed = model.transform(TRAIN)
    error = ((placed - model.embedding_) ** 2).sum() / (model.embedding_**2).sum()
    assert error < 0.02


def test_lda_gives_no_more_components_than_classes_allow() -> None:
    assert made("lda", 8).fit(TRAIN, CLASSES).n_components_ == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (made("pca", 31), "n_components=31 exceeds the 30 columns"),
        (made("tsne", 4), "exceeds 3"),
        (made("isomap", 200), "n_components=200 exceeds 199"),
        (made("cca", 16), "the 15 columns of the narrower view"),
        (made("lda"), "needs a class for each row"),
        (Baseline("pls"), "needs exactly 2 views, not 0"),
        (Baseline("umpa"), "did you mean 'umap'"),
        (made("pca", 0), "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_with_its_bound(model: Baseline, message: str) -> None:
    with pytest.raises((ParameterError, DataError), match=message):
        model.fit(TRAIN)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.many_rows])
def test_too_many_rows_for_matrices_of_pairs_are_refused(name: str) -> None:
    rows = np.zeros((5001, 2)) + np.arange(5001)[:, None]
    with pytest.raises(DataError, match="5,001 rows, above 5,000"):
        Baseline(name, 1).fit(rows)


@pytest.mark.skipif(HAS_UMAP, reason="the extra is installed")
def test_a_missing_extra_is_named_with_its_install_command() -> None:
    with pytest.raises(MissingDependencyError, match=r"pip install 'narrows\[umap\]'"):
        made("umap").fit(TRAIN)


@pytest.mark.parametrize("name", ["pca", "ica", "random_projection"])
def test_a_baseline_passes_the_checks_of_scikit_learn(name: str) -> None:
    results = check_estimator(Baseline(name, 1, random_state=0), on_fail=None, on_skip=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] == "passed" for r in results) >= 35


def test_codes_of_a_frame_have_names(breast_cancer: NDArray[np.float64]) -> None:
    model = Baseline("pca", 2).set_output(transform="pandas").fit(breast_cancer)
    assert list(model.transform(breast_cancer).columns) == ["baseline0", "baseline1"]


@pytest.mark.parametrize("name", KINDS)
def test_the_page_says_what_a_baseline_is_and_can_do(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    kind = KINDS[name]
    able = ["yes" if can else "no" for can in (kind.maps, kind.reconstructs)]
    described = [row[2:] for row in rows if len(row) == 5]
    assert described == [[kind.source, able[0], f"{able[1]} |"]]
