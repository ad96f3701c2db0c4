"""Wide tables are trained in the span of their rows, which is the same training."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Dense, GaussianNoise, View, WeightDecay
from narrows.training import run
from narrows.training.span import Span


def _wide(n_rows: int = 40, n_columns: int = 300) -> Any:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n_rows, 3))
    return np.tanh(hidden @ rng.normal(size=(3, n_columns))) + 0.1 * rng.normal(
        size=(n_rows, n_columns)
    )


class _Noted:
    """`Span` that notes what it was asked for."""

    made: list[Span | None] = []  # noqa: RUF012

    @classmethod
    def of(cls, *arguments: Any) -> Span | None:
        cls.made.append(Span.of(*arguments))
        return cls.made[-1]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Span | None]:
    monkeypatch.setattr(_Noted, "made", [])
    monkeypatch.setattr(run, "Span", _Noted)
    return _Noted.made


@pytest.mark.parametrize("architecture", [Dense(), Dense((64, 32)), Dense(())], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_kept_is_an_ordinary_network_that_says_what_the_small_one_does(
    architecture: Dense, dtype: Any, made: list[Span | None]
) -> None:
    X = _wide().astype(dtype)
    model = Autoencoder(
        3, architecture=architecture, precision="float64", max_epochs=20, random_state=0
    ).fit(X)
    (span,) = made
    assert span is not None
    assert span.table.x.shape == (40, 40)
    small = span.network(span.table.x).raw @ span.basis.T + span.mean
    scaled = torch.from_numpy(model.scaling_.encode(X.astype(np.float64), np.float64))
    assert model.network_.n_features == 300
    with torch.no_grad():
        whole = model.network_(scaled).raw
        torch.testing.assert_close(whole, small, rtol=0, atol=1e-4)
        codes = model.network_.encode(scaled), span.network.encode(span.table.x)
        torch.testing.assert_close(*codes, rtol=0, atol=1e-4)
    lost = float(((whole - scaled) ** 2).mean())
    assert lost < 0.5
    assert model.history_[-1]["loss_per_feature"] == pytest.approx(lost, rel=0.3)


def test_a_step_in_the_span_is_the_step_on_the_columns(made: list[Span | None]) -> None:
    X = _wide()
    model = Autoencoder(3, precision="float64", max_epochs=2, random_state=0).fit(X)
    span = made[0]
    assert span is not None
    scaled = torch.from_numpy(model.scaling_.encode(X, np.float64))
    small, whole = copy.deepcopy(span.network), copy.deepcopy(model.network_)
    span.unfold(small, whole)
    for _ in range(3):
        for network, rows in ((small, span.table.x), (whole, scaled)):
            lost = (network(rows, training=False).raw - rows).square().sum() / len(rows)
            gradients = torch.autograd.grad(lost, list(network.parameters()))
            with torch.no_grad():
                for value, gradient in zip(network.parameters(), gradients, strict=True):
                    value.sub_(1e-5 * gradient)
    unfolded = span.unfold(small, copy.deepcopy(whole))
    for one, other in zip(unfolded.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"corruption": GaussianNoise(0.1)},
        {"penalty": WeightDecay(1e-3)},
        {"loss": "huber"},
        {"loss": "cross_entropy", "scaling": "minmax"},
        {"architecture": Dense((16,), tied=True)},
        {"views": {"a": View(slice(0, 100)), "b": View(slice(100, 300))}},
        {"latent": "gaussian"},
        {"schedule": "layerwise"},
        {"optimizer": "lbfgs"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_trained_on_the_columns(
    settings: dict[str, Any], made: list[Span | None]
) -> None:
    Autoencoder(3, max_epochs=2, random_state=0, **settings).fit(_wide())
    assert made == [None]


def test_holes_and_tables_that_are_not_wide_are_trained_on_the_columns(
    made: list[Span | None],
) -> None:
    X = _wide()
    X[0, 0] = np.nan
    Autoencoder(3, max_epochs=2, random_state=0).fit(X)
    Autoencoder(3, max_epochs=2, random_state=0).fit(_wide()[:, :79])
    assert made == [None, None]


def test_training_that_goes_on_is_on_the_columns(made: list[Span | None]) -> None:
    X = _wide()
    model = Autoencoder(3, max_epochs=2, random_state=0, warm_start=True).fit(X)
    model.fit(X).partial_fit(X)
    assert made[0] is not None
    assert made[1:] == [None, None]


def test_the_optimiser_remembers_no_more_than_there_are_rows(made: list[Span | None]) -> None:
    Autoencoder(3, max_epochs=1, random_state=0).fit(_wide(20, 4000))
    span = made[0]
    assert span is not None
    assert (
        sum(p.numel() for p in span.network.parameters()) < 3 * 256 * 20
    )  # and not 2 * 256 * 4000
