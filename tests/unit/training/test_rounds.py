"""Rounds: many rows are gone through for as long as held-out rows gain by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from narrows import AdamW, Adversarial, Autoencoder, Recurrent, open_source
from narrows.data.batches import Others
from narrows.training import budget, rounds
from narrows.training.budget import Budget
from narrows.training.phase import Phase
from narrows.training.rounds import LEAST, WORTH, Rounds

FEW = Budget(20, 20, 64)  # 1,280 rows in the first round


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "FROM_PCA", FEW)


def _linear(n_rows: int = 5000) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 12)) + rng.normal(size=(n_rows, 12))


def _clusters(n_rows: int = 5000) -> Any:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(30, 12))
    return centers[rng.integers(0, 30, n_rows)] + 0.05 * rng.normal(size=(n_rows, 12))


def _length(left: float, most: int = 10**9) -> list[int]:
    """Return the rows of each round where ``left`` / rows of the log of the objective is left."""
    course, lengths = Rounds(1000, most), []
    while course.length:
        lengths.append(course.length)
        course.see(course.length, math.exp(left / (course.n_rows + course.length)))
    return lengths


def _noting(parts: list[Any]) -> Callable[[Phase, Any], str]:
    def run(phase: Phase, rows: Any) -> str:
        parts.append(rows)
        return "max_epochs"

    return run


@pytest.mark.parametrize("left", [0.0, 10.0, 40.0])
def test_two_rounds_are_enough_where_the_second_gains_next_to_nothing(left: float) -> None:
    assert _length(left) == [1000, 1000]


@pytest.mark.parametrize("left", [100.0, 1000.0, 5000.0])
def test_rounds_end_where_twice_as_many_steps_would_gain_no_more(left: float) -> None:
    n_rows = sum(_length(left))
    assert left / n_rows - left / (2 * n_rows) == pytest.approx(WORTH, rel=0.01)


@pytest.mark.parametrize("most", [2000, 2500, 5000, 12_345])
def test_no_more_rows_than_there_may_be_and_no_sliver_of_a_round(most: int) -> None:
    lengths = _length(1000.0, most)
    assert LEAST * sum(lengths) >= most >= sum(lengths)
    for number, length in enumerate(lengths[1:], start=1):
        assert length >= (LEAST - 1) * sum(lengths[:number]) - 1


@pytest.mark.parametrize("second", [1.5, math.inf, math.nan])
def test_a_round_that_does_worse_is_the_last_and_is_taken_back(second: float) -> None:
    network = torch.nn.Linear(2, 2)
    values = iter([1.0, second])
    phase: Any = Phase("joint", network, None, 10, None, None)  # type: ignore[arg-type]
    seen: list[tuple[str, int, int]] = []

    def run(own: Phase, rows: Any) -> str:
        seen.append((own.name, own.max_epochs, len(rows)))
        with torch.no_grad():
            network.weight.fill_(len(seen))
        return "max_epochs"

    reason = rounds.train(
        phase,
        torch.arange(100),
        budget.RoundRows(60, 1000),
        run=run,
        judge=lambda: next(values),
        draw=torch.Generator().manual_seed(0),
    )
    assert reason == "converged"
    assert seen == [("joint", 1, 60), ("joint 2", 1, 60)]
    assert float(network.weight.detach().mean()) == 1.0


def test_rounds_go_through_different_rows_of_a_table_and_all_of_a_source() -> None:
    network = torch.nn.Linear(2, 2)
    phase: Any = Phase("joint", network, None, 4, None, None)  # type: ignore[arg-type]
    for rows in (torch.arange(1000, 2000), Others(1000)):
        parts: list[Any] = []
        rounds.train(
            phase,
            rows,
            budget.RoundRows(300, 4000),
            run=_noting(parts),
            judge=lambda: 1.0,
            draw=torch.Generator().manual_seed(0),
        )
        if isinstance(rows, Others):
            assert all(part is rows for part in parts)
            continue
        first, second = (set(part.tolist()) for part in parts)
        assert len(first) == len(second) == 300
        assert first != second
        assert first | second <= set(rows.tolist())


def test_an_interrupt_ends_all_rounds() -> None:
    phase: Any = Phase("joint", torch.nn.Linear(2, 2), None, 4, None, None)  # type: ignore[arg-type]
    reason = rounds.train(
        phase,
        torch.arange(100),
        budget.RoundRows(50, 400),
        run=lambda own, part: "interrupted",
        judge=lambda: pytest.fail("a round that was cut off is not judged"),
        draw=torch.Generator(),
    )
    assert reason == "interrupted"


@pytest.mark.usefixtures("few")
def test_a_table_with_nothing_to_gain_is_not_gone_through_ten_times() -> None:
    X = _linear()
    model = Autoencoder(3, random_state=0).fit(X)
    assert {row["phase"] for row in model.history_} <= {"joint", "joint 2"}
    assert model.n_iter_ <= 2
    assert model.stop_reason_ in ("converged", "start")


@pytest.mark.usefixtures("few")
def test_a_table_with_much_to_gain_is_trained_on_to_the_end() -> None:
    X = _clusters()
    model = Autoencoder(3, random_state=0).fit(X)
    assert model.stop_reason_ == "max_epochs"
    assert model.n_iter_ >= 9
    again = Autoencoder(3, random_state=0).fit(X)
    np.testing.assert_array_equal(model.transform(X), again.transform(X))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "settings",
    [
        {"max_epochs": 10},
        *(
            pytest.param(settings, marks=pytest.mark.slow)
            for settings in ({"learning_rate": 0.006}, {"penalty": Adversarial(0.1)})
        ),
    ],
)
def test_what_has_a_length_of_its_own_is_trained_in_one_course(settings: Any) -> None:
    model = Autoencoder(3, random_state=0, **settings).fit(_clusters())
    assert {row["phase"] for row in model.history_} == {"joint"}


@pytest.mark.usefixtures("few")
def test_rows_of_a_source_are_gone_through_whole() -> None:
    model = Autoencoder(3, random_state=0).fit(open_source(_linear().astype(np.float32)))
    assert {row["phase"] for row in model.history_} <= {"joint", "joint 2"}
    assert model.n_iter_ <= 3


def test_from_some_thousand_rows_on_held_out_rows_may_ask_for_more_than_the_pace() -> None:
    def asked(n_rows: int, at: Budget = budget.FROM_PCA, n_columns: int = 30) -> budget.RoundRows:
        size = budget.batch_size("auto", n_rows, at)
        epochs = budget.max_epochs("auto", n_rows, size, AdamW(), at)
        return budget.round_rows(n_rows, n_columns, size, epochs, at)

    enough = budget.FROM_PCA.kept_from
    assert asked(enough - 1) == budget.ONE_COURSE  # what they say would be trained again
    for n_rows in (enough, 40_000, 100_000):
        assert asked(n_rows).most == budget.MOST_ROUNDS * asked(n_rows).first
    assert asked(3000, n_columns=784) == budget.ONE_COURSE  # few for the columns
    assert budget.keeps(4000, 20_000)
    assert asked(10_000, n_columns=784) == budget.ONE_COURSE  # its steps take long
    assert 2 < asked(10_000, n_columns=200).most / asked(10_000, n_columns=200).first < 4
    assert asked(1_000_000).most == budget.MIN_EPOCHS * 1_000_000
    assert asked(10_000, budget.FROM_RANDOM) == budget.ONE_COURSE
    with budget.one_course():
        assert asked(40_000) == budget.ONE_COURSE
    assert asked(40_000) != budget.ONE_COURSE
    series = budget.OF_SEQUENCES
    assert asked(series.kept_from - 1, series) == budget.ONE_COURSE
    of_series = asked(series.kept_from, series)
    assert of_series.first == pytest.approx(64 * series.steps_of(64) / 2)  # half the pace
    assert of_series.most == budget.MOST_ROUNDS * of_series.first
    assert asked(series.kept_from, series, n_columns=2000) == budget.ONE_COURSE


def test_series_are_gone_through_in_rounds_and_few_of_them_in_one_course(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = replace(budget.OF_SEQUENCES, steps=60, kept_from=200, surely_kept_from=200)
    monkeypatch.setattr(budget, "OF_SEQUENCES", own)
    rng = np.random.default_rng(0)
    waves = np.sin(rng.uniform(0.2, 1, (220, 1, 1)) * np.arange(8)[:, None] + rng.uniform(0, 6))
    model = Autoencoder(2, architecture=Recurrent(hidden=(8,)), random_state=0).fit(waves)
    phases = [row["phase"] for row in model.history_]
    assert list(dict.fromkeys(phases))[:2] == ["joint", "joint 2"]
    per_epoch = math.ceil(0.9 * 220 / 16)
    assert phases.count("joint") == pytest.approx(0.5 * own.steps_of(16) / per_epoch, abs=1)
    for settings in ({"max_epochs": 5}, {"early_stopping": True}, {"penalty": Adversarial(0.1)}):
        other = Autoencoder(2, architecture=Recurrent(hidden=(8,)), random_state=0, **settings)
        assert {row["phase"] for row in other.fit(waves).history_} == {"joint"}
    few = Autoencoder(2, architecture=Recurrent(hidden=(8,)), random_state=0).fit(waves[:190])
    assert {row["phase"] for row in few.history_} == {"joint"}
    assert few.n_iter_ == budget.MIN_EPOCHS


@pytest.mark.slow
def test_fits_that_are_only_compared_go_on_for_the_pace_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[budget.RoundRows] = []
    whole = budget.round_rows

    def noting(*arguments: Any) -> budget.RoundRows:
        lengths.append(whole(*arguments))
        return lengths[-1]

    monkeypatch.setattr(budget, "round_rows", noting)
    Autoencoder("auto", architecture=(4,), random_state=0).fit(_linear(3000))
    *compared, own = lengths
    assert len(compared) > 1
    assert set(compared) == {budget.ONE_COURSE}
    assert own.first > 0
