"""Learning rates: each course, in the history and by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from narrows import Autoencoder, Constant, Cosine, OneCycle, Plateau
from narrows.core.spec import Spec
from narrows.errors import ParameterError


def rates(X: Any, learning_rate: Any, max_epochs: int = 10, **settings: Any) -> list[float]:
    model = Autoencoder(
        2,
        learning_rate=learning_rate,
        max_epochs=max_epochs,
        batch_size=len(X),
        random_state=0,
        **settings,
    ).fit(X)
    return [row["learning_rate"] for row in model.history_]


@pytest.mark.parametrize("name", sorted(Spec.members("learning_rate")))
def test_every_learning_rate_works_by_name(name: str, breast_cancer: Any) -> None:
    model = Autoencoder(2, learning_rate=name, max_epochs=4, random_state=0).fit(breast_cancer)
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]


@pytest.mark.parametrize("given", [0.01, Constant(0.01), np.float64(0.01)])
def test_a_number_stays_constant(given: Any, breast_cancer: Any) -> None:
    assert rates(breast_cancer, given) == [pytest.approx(0.01)] * 10


def test_numbers_of_any_numpy_type_are_learning_rates(breast_cancer: Any) -> None:
    assert rates(breast_cancer, np.float32(0.5**7), 1) == [0.5**7]
    assert rates(breast_cancer, np.int64(1), 1, optimizer="lbfgs") == [1]


def test_one_cycle_rises_to_its_rate_and_falls_to_nearly_nothing(breast_cancer: Any) -> None:
    found = rates(breast_cancer, OneCycle(0.01, warm_up=0.4), 11)
    assert found[0] == pytest.approx(0.01 / 25)
    assert found.index(max(found)) == 4
    assert max(found) == pytest.approx(0.01)
    assert found[:5] == sorted(found[:5])
    assert found[4:] == sorted(found[4:], reverse=True)
    assert found[-1] == pytest.approx(1e-7)


def test_one_cycle_without_warm_up_starts_at_its_rate() -> None:
    assert OneCycle(warm_up=0).factor(0) == pytest.approx(1)


def test_cosine_falls_along_half_a_cosine(breast_cancer: Any) -> None:
    expected = [0.01 * (0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * i / 9))) for i in range(10)]
    assert rates(breast_cancer, Cosine(0.01, final=0.2)) == pytest.approx(expected)


def test_plateau_shrinks_each_time_the_objective_stays_up() -> None:
    course = Plateau(shrink=0.5, patience=2).start()
    factors = []
    for objective in (5, 4, 4, 4, 3, 3, 3, 3, 3):
        course.after_epoch(objective)
        factors.append(course.factor(0.0))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_plateau_is_forgotten_between_fits(breast_cancer: Any) -> None:
    model = Autoencoder(2, learning_rate=Plateau(patience=1), max_epochs=3, random_state=0)
    first = [row["objective"] for row in model.fit(breast_cancer).history_]
    assert [row["objective"] for row in model.fit(breast_cancer).history_] == first


def test_auto_is_one_cycle_or_constant_for_a_line_search(breast_cancer: Any) -> None:
    drawn = {"init": "random"}  # from a PCA the peak is another
    assert rates(breast_cancer, "auto", **drawn) == rates(breast_cancer, "one_cycle", **drawn)
    assert set(rates(breast_cancer, "auto", 2, optimizer="lbfgs")) == {1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "learning_rate=0 must be a number above 0"),
        (-1.0, "learning_rate=-1.0"),
        (float("nan"), "learning_rate=nan"),
        (True, "learning_rate=True must be a name"),
        ("one_cyle", "did you mean 'one_cycle'"),
        (OneCycle(warm_up=1.0), "learning_rate__warm_up=1.0"),
        (Cosine(final=2), "learning_rate__final=2"),
        (Plateau(shrink=1), "learning_rate__shrink=1"),
        (Plateau(patience=0), "learning_rate__patience=0"),
    ],
    ids=str,
)
def test_rates_that_cannot_be_are_refused_by_name(
    given: Any, message: str, breast_cancer: Any
) -> None:
    with pytest.raises(ParameterError, match=message):
        rates(breast_cancer, given)


def test_a_line_search_survives_a_rate_that_falls_to_nothing(breast_cancer: Any) -> None:
    for optimizer in ("lbfgs", "cg"):
        model = Autoencoder(
            2, optimizer=optimizer, learning_rate=Cosine(), max_epochs=3, random_state=0
        ).fit(breast_cancer)
        assert np.isfinite(model.history_[-1]["objective"])
