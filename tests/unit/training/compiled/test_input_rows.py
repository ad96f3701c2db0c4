"""Inputs made of columns are the same, to the bit, whether they are kept or made in each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import Angle, Autoencoder, Categorical, Masking
from narrows.training.compiled import input_rows
from narrows.training.compiled.input_rows import InputRows


def people(n_rows: int = 90) -> pd.DataFrame:
    random = np.random.RandomState(0)
    table = pd.DataFrame(random.randn(n_rows, 3), columns=["a", "b", "c"])
    table["city"] = random.choice(["ulm", "bonn", "kiel"], n_rows)
    table["hour"] = random.uniform(0, 24, n_rows)
    return table.mask(random.rand(*table.shape) < 0.1)


def kept_of(model: Autoencoder, table: pd.DataFrame, dtype: torch.dtype) -> InputRows | None:
    job = model._prepare(table, None, None, fresh=True)
    return InputRows.of(job.run.network.input_layer, job.run.table, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_are_what_the_layer_makes_of_rows(dtype: torch.dtype) -> None:
    model = Autoencoder(2, types={"hour": Angle(24)}, add_indicator=True, random_state=0)
    model.set_params(precision="float32")
    job = model._prepare(people(), None, None, fresh=True)
    layer, table = job.run.network.input_layer, job.run.table
    assert layer is not None
    kept = InputRows.of(layer, table, dtype)
    assert kept is not None
    rows = torch.tensor([4, 88, 0, 17, 17])
    out = torch.full((5, layer.n_out), torch.nan, dtype=dtype)
    assert not kept.put(rows, out)
    assert out.isnan().all()  # nothing was made of a table that may not be gone through again
    assert not kept.put(torch.arange(90), out)
    assert kept.put(rows, out)
    batch = table.take(rows)
    assert torch.equal(out, layer(batch.x, batch.observed).to(dtype))


def test_nothing_is_kept_of_what_changes_or_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept_of(Autoencoder(2), people(), torch.float32) is not None
    learned = Autoencoder(2, types={"city": Categorical(embedding=2)})
    assert kept_of(learned, people(), torch.float32) is None
    assert kept_of(Autoencoder(2), people().iloc[:, :3], torch.float32) is None
    monkeypatch.setattr(input_rows, "MOST_BYTES", 90 * 7 * 4 - 1)
    assert kept_of(Autoencoder(2), people(), torch.float32) is None


@pytest.mark.parametrize("settings", [{}, {"corruption": Masking(0.2)}], ids=repr)
def test_a_fit_has_the_same_bits_without(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Autoencoder(2, types={"hour": Angle(24)}, max_epochs=5, random_state=0, **settings)
    codes = model.fit_transform(people())
    monkeypatch.setattr(input_rows, "MOST_BYTES", 0)
    assert np.array_equal(model.fit_transform(people()), codes)
