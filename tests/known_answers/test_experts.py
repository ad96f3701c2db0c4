"""Views with posteriors of their own are all trained, in every phase, and absent ones left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, Decomposition, Layerwise
from narrows.data.table import DenseTable
from narrows.training.phase import Phase
from narrows.training.trainer import Trainer

TRAIN, TEST = train_test_split(load_breast_cancer().data, test_size=0.3, random_state=0)
VIEWS = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}


def product(**settings: Any) -> Autoencoder:
    given = {"views": VIEWS, "fusion": "product_of_experts", "random_state": 0, **settings}
    return Autoencoder(4, **given)


@pytest.mark.slow
def test_points_of_all_views_are_trained() -> None:
    """By autograd the code keeps .81 of the variance; .41 where the first view alone is trained."""
    model = product(max_epochs=40).fit(TRAIN)
    explained = {
        row["view"]: row["explained"]
        for row in model.explained_variance(TEST)
        if row["component"] == "total"
    }
    assert explained["all"] > 0.75
    assert min(explained[view] for view in VIEWS) > 0.65


def test_the_objective_of_a_step_is_minus_the_score_of_the_same_weights() -> None:
    settings = {"corruption": None, "batch_size": len(TRAIN), "max_epochs": 1, "balance": "columns"}
    frozen = product(optimizer="sgd", learning_rate=1e-30, **settings).fit(TRAIN)
    assert frozen.history_[0]["objective"] == pytest.approx(-frozen.score(TRAIN), rel=1e-5)


def tables_of(model: Autoencoder, X: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Phase]:
    """Return the phases that a fit was made of, by name."""
    phases: dict[str, Phase] = {}
    run = Trainer._run

    def watched(self: Trainer, phase: Phase, *rest: Any, **named: Any) -> Any:
        phases[phase.name] = phase
        return run(self, phase, *rest, **named)

    monkeypatch.setattr(Trainer, "_run", watched)
    model.fit(X)
    return phases


@pytest.mark.parametrize("architecture", [(8,), (8, 6)])
def test_the_innermost_layer_knows_which_views_a_row_lacks(
    architecture: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    X = TRAIN.copy()
    X[::2, 10:20] = np.nan
    model = product(architecture=architecture, schedule=Layerwise(epochs=2, finetune=1))
    phase = tables_of(model.set_params(max_epochs=2), X, monkeypatch)[
        f"layer {len(architecture) + 1}"
    ]
    table, network = phase.table, phase.network
    assert isinstance(table, DenseTable)
    assert network.experts is not None
    width = architecture[-1]
    assert [len(view) for view in network.experts.views] == [width] * 3
    assert table.observed is not None
    assert not table.observed[::2, width : 2 * width].any()
    assert table.observed[1::2].all()
    assert table.observed[:, :width].all()
    assert list(map(list, table.views)) == [
        list(range(i, i + width)) for i in (0, width, 2 * width)
    ]
    # The code of a row is that which the whole network gives it, with that view left out.
    batch = table.take(torch.arange(40))
    rows = torch.tensor(model.scaling_.encode(X[:40], np.float64), dtype=torch.float32)
    whole = model.network_.encode(rows.nan_to_num(0.0), ~rows.isnan())
    alone = network.encode(model_hidden(model, rows), batch.observed)
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)


def model_hidden(model: Autoencoder, rows: torch.Tensor) -> torch.Tensor:
    hidden = rows.nan_to_num(0.0)
    for block in model.network_.body:
        hidden = block(hidden, ~rows.isnan())
    return hidden


@pytest.mark.parametrize("fusion", ["intermediate", "product_of_experts"])
def test_a_decomposition_knows_the_views(fusion: str) -> None:
    model = product(fusion=fusion, schedule=Decomposition(rounds=3), max_epochs=6).fit(TRAIN)
    assert [row["phase"] for row in model.history_][-1] == "round 3"


def test_a_decomposition_leaves_levels_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.standard_cauchy((200, 4)), columns=list("abcd"))
    X["level"] = pd.Categorical(generator.choice(list("uvwxyz"), 200))
    X["flag"] = generator.random(200) < 0.3
    schedule = Decomposition(0.01, rounds=3)
    model = Autoencoder(2, schedule=schedule, corruption="gaussian", max_epochs=6, random_state=0)
    phases = tables_of(model, X, monkeypatch)
    first, last = phases["round 1"].table, phases["round 3"].table
    assert isinstance(first, DenseTable)
    assert isinstance(last, DenseTable)
    assert torch.equal(first.x[:, 4:], last.x[:, 4:])
    assert (first.x[:, :4] != last.x[:, :4]).any(0).all()
    assert last.without_noise == [4]
    assert last.numbers == (0, 1, 2, 3)


def test_a_table_made_of_a_table_keeps_all_it_knows() -> None:
    x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    known = {
        "sample_weight": torch.ones(5),
        "observed": x > 0.1,
        "target": torch.arange(5),
        "views": ((0, 1), (2,)),
        "without_noise": [1],
        "numbers": (0, 2),
        "fill": torch.ones(3),
    }
    table = DenseTable(x, **known)  # type: ignore[arg-type]
    assert set(vars(table)) == {
        "x",
        "n_rows",
        "n_features",
        *known,
    }  # a new one is tested, too
    assert float(table.high.max()) < 1
    for made in (table.with_values(x + 9), table.with_sample_weight(torch.zeros(5))):
        assert {**vars(made), "x": 0, "sample_weight": 0}.keys() == vars(DenseTable(x)).keys()
    moved = table.with_values(x + 9)
    assert all(vars(moved)[name] is known[name] for name in known)
    assert float(moved.low.min()) > 9  # nothing of the old values is remembered
    codes = table.of_codes(x[:, :2], None, ())
    assert codes.sample_weight is known["sample_weight"]
    assert codes.target is known["target"]
