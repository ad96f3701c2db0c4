"""The harness behind docs/benchmarks.md: it compares like with like, and says what is left out."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lanes import few

ROOT = Path(__file__).parents[2]
KINDS = ["W3", "W5", "W6", "W7", "W8", "W9"]
SHORT = {"W3", "W6", "W9"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of benchmarks/speed."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda name: importlib.import_module(f"speed.{name}")


@pytest.mark.parametrize("name", few(KINDS, SHORT.__contains__))
def test_the_loop_by_hand_minimises_what_narrows_does(load: Any, name: str) -> None:
    """With narrows' weights in it, the hand-written network has the same objective."""
    workload = load("workloads").WORKLOADS[name]
    X = workload.table()[: workload.batch_size]
    model = load("ours").model(replace(workload, epochs=1)).fit(X)
    network = load("networks").network(workload, X.shape[1])
    copy_weights(model.network_, network)
    x = torch.from_numpy(X)
    with torch.no_grad():
        ours = float(model._fitted.objective(model.network_(x)).total)
        by_hand = float(network.objective(x))
    summed = workload.kind in ("variational", "contractive")
    assert by_hand * (1 if summed else X.shape[1]) == pytest.approx(ours, rel=1e-4)


def copy_weights(network: Any, into: Any) -> None:
    """Give a hand-written network the weights, and a variational one codes that hardly vary."""
    parameters = list(network.parameters())
    if network.latent.is_distribution:
        with torch.no_grad():
            network.heads[1].bias.fill_(-26.0)  # and -4 that the latent adds
            network.heads[1].weight.zero_()
    assert [p.shape for p in parameters] == [p.shape for p in into.parameters()]
    with torch.no_grad():
        for parameter, value in zip(into.parameters(), parameters, strict=True):
            parameter.copy_(value)
        if network.latent.is_distribution:
            into.log_variance.bias.fill_(-30.0)


@pytest.mark.parametrize("name", few(KINDS, SHORT.__contains__))
def test_both_take_the_same_steps_and_learn(load: Any, name: str) -> None:
    workload = load("workloads").WORKLOADS[name]
    X = workload.table()[: 2 * workload.batch_size + 1]
    loop = load("loops").Loop(workload, X.shape[1])
    ours = load("ours").Narrows(workload, X.shape[1])
    for contender in (loop, ours):
        before = None if contender is ours else squared(contender, X)
        assert contender.fit(X, 2) > 0
        assert before is None or squared(contender, X) < before
    assert ours.model.n_iter_ == 2
    assert next(iter(loop.optimizer.state.values()))["step"] == 2 * 3


def squared(contender: Any, X: Any) -> float:
    return float(np.square(contender.reconstruct(X) - X).mean())


def test_every_row_names_contenders_and_workloads_that_exist(load: Any) -> None:
    rows, contenders = load("rows"), load("contender").CONTENDERS
    workloads = load("workloads").WORKLOADS
    for call in rows.calls(workloads, peers=True):
        assert call.contender in contenders
        assert call.measure in load("contender").MEASURES
    assert {row.workload for row in rows.ROWS} == set(workloads)
    titles = {contender.title for contender in contenders.values() if contender.library}
    assert titles == set(load("peers").REMARKS)


def test_a_library_that_is_absent_is_reported(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contender = load("contender")
    monkeypatch.setattr(contender, "version", lambda library: None)
    found = contender.fit("keras-jax", load("workloads").WORKLOADS["W3"])
    assert found == {"absent": "keras and jax not installed"}


def made(found: dict[str, Any]) -> Any:
    """Return a maker of calls that answers by contender."""
    usual = {"seconds": 2.0, "first": 0.1, "rows": 100, "versions": {}, "error": 0.5}
    return lambda call, threads: {**usual, **found.get(call.contender, {})}


def test_the_page_says_which_library_is_fastest_and_which_was_not_run(load: Any) -> None:
    rows, rounds = load("rows"), load("rounds")
    calls = rows.calls(["W1"], peers=True)
    make = made(
        {
            "narrows": {"seconds": 1.0, "training": 0.5},
            "skorch": {"seconds": 1.9, "error": 3.0},
            "pyod": {"absent": "pyod not installed"},
        }
    )
    measured = rounds.Rounds([c for c in calls if c.measure == "fit"], 2, 1, make)
    beside = next(r for r in rows.ROWS if r.beside == rows.FASTEST and r.ours == "narrows")
    assert rows.row(beside, measured)[1:] == [
        "1.900 s, skorch",
        "1.000 s",
        "1.90",
        "2.20",
        "missed",
        "3.80",  # of training alone
        "4.00",
    ]
    table = rows.beside_peers("W1", measured)[0]
    assert "| PyOD | pyod not installed |" in table
    assert "3.0000 (not as by hand)" in table
    assert len(measured.found[rounds.Call("fit", "pyod", "W1")]) == 1


def test_a_contender_that_breaks_is_reported(load: Any) -> None:
    rounds = load("rounds")
    broken = rounds.answer([sys.executable, "-c", "raise ValueError('no such thing')"], 1)
    assert broken == {"failed": "ValueError: no such thing"}
    found = rounds.answer([sys.executable, "-c", f"print('{json.dumps({'seconds': 1})}')"], 1)
    assert found == {"seconds": 1}


def test_a_section_is_replaced_and_the_others_stay(load: Any, tmp_path: Path) -> None:
    page = load("page")
    path = tmp_path / "benchmarks.md"
    page.put({"Scaling": "one", "Speed": "two\n\n### part"}, path)
    page.put({"Speed": "three"}, path)
    text = path.read_text()
    assert text == page.HEAD + "\n## Speed\n\nthree\n\n## Scaling\n\none\n"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_fit_on_a_gpu_gets_a_row(
    load: Any, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    gpu, workload = load("gpu"), load("workloads").WORKLOADS["W3"]
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    cells = gpu.row("W3", replace(workload, epochs=2), precision, {precision: 1e12}, runs=1)
    assert len(cells) == len(gpu.HEAD)
    assert cells[:2] == ["W3", precision]


def test_a_machine_without_a_gpu_is_told_what_to_do(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["speed.gpu"])
    with pytest.raises(SystemExit, match=r"no CUDA device.*PYTHON="):
        load("gpu").main()


def test_a_profile_says_where_all_of_the_time_went(load: Any) -> None:
    profiling = load("profiling")
    found = profiling.profiled(replace(load("workloads").WORKLOADS["W3"], epochs=2))
    assert found.seconds > found.step / 1e6 > 0
    assert found.kernels > 0
    assert sum(found.shares.values()) == pytest.approx(1)
    assert {profiling.READING, profiling.PRODUCTS, profiling.OPTIMISER} <= set(found.shares)
    assert set(found.shares) <= {*profiling.ORDER, profiling.MONITORING, profiling.REST}


def test_a_series_is_measured_size_by_size(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = load("scaling")
    small = replace(scaling.SERIES["columns"], sizes=(9, 12), rows=lambda size: 300)
    monkeypatch.setitem(scaling.ALL, "columns", small)
    found = scaling.measure("columns", "narrows")
    assert len(found["seconds"]) == 2
    assert found["megabytes"] > 0


def test_pictures_of_scaling_are_small_and_alike_for_alike_numbers(
    load: Any, tmp_path: Path
) -> None:
    scaling = load("scaling")
    series = scaling.SERIES["rows"]
    for name in ("one", "two"):
        path = tmp_path / f"{name}.svg"
        scaling.draw(series, {"by hand": [1.0, 2, 3, 4], "narrows": [2.0, 3, 4, 5]}, path)
        assert path.stat().st_size < 40_000
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_sections_of_other_commands_stay_where_they_are(load: Any, tmp_path: Path) -> None:
    page = load("page")
    path = tmp_path / "benchmarks.md"
    page.put({"Scaling": "c", "Speed": "a"}, path)
    path.write_text(path.read_text().replace("## Scaling", "## Of others\n\nb\n\n## Scaling"))
    page.put({"Speed": "new", "One row": "one", "On a GPU": "d"}, path)
    titles = [line[3:] for line in path.read_text().splitlines() if line.startswith("## ")]
    assert titles == ["Speed", "Of others", "One row", "Scaling", "On a GPU"]
    assert "\nb\n" in path.read_text()
    assert "\na\n" not in path.read_text()
