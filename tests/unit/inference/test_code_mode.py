"""The most probable code of rows with holes: known answers, and what it is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from narrows import Autoencoder, Dense, Modules
from narrows.inference import calibration, code_mode
from narrows.inference.code_mode import CodeDistribution


def _linear(seed: int = 0) -> tuple[Tensor, CodeDistribution, Tensor, Tensor]:
    """Return loadings, the distribution of a factor model, rows and which cells were measured."""
    rng = np.random.default_rng(seed)
    loadings = torch.from_numpy(rng.normal(size=(3, 10)))
    root = torch.from_numpy(rng.normal(size=(3, 3)))
    codes = CodeDistribution(
        torch.from_numpy(rng.normal(size=3)),
        root @ root.T + torch.eye(3),
        torch.from_numpy(rng.uniform(0.1, 2, size=10)),
    )
    rows = torch.from_numpy(rng.normal(size=(40, 10)))
    return loadings, codes, rows, torch.from_numpy(rng.random((40, 10)) > 0.4)


def _cost(
    codes: CodeDistribution, y: Tensor, decoded: Tensor, rows: Tensor, observed: Tensor
) -> Tensor:
    """Return minus twice the logarithm of how probable codes are, but for a constant."""
    error = ((decoded - rows).square() / codes.noise).where(observed, 0.0).sum(1)
    away = y - codes.mean
    return error + ((away @ torch.linalg.inv(codes.covariance)) * away).sum(1)


def test_of_a_linear_decoder_it_is_the_posterior_mean() -> None:
    loadings, codes, rows, observed = _linear()
    rows = rows.where(observed, torch.nan)
    mode = codes.mode(lambda y: y @ loadings, torch.zeros(40, 3), rows, observed)
    precision = torch.linalg.inv(codes.covariance)
    for code, row, measured in zip(mode, rows, observed, strict=True):
        own = loadings[:, measured] / codes.noise[measured]
        right_side = own @ row[measured] + precision @ codes.mean
        expected = torch.linalg.solve(own @ loadings[:, measured].T + precision, right_side)
        torch.testing.assert_close(code, expected, rtol=1e-6, atol=1e-6)


def test_a_row_without_any_cell_has_the_mean_code() -> None:
    loadings, codes, rows, observed = _linear()
    mode = codes.mode(lambda y: y @ loadings, torch.ones(40, 3), rows, observed & False)
    torch.testing.assert_close(mode, codes.mean.expand(40, 3), rtol=0, atol=1e-8)


def test_no_code_is_less_probable_than_the_first_guess() -> None:
    """Far from linear, a whole step may lead astray."""
    loadings, codes, rows, observed = _linear(1)

    def decode(y: Tensor) -> Tensor:
        return 3 * torch.sin(2 * y @ loadings)

    def cost(y: Tensor) -> Tensor:
        return _cost(codes, y, decode(y), rows, observed)

    start = torch.from_numpy(np.random.default_rng(2).normal(size=(40, 3)))
    mode = codes.mode(decode, start, rows, observed)
    assert (cost(mode) <= cost(start) + 1e-9).all()
    assert (cost(mode) < 0.8 * cost(start)).double().mean() > 0.7


def test_what_is_near_its_mode_may_stop_there(monkeypatch: pytest.MonkeyPatch) -> None:
    loadings, codes, rows, observed = _linear()

    def decode(y: Tensor) -> Tensor:
        asked.append(len(y))
        return torch.tanh(0.3 * y @ loadings)

    asked: list[int] = []
    early = codes.mode(decode, torch.zeros(40, 3), rows, observed)
    n_early = sum(asked)
    asked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(code_mode, "NEAR", 0.0)
        late = codes.mode(decode, torch.zeros(40, 3), rows, observed)
    assert n_early < 0.9 * sum(asked)
    costs = [_cost(codes, mode, decode(mode), rows, observed) for mode in (early, late)]
    assert (costs[0] - costs[1]).max() < code_mode.NEAR


def test_rows_do_not_depend_on_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    loadings, codes, rows, observed = _linear()

    def mode() -> Tensor:
        return codes.mode(lambda y: torch.tanh(y @ loadings), torch.zeros(40, 3), rows, observed)

    at_once = mode()
    monkeypatch.setattr("narrows.inference.code_mode.BLOCK_CELLS", 1)
    torch.testing.assert_close(mode(), at_once, rtol=1e-9, atol=1e-10)


def test_what_is_learned_is_how_codes_are_and_how_far_off_rows_are() -> None:
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.normal(size=(500, 2)) @ [[2, 0], [1, 1]])
    inputs = torch.from_numpy(rng.normal(size=(500, 4)))
    observed = torch.from_numpy(rng.random((500, 4)) > 0.3)
    decoded = inputs + torch.tensor([0.5, -1.0, 2.0, 0.0])
    learned = CodeDistribution.fit(codes, decoded, inputs.where(observed, torch.nan), observed)
    torch.testing.assert_close(learned.covariance, codes.T.cov(correction=0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(learned.noise[:3], torch.tensor([0.25, 1.0, 4.0]).double())
    assert 0 < float(learned.noise[3]) < 0.01


def _curved(seed: int) -> np.ndarray:
    """Return rows on a bent surface of two dimensions: no linear method knows them."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-1, 1, size=(700, 2))
    mix = np.random.default_rng(9).normal(size=(2, 12))
    return np.sin(2 * hidden @ mix) + 0.05 * rng.normal(size=(700, 12))


@pytest.mark.slow
def test_on_a_bent_surface_it_fills_holes_better_than_the_encoder() -> None:
    X, rows = _curved(0), _curved(1)
    rng = np.random.default_rng(2)
    holed = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    hidden = rng.random(rows.shape) < 0.3
    asked = np.where(hidden, np.nan, rows)
    model = Autoencoder(2, random_state=0).fit(holed)
    stack = model._fitted.stack
    assert stack is not None
    assert stack.codes is not None

    def error(method: str) -> float:
        return float(np.mean((model.impute(asked, method=method) - rows)[hidden] ** 2))

    assert error("stack") < 0.8 * error("network")
    assert error("stack") < error("linear")


def test_hard_codes_and_decoders_that_are_not_dense_have_none() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6))
    binary = Autoencoder(3, architecture=Dense((8,), code_activation="binary"), max_epochs=2)
    assert calibration._most_sought(binary.fit(X)._fitted) == 0
    own = Modules(torch.nn.Linear(6, 3), torch.nn.Linear(3, 6))
    assert calibration._most_sought(Autoencoder(3, architecture=own).fit(X)._fitted) == 0
    assert calibration._most_sought(Autoencoder(3, max_epochs=2).fit(X)._fitted) > 100
