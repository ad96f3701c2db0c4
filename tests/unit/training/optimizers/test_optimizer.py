"""Optimisers: each by name, with its settings, on real rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from narrows import LBFGS, SGD, Adagrad, Adam, AdamW, Autoencoder, ConjugateGradient, Muon, RMSprop
from narrows.core.spec import Spec
from narrows.errors import ParameterError
from narrows.training import runtime
from narrows.training.optimizers import algorithms
from narrows.training.optimizers.algorithms import Orthogonal, orthogonalize
from narrows.training.optimizers.optimizer import TorchOptimizer

NAMED = sorted(set(Spec.members("optimizer")) - {"torch"})


def fitted(X: Any, **settings: Any) -> Autoencoder:
    return Autoencoder(2, **{"max_epochs": 4, "random_state": 0, **settings}).fit(X)


@pytest.mark.parametrize("name", NAMED)
def test_every_optimiser_lowers_the_objective_by_name(name: str, breast_cancer: Any) -> None:
    drawn = {"init": "random"}  # a PCA leaves less to lower
    start = fitted(breast_cancer, optimizer="sgd", learning_rate=1e-12, max_epochs=1, **drawn)
    model = fitted(breast_cancer, optimizer=name, **drawn)
    assert model.score(breast_cancer) > 0.7 * start.score(breast_cancer)
    objectives = [row["objective"] for row in model.history_]
    assert objectives[-1] < objectives[0]
    assert np.isfinite(objectives).all()


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(momentum=0.0, nesterov=True),
        SGD(momentum=0.5, nesterov=False),
        Adagrad(initial=0.1),
        RMSprop(decay=0.99, momentum=0.5),
        Adam(betas=[0.8, 0.99], eps=1e-6),
        AdamW(weight_decay=0.1),
        Muon(momentum=0.9, adam_rate=0.1),
        LBFGS(iterations=5, memory=3),
        ConjugateGradient(iterations=5),
        torch.optim.NAdam,
        torch.optim.RAdam,
        TorchOptimizer(torch.optim.Adam, {"amsgrad": True}),
    ],
    ids=str,
)
def test_every_optimiser_lowers_the_objective_with_other_settings(
    optimizer: Any, breast_cancer: Any
) -> None:
    model = fitted(breast_cancer, optimizer=optimizer)
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]


@pytest.mark.parametrize("name", ["lbfgs", "cg"])
def test_a_line_search_never_makes_the_objective_worse(name: str, breast_cancer: Any) -> None:
    model = fitted(breast_cancer, optimizer=name, precision="float64", max_epochs=6)
    objectives = [row["objective"] for row in model.history_]
    assert objectives == sorted(objectives, reverse=True)


@pytest.mark.parametrize("optimizer", [LBFGS(tolerance=0.1), ConjugateGradient(tolerance=0.1)])
def test_a_full_batch_optimiser_stops_when_it_has_converged(
    optimizer: Any, breast_cancer: Any
) -> None:
    model = fitted(breast_cancer, optimizer=optimizer, max_epochs=200)
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ < 200


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (SGD(momentum=1.0), "optimizer__momentum=1.0 must be a number at least 0 and below 1"),
        (Adagrad(initial=-1), "optimizer__initial=-1"),
        (RMSprop(decay=2), "optimizer__decay=2"),
        (Adam(betas=0.9), r"optimizer__betas=0.9 must be two numbers"),
        (Adam(betas=(0.9, 1.0)), "optimizer__betas=1.0"),
        (Adam(eps=-1), "optimizer__eps=-1"),
        (AdamW(weight_decay=-1), "optimizer__weight_decay=-1"),
        (Muon(adam_rate=0), "optimizer__adam_rate=0"),
        (LBFGS(iterations=0), "optimizer__iterations=0"),
        (LBFGS(memory=0), "optimizer__memory=0"),
        (ConjugateGradient(tolerance=-1), "optimizer__tolerance=-1"),
        (TorchOptimizer(int), "must be a subclass of torch.optim.Optimizer"),
        ("adm", "did you mean 'adam'"),
        (3, "optimizer=3 must be a name or one of the specs"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_by_name(
    optimizer: Any, message: str, breast_cancer: Any
) -> None:
    with pytest.raises(ParameterError, match=message):
        fitted(breast_cancer, optimizer=optimizer)


def test_a_part_that_needs_settings_is_refused_as_a_bare_name(breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match="torch"):
        fitted(breast_cancer, optimizer="torch")
    with pytest.raises(ParameterError, match="sum"):
        fitted(breast_cancer, penalty="sum")


@pytest.mark.parametrize("shape", [(4, 9), (5, 5), (1, 6)])
def test_orthogonalising_brings_singular_values_near_one_and_keeps_directions(
    shape: tuple[int, int],
) -> None:
    generator = torch.Generator().manual_seed(0)
    stack = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    for matrix, found in zip(stack, orthogonalize(stack), strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        core = left.T @ found @ right.T
        values = torch.diagonal(core)
        assert values.min() > 0.3
        assert values.max() < 1.3
        torch.testing.assert_close(core, torch.diag(values), atol=1e-9, rtol=0)


@pytest.mark.parametrize("coarse", [False, True])
def test_muon_moves_matrices_together_as_it_moves_them_apart(coarse: bool) -> None:
    def moved(*, together: bool) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(3, 7), (7, 3), (2, 5), (3, 7, 1), (6, 2, 3)]
        held = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        groups = [held] if together else [[parameter] for parameter in held]
        steppers = [Orthogonal(group, lr=0.1, momentum=0.9) for group in groups]
        for stepper in steppers:
            stepper.param_groups[0]["coarse_work"] = 0 if coarse else math.inf
        for _ in range(3):
            for parameter in held:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            for stepper in steppers:
                stepper.step()
        return held

    alike = {"rtol": 0.0, "atol": 1e-2 if coarse else 1e-5}
    for expected, found in zip(moved(together=False), moved(together=True), strict=True):
        torch.testing.assert_close(found, expected, **alike)


def test_muon_rounds_only_where_the_runtime_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []

    def watched(stack: torch.Tensor) -> torch.Tensor:
        seen.append(stack.dtype)
        return orthogonalize(stack)

    monkeypatch.setattr(algorithms, "orthogonalize", watched)
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(runtime, "COARSE_WORK", 10_000)
    X = np.random.default_rng(0).random((64, 30))
    for precision, expected in (
        ("auto", {torch.bfloat16, torch.float32}),
        ("float32", {torch.float32}),
    ):
        seen.clear()
        fitted(X, optimizer="muon", architecture=(30,), precision=precision, max_epochs=1)
        assert set(seen) == expected


def test_gradients_longer_than_max_grad_norm_are_shortened_to_it(breast_cancer: Any) -> None:
    def moved(norm: float | None) -> float:
        settings: dict[str, Any] = {
            "optimizer": SGD(momentum=0.0),
            "batch_size": 569,
            "max_epochs": 1,
            "max_grad_norm": norm,
        }
        still = fitted(breast_cancer, learning_rate=1e-30, **settings)
        model = fitted(breast_cancer, learning_rate=1e-2, **settings)
        pairs = zip(still.network_.parameters(), model.network_.parameters(), strict=True)
        return float(sum((a - b).detach().square().sum() for a, b in pairs)) ** 0.5 / 1e-2

    free = moved(None)
    assert free > 0.5
    assert moved(free / 4) == pytest.approx(free / 4, rel=1e-3)
    assert moved(free * 4) == pytest.approx(free, rel=1e-3)


@pytest.mark.parametrize("norm", [0, -1, float("nan"), "1"])
def test_a_norm_that_cannot_be_is_refused(norm: Any, breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match=r"max_grad_norm=.* above 0"):
        fitted(breast_cancer, max_grad_norm=norm)


def test_a_mistyped_auto_is_told_of_auto(breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match=r"must be one of 'auto', 'sgd'.*did you mean 'auto'"):
        fitted(breast_cancer, optimizer="atuo")
