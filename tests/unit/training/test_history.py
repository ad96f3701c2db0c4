"""History and progress: what a fit says about itself, and where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Checkpoint, Masking, WeightDecay
from narrows.training import history, progress
from narrows.training.history import EpochMeter
from narrows.training.progress import Bar, Lines, Silent


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_parts_of_a_row_add_up_to_its_objective(
    optimizer: str, early_stopping: bool, breast_cancer: Any
) -> None:
    model = Autoencoder(
        2,
        penalty=WeightDecay(1e-2) + WeightDecay(1e-3),
        corruption=Masking(0.1),
        optimizer=optimizer,
        early_stopping=early_stopping,
        max_epochs=4,
        random_state=0,
    ).fit(breast_cancer)
    parts = ("loss", "weight_decay", "weight_decay_2")
    for number, row in enumerate(model.history_, start=1):
        assert sum(row[name] for name in parts) == pytest.approx(row["objective"], rel=1e-9)
        assert row["loss_per_feature"] == pytest.approx(row["loss"] / 30)
        assert (row["phase"], row["epoch"]) == ("joint", number)
        assert row["seconds"] > 0
        assert row["learning_rate"] > 0
        if early_stopping:
            held_out = sum(row[f"valid_{name}"] for name in parts)
            assert held_out == pytest.approx(row["valid_objective"], rel=1e-9)
    assert model.n_iter_ == len(model.history_)


def test_the_validation_loss_is_that_of_rows_without_noise(breast_cancer: Any) -> None:
    model = Autoencoder(
        2,
        corruption=Masking(0.9),
        early_stopping=True,
        validation_fraction=0.5,
        max_epochs=1,
        learning_rate=1e-12,
        optimizer="sgd",
        scaling="none",
        init="random",
        random_state=0,
    ).fit(np.full((40, 5), 2.0, dtype=np.float32))
    row = model.history_[0]
    assert row["valid_loss"] == pytest.approx(-model.score(np.full((3, 5), 2.0)), rel=1e-5)
    assert row["valid_loss"] != pytest.approx(row["loss"], rel=1e-5)


def test_a_fit_is_silent_unless_asked(
    breast_cancer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    Autoencoder(2, max_epochs=2).fit(breast_cancer)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_a_pipe_gets_one_line_per_epoch_on_stderr_and_nothing_on_stdout(
    verbose: int, breast_cancer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Autoencoder(2, max_epochs=3, verbose=verbose, early_stopping=True).fit(breast_cancer)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    for line in lines:
        assert "objective" in line
        assert "valid" in line
        assert line.endswith("rows/s")


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_terminal_gets_a_bar_on_stderr_and_nothing_on_stdout(
    verbose: int,
    breast_cancer: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    Autoencoder(2, max_epochs=3, verbose=verbose).fit(breast_cancer)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("epoch 3/3" in err) or verbose == 1


def test_which_progress_is_shown_depends_on_verbosity_and_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert type(progress.make(0)) is Silent
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert type(progress.make(1)) is Lines
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert type(progress.make(2)) is Bar


@pytest.mark.parametrize("terminal", [False, True])
def test_partial_fit_shows_its_pass_too(
    terminal: bool,
    breast_cancer: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "dumb")
    model = Autoencoder(2, verbose=2).partial_fit(breast_cancer)
    assert model.n_iter_ == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "objective" in err


def test_a_bar_says_how_long_ago_the_state_was_kept(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts: list[str] = []

    class Listening(Bar):
        def _show(self, now: float) -> None:
            super()._show(now)
            assert self._bar is not None
            texts.append(self._bar.tasks[-1].fields["rate"])

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress, "Bar", Listening)
    model = Autoencoder(2, max_epochs=3, verbose=1)
    model.fit(breast_cancer)
    assert "kept" not in texts[-1]
    model.fit(breast_cancer, checkpoint=Checkpoint(tmp_path, every=0))
    assert texts[-1].endswith(" rows/s  kept 0 s ago")


def test_lines_say_what_training_waited_for() -> None:
    row = {"objective": 1.0, "seconds": 10.0, "waiting_seconds": 0.1, "exchange_seconds": 4.0}
    assert progress.describe(row) == "objective 1  exchange 40%"
    assert progress.describe({**row, "waiting_seconds": 3.0}).endswith(
        "waiting for rows 30%  exchange 40%"
    )


def test_a_bar_is_taken_off_when_a_fit_fails(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    class Failing(Silent):
        def epoch(self, row: Any) -> None:
            raise RuntimeError("no more")

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(progress, "make", lambda verbose: Failing())
    with pytest.raises(RuntimeError, match="no more"):
        Autoencoder(2, max_epochs=2).fit(breast_cancer)
    assert closed == [True]


def test_many_batches_become_few_tensors_and_the_same_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One small tensor for each of millions of batches would fill the memory."""
    rng = np.random.default_rng(0)
    batches = [(torch.tensor(rng.normal(size=2)).float(), int(n)) for n in rng.integers(1, 9, 500)]

    def counted() -> tuple[EpochMeter, dict[str, float]]:
        meter = EpochMeter(["loss", "penalty"])
        for parts, n_rows in batches:
            meter.add(parts.unbind(), n_rows)
            meter.note({"critic": parts[0]})
        return meter, meter.means()

    _, plain = counted()
    monkeypatch.setattr(history, "MOST_PARTS", 64)
    meter, folded = counted()
    assert folded == plain
    assert len(meter.state()["parts"]) < 64
    again = EpochMeter(["loss", "penalty"])
    again.load(meter.state())
    assert again.means() == plain
