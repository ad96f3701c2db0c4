"""A fit that was cut off, and goes on, gives the bits of one that was not."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fit_and_go_on
import numpy as np
import pyarrow as pa
import pytest

import narrows
from forked import Script
from lanes import few
from narrows import (
    LBFGS,
    SGD,
    Adagrad,
    Autoencoder,
    Checkpoint,
    Count,
    Decomposition,
    Dense,
    GaussianNoise,
    Masking,
    Muon,
    Plateau,
    RMSprop,
    open_source,
    recipes,
)
from narrows.errors import CheckpointError, InterruptedWarning
from narrows.training import budget
from narrows.training.checkpoint import Session

pytestmark = pytest.mark.promise(id="R4")

SHORT = {"max_epochs": 3, "random_state": 0}
VIEWS = {"a": [0, 1], "b": [2, 3, 4]}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def rows(table_of: Callable[..., pa.Table]) -> np.ndarray:
    table = table_of(240).drop_columns(["row"])
    return np.column_stack([column.to_numpy() for column in table.columns])


def _killed_every(n_saves: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a fit die after so many states were written; return what counts the deaths."""
    save, left, deaths = Session.save, [n_saves], [0]

    def dying(session: Session, state: Any) -> None:
        save(session, state)
        left[0] -= 1
        if not left[0]:
            left[0] = n_saves
            deaths[0] += 1
            raise Killed

    monkeypatch.setattr(Session, "save", dying)
    return deaths


def _to_the_end(
    make: Callable[[], Autoencoder], X: Any, folder: Path, y: Any = None
) -> Autoencoder:
    while True:
        try:
            return make().fit(X, y, checkpoint=Checkpoint(folder, every=0))
        except Killed:
            continue


def _alike(one: Autoencoder, other: Autoencoder) -> None:
    weights = one.network_.state_dict(), other.network_.state_dict()
    for name, values in weights[0].items():
        np.testing.assert_array_equal(values.numpy(), weights[1][name].numpy(), name)
    histories = [
        [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in model.history_]
        for model in (one, other)
    ]
    assert histories[0] == histories[1]
    assert one.trials_ == other.trials_
    assert one.stop_reason_ == other.stop_reason_


KINDS: dict[str, Callable[[], Autoencoder]] = {
    "trials on folds": lambda: Autoencoder(2, max_epochs=3, random_state=0),
    "early stopping": lambda: Autoencoder(2, early_stopping=True, **SHORT),
    "stacked": lambda: recipes.stacked(2, architecture=Dense((4,)), **SHORT),
    "adversarial": lambda: recipes.adversarial(2, **SHORT),
    "variational": lambda: recipes.variational(2, **SHORT),
    "denoising": lambda: Autoencoder(2, corruption=Masking(0.2) + GaussianNoise(0.1), **SHORT),
    "robust": lambda: Autoencoder(2, schedule=Decomposition(), **SHORT),
    "views": lambda: Autoencoder(2, views=VIEWS, **SHORT),
    "sgd": lambda: Autoencoder(2, optimizer=SGD(), **SHORT),
    "muon": lambda: Autoencoder(2, optimizer=Muon(), **SHORT),
    "adagrad, plateau": lambda: Autoencoder(
        2, optimizer=Adagrad(), learning_rate=Plateau(1e-2), **SHORT
    ),
    "rmsprop, float64": lambda: Autoencoder(2, optimizer=RMSprop(), precision="float64", **SHORT),
    "lbfgs": lambda: Autoencoder(2, optimizer=LBFGS(), **SHORT),
    "contractive": lambda: recipes.contractive(2, **SHORT),
}


@pytest.mark.parametrize("kind", few(KINDS, [*KINDS][::2].__contains__))
@pytest.mark.parametrize("n_saves", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_kind_goes_on_to_the_same_bits(
    n_saves: int, kind: str, rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = KINDS[kind]().fit(rows)
    deaths = _killed_every(n_saves, monkeypatch)
    _alike(_to_the_end(KINDS[kind], rows, tmp_path), whole)
    assert deaths[0] >= (3 if n_saves == 1 else 0)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [False, True])
def test_rounds_of_many_rows_go_on_to_the_same_bits(
    streams: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FROM_PCA", budget.Budget(20, 20, 64))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 12))[rng.integers(0, 30, 5000)] + 0.05 * rng.normal(size=(5000, 12))

    def make(checkpoint: Checkpoint | None = None) -> Autoencoder:
        model = Autoencoder(3, architecture=(8,), random_state=0)
        return model.fit(open_source(X) if streams else X, checkpoint=checkpoint)

    unbroken = make()
    assert {row["phase"] for row in unbroken.history_} >= {"joint", "joint 2"}
    deaths = _killed_every(67, monkeypatch)
    while True:
        try:
            again = make(Checkpoint(tmp_path, every=0))
            break
        except Killed:
            continue
    _alike(again, unbroken)
    assert deaths[0] >= 2


def test_holes_types_and_weights_go_on_too(
    table_of: Callable[..., pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    frame = table_of(240).drop_columns(["row"]).to_pandas()
    frame = frame.mask(rng.random(frame.shape) < 0.2)
    frame["site"] = rng.choice(["north", "south"], 240)
    frame["visits"] = rng.poisson(2, 240)
    make = lambda: Autoencoder(2, types={"visits": Count()}, **SHORT)  # noqa: E731
    whole = make().fit(frame)
    _killed_every(9, monkeypatch)
    again = _to_the_end(make, frame, tmp_path)
    _alike(again, whole)
    assert again.impute(frame).equals(whole.impute(frame))


@pytest.mark.parametrize("schedule", few(["joint", "layerwise"], "joint".__eq__))
@pytest.mark.parametrize("n_saves", few([3, 17], lambda n_saves: n_saves == 3))
def test_a_source_goes_on_in_the_middle_of_an_epoch(
    n_saves: int,
    schedule: str,
    folder: Callable[..., Path],
    table_of: Callable[..., pa.Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = folder(table_of(5000), 1000, 60)

    def fit(checkpoint: Checkpoint | None) -> Autoencoder:
        source = open_source(place, ids=["row"], memory=100_000)
        model = Autoencoder(
            2,
            architecture=(4,),
            schedule=schedule,
            max_epochs=2,
            batch_size=256,
            random_state=0,
        )
        return model.fit(source, checkpoint=checkpoint)

    whole = fit(None)
    deaths = _killed_every(n_saves, monkeypatch)
    while True:
        try:
            again = fit(Checkpoint(tmp_path / "state", every=0))
            break
        except Killed:
            continue
    _alike(again, whole)
    assert deaths[0] >= 2  # of some 38 steps in two epochs


def test_a_fit_that_has_ended_is_not_done_again(rows: np.ndarray, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, every=0)
    first = Autoencoder(2, **SHORT).fit(rows, checkpoint=checkpoint)
    again = Autoencoder(2, **SHORT).fit(rows, checkpoint=checkpoint)
    _alike(first, again)


def test_without_a_seed_it_goes_on_with_the_one_that_was_drawn(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = _killed_every(5, monkeypatch)
    make = lambda: Autoencoder(2, max_epochs=2)  # noqa: E731
    model = _to_the_end(make, rows, tmp_path)
    assert deaths[0]
    _alike(make().fit(rows, checkpoint=Checkpoint(tmp_path)), model)


def test_a_seed_that_is_asked_for_is_the_seed(rows: np.ndarray, tmp_path: Path) -> None:
    """Whatever a fit without one, of which nothing was kept yet, has drawn in the folder."""
    Session(Checkpoint(tmp_path)).close()
    (tmp_path / "seed.json").write_text("7")
    model = Autoencoder(2, **SHORT).fit(rows, checkpoint=Checkpoint(tmp_path))
    _alike(model, Autoencoder(2, **SHORT).fit(rows))


def test_a_generator_as_random_state_goes_on_in_another_process(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address, which is part of what it is called, is another there."""

    def make() -> Autoencoder:
        return Autoencoder(2, max_epochs=2, random_state=np.random.RandomState(3))

    whole = make().fit(rows)
    deaths = _killed_every(5, monkeypatch)
    _alike(_to_the_end(make, rows, tmp_path), whole)
    assert deaths[0]


def test_a_fit_that_goes_on_from_a_fitted_model_is_another_fit(
    rows: np.ndarray, tmp_path: Path
) -> None:
    model = Autoencoder(2, warm_start=True, **SHORT)
    model.fit(rows, checkpoint=Checkpoint(tmp_path))
    with pytest.raises(CheckpointError, match="another start"):
        model.fit(rows, checkpoint=Checkpoint(tmp_path))
    model.fit(rows, checkpoint=Checkpoint(tmp_path / "second"))


@pytest.mark.parametrize("change", ["setting", "data", "version"])
def test_what_has_changed_is_refused_by_name(
    change: str, rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Autoencoder(2, **SHORT).fit(rows, checkpoint=Checkpoint(tmp_path, every=0))
    model, words = (
        Autoencoder(2, **SHORT),
        {
            "setting": "another setting: loss was 'squared_error' and is 'huber'",
            "data": "another data",
            "version": "another version: narrows was",
        },
    )
    if change == "setting":
        model = Autoencoder(2, loss="huber", **SHORT)
        words["setting"] = "another setting: loss was \"'squared_error'\" and is \"'huber'\""
    elif change == "data":
        rows = rows + 1
    else:
        monkeypatch.setattr(narrows, "__version__", "9.9")
    with pytest.raises(CheckpointError, match=words[change]):
        model.fit(rows, checkpoint=Checkpoint(tmp_path))
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_learned(
    number: int, rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = KINDS["denoising"]
    whole = make().fit(rows)
    is_due, asked = Session.is_due.fget, [0]
    assert is_due is not None

    def signalling(session: Session) -> bool:
        asked[0] += 1
        if asked[0] == 11:
            os.kill(os.getpid(), number)
        return False

    monkeypatch.setattr(Session, "is_due", property(signalling))
    checkpoint = Checkpoint(tmp_path)
    with pytest.warns(InterruptedWarning):
        cut = make().fit(rows, checkpoint=checkpoint)
    assert cut.stop_reason_ == "interrupted"
    assert checkpoint.is_begun
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["phase"], status["processes"], status["epochs"]) == ("joint", 1, 3)
    assert 1 <= status["batch"] <= status["batches"]
    assert status["rows_per_second"] > 0
    assert status["seconds_left"] >= 0
    assert np.isfinite(status["objective"])
    _alike(make().fit(rows, checkpoint=checkpoint), whole)
    assert not (tmp_path / "status.json").exists()  # it has ended
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


N_KILLS = 10


def _started(folder: Path, kind: str) -> Script:
    return Script(fit_and_go_on.__file__, str(folder), kind)


def _killed_at_random(folder: Path, kind: str, chance: np.random.Generator) -> Iterator[int]:
    """Kill a process after it has written a state; yield each death, until a fit has ended."""
    for death in range(N_KILLS):
        process = _started(folder, kind)
        before = set(folder.glob("ck-*"))
        while process.returncode is None and not set(folder.glob("ck-*")) - before:
            time.sleep(0.01)
        time.sleep(float(chance.uniform(0, 0.2)))
        process.send_signal([signal.SIGKILL, signal.SIGTERM, signal.SIGINT][death % 3])
        process.communicate()
        if list(folder.glob("run-*")) and process.returncode == 0:
            return
        yield death


@pytest.mark.slow
@pytest.mark.parametrize("kind", fit_and_go_on.MODELS)
def test_ten_kills_of_every_kind_change_no_bit(kind: str, tmp_path: Path) -> None:
    whole = _started(tmp_path / "whole", kind).communicate()
    assert len(whole.split()) == 1, whole
    chance, deaths, fits = np.random.default_rng(len(kind)), 0, 0
    while deaths < N_KILLS:
        folder = tmp_path / f"cut {fits}"
        killed = sum(1 for _ in _killed_at_random(folder, kind, chance))
        assert _started(folder, kind).communicate() == whole
        deaths, fits = deaths + killed, fits + 1
        assert deaths >= 2 * fits, "the fits end before they can be killed"
