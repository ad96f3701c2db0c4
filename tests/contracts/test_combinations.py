"""Combinations: parts of different axes go together, or the part that cannot says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import minmax_scale

import narrows
from narrows import Autoencoder
from narrows.core.notation import parse
from narrows.errors import ParameterError

# A few settings of every axis, as a person would write them on the command line.
CHOICES = {
    "architecture": [
        "Dense((6,), activation='tanh', code_activation='sigmoid')",
        "Dense((6, 5), activation='selu', tied=True)",
        "Convolutional(channels=(2, 3), code_activation='sigmoid')",
        "Convolutional(channels=(2,), tied=True)",
        "Recurrent(hidden=(5,), code_activation='sigmoid')",
        "Recurrent(hidden=(4,), unit='gru')",
    ],
    "latent": ["Point()", "Gaussian()", "KSparse(k=2)", "BinaryCode()"],
    "loss": [
        "SquaredError()",
        "AbsoluteError()",
        "Huber()",
        "CrossEntropy()",
        "Correntropy()",
        "Emphasis()",
    ],
    "penalty": [
        "none",
        "WeightDecay()",
        "Sparsity()",
        "Sparsity(kind='l1') + WeightDecay()",
        "Contraction()",
        "Contraction(estimator='hutchinson')",
        "KL()",
        "MMD()",
        "Adversarial(hidden=(8,))",
    ],
    "corruption": [
        "none",
        "Masking()",
        "Masking(count=2)",
        "Ones()",
        "SaltAndPepper()",
        "GaussianNoise()",
        "CauchyNoise(0.001)",
        "Swap()",
    ],
    "schedule": ["Joint()", "Layerwise()", "Decomposition()"],
    "optimizer": ["Adam()", "RMSprop()", "LBFGS()"],
}


def pairwise(choices: dict[str, list[str]]) -> list[dict[str, str]]:
    """Return combinations in which every two choices of different axes meet at least once.

    Greedy: each combination is begun with a pair that has not met, and completed axis by axis with
    what meets the most that is new.
    """
    axes = list(choices)
    open_pairs = {
        ((one, a), (other, b))
        for one, other in itertools.combinations(axes, 2)
        for a in choices[one]
        for b in choices[other]
    }
    found = []
    while open_pairs:
        chosen = dict(min(open_pairs))
        for axis in axes:
            if axis not in chosen:
                chosen[axis] = max(
                    choices[axis],
                    key=lambda option, axis=axis, chosen=chosen: sum(
                        tuple(sorted([(axis, option), met], key=lambda pair: axes.index(pair[0])))
                        in open_pairs
                        for met in chosen.items()
                    ),
                )
        whole = {axis: chosen[axis] for axis in axes}
        open_pairs -= set(itertools.combinations(whole.items(), 2))
        found.append(whole)
    return found


# What the parts refuse; docs/reference.md lists the same for users.
REFUSED: dict[str, Callable[[dict[str, str]], bool]] = {
    "KL needs a distribution": lambda c: "KL" in c["penalty"] and "Gaussian" not in c["latent"],
    "KSparse and BinaryCode have their own activation": lambda c: (
        "code_activation" in c["architecture"] and c["latent"].startswith(("KSparse", "Binary"))
    ),
    "Sparsity needs a code with a low end": lambda c: (
        c["penalty"] == "Sparsity()"
        and "code_activation" not in c["architecture"]
        and "Binary" not in c["latent"]
    ),
    "a critic needs mini-batches": lambda c: (
        "Adversarial" in c["penalty"] and c["optimizer"] == "LBFGS()"
    ),
}


def refused(combination: dict[str, str]) -> bool:
    return any(rule(combination) for rule in REFUSED.values())


COMBINATIONS = pairwise(CHOICES)


def made(combination: dict[str, str]) -> Autoencoder:
    settings = {axis: parse(text) for axis, text in combination.items()}
    return Autoencoder(3, scaling=None, batch_size=16, max_epochs=2, random_state=0, **settings)


@pytest.fixture(scope="module")
def table(breast_cancer: Any) -> np.ndarray:
    return minmax_scale(breast_cancer[:48, :8]).astype(np.float32)


@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
@pytest.mark.parametrize("number", range(len(COMBINATIONS)))
def test_a_combination_fits_or_is_refused(number: int, table: np.ndarray, tmp_path: Path) -> None:
    combination = COMBINATIONS[number]
    model = made(combination)
    if refused(combination):
        with pytest.raises(ParameterError):
            model.fit(table)
        return
    model.fit(table)
    numbers = [v for row in model.history_ for v in row.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all(), combination
    for row in model.history_:
        parts = [row["loss"], *(row[name] for name in row if name in known_terms(model))]
        assert row["objective"] == pytest.approx(sum(parts), rel=1e-5, abs=1e-6)
    code = model.transform(table)
    assert code.shape == (48, 3)
    assert model.reconstruct(table).shape == table.shape
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(table), code)
    np.testing.assert_array_equal(again.inverse_transform(code), model.inverse_transform(code))
    twin = clone(model).fit(table)
    np.testing.assert_array_equal(twin.transform(table), code)


def known_terms(model: Autoencoder) -> list[str]:
    return [] if model.penalty is None else list(model.penalty.terms())


def test_every_two_choices_meet() -> None:
    for one, other in itertools.combinations(CHOICES, 2):
        for a, b in itertools.product(CHOICES[one], CHOICES[other]):
            assert any(c[one] == a and c[other] == b for c in COMBINATIONS)


def test_most_combinations_go_together() -> None:
    assert sum(map(refused, COMBINATIONS)) < len(COMBINATIONS) / 2
