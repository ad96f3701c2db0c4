"""Combinations: parts of different axes go together, or the part that cannot says so."""

from __future__ import annotations

import itertools
import pickle  # noqa: TID251 - users pickle estimators
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import minmax_scale

import narrows
from lanes import few
from narrows import Autoencoder
from narrows.core.notation import parse
from narrows.core.spec import Spec
from narrows.errors import ParameterError

AXES = (
    "architecture",
    "latent",
    "fusion",
    "loss",
    "penalty",
    "corruption",
    "schedule",
    "optimizer",
    "learning_rate",
)
# Where a member is not tried with its defaults, or with more than these.
SETTINGS: dict[str, list[str]] = {
    "architecture/dense": [
        "Dense((6,), activation='tanh', code_activation='sigmoid')",
        "Dense((6, 5), activation='selu', tied=True)",
    ],
    "architecture/convolutional": [
        "Convolutional('signal', channels=(2, 3), code_activation='sigmoid')",
        "Convolutional('signal', channels=(2,), tied=True)",
    ],
    "architecture/recurrent": [
        "Recurrent('signal', hidden=(5,), code_activation='sigmoid')",
        "Recurrent('signal', hidden=(4,), unit='gru')",
    ],
    "latent/k_sparse": ["KSparse(k=2)"],
    "penalty/sum": ["Sparsity(kind='l1') + WeightDecay()"],
    "penalty/contraction": ["Contraction()", "Contraction(estimator='hutchinson')"],
    "penalty/adversarial": ["Adversarial(hidden=(8,))"],
    "corruption/cauchy": ["CauchyNoise(0.001)"],
    "corruption/masking": ["Masking()", "Masking(count=2)"],
    "corruption/sum": ["ViewDropout(0.3) + GaussianNoise(0.2)", "Masking(0.2) + Swap(0.2)"],
}
# What no text names.
LEFT_OUT = {"architecture/modules", "optimizer/torch"}
ALSO = {"penalty": ["none"], "corruption": ["none"]}
TABLES = {"views": ["none", "two"], "types": ["none", "several"]}


def choices() -> dict[str, list[str]]:
    """Return settings of every axis, as a person would write them, found in the register."""
    found: dict[str, list[str]] = {}
    for axis in AXES:
        found[axis] = [*ALSO.get(axis, [])]
        for name, cls in Spec.members(axis).items():
            if cls.__module__.startswith("narrows.") and f"{axis}/{name}" not in LEFT_OUT:
                found[axis] += SETTINGS.get(f"{axis}/{name}", [f"{cls.__name__}()"])
    return found | TABLES


CHOICES = choices()


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
        "Adversarial" in c["penalty"] and c["optimizer"] in ("LBFGS()", "ConjugateGradient()")
    ),
    "covariates are beside rows of columns, whose layers are trained together": lambda c: (
        "Independence" in c["penalty"]  # which is fitted with one
        and (
            not c["architecture"].startswith("Dense")
            or "Layerwise" in c["schedule"]
            or (c["views"] == "two" and c["fusion"] not in ("Early()", "Intermediate()"))
        )
    ),
    "Neighbors needs a code that can be everywhere": lambda c: (
        "Neighbors" in c["penalty"]
        and ("code_activation" in c["architecture"] or "Binary" in c["latent"])
    ),
    "only views can be hidden": lambda c: "ViewDropout" in c["corruption"] and c["views"] == "none",
    "a decoder that is no mirror has no tied weights": lambda c: (
        c["views"] == "two" and c["fusion"] == "SharedPrivate()" and "tied" in c["architecture"]
    ),
    "a mixture is one of distributions": lambda c: (
        c["views"] == "two" and c["fusion"].startswith("Mixture") and "Gaussian" not in c["latent"]
    ),
}


def refused(combination: dict[str, str]) -> bool:
    return any(rule(combination) for rule in REFUSED.values())


COMBINATIONS = pairwise(CHOICES)


VIEWS = {"left": slice(0, 4), "right": slice(4, 8)}
TYPES = {0: "ordinal", 1: "count", 2: "proportion", 3: "angle", 4: "binary", 5: "categorical"}


def made(combination: dict[str, str]) -> Autoencoder:
    settings: dict[str, Any] = {axis: parse(combination[axis]) for axis in AXES}
    settings["views"] = None if combination["views"] == "none" else VIEWS
    settings["types"] = None if combination["types"] == "none" else TYPES
    settings["covariates"] = [7] if "Independence" in combination["penalty"] else None
    return Autoencoder(3, scaling=None, batch_size=16, max_epochs=2, random_state=0, **settings)


@pytest.fixture(scope="module")
def tables(breast_cancer: Any) -> dict[str, np.ndarray]:
    plain = minmax_scale(breast_cancer[:48, :8]).astype(np.float32)
    typed = plain.copy()
    for column, kind in TYPES.items():
        if kind in ("ordinal", "count", "categorical"):
            typed[:, column] = np.digitize(plain[:, column], [0.3, 0.5])
        elif kind == "binary":
            typed[:, column] = plain[:, column] > 0.4
    return {"none": plain, "several": typed}


@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
@pytest.mark.parametrize("number", few(range(len(COMBINATIONS)), lambda number: number % 3 == 0))
def test_a_combination_fits_or_is_refused(
    number: int, tables: dict[str, np.ndarray], tmp_path: Path
) -> None:
    combination = COMBINATIONS[number]
    model, table = made(combination), tables[combination["types"]]
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
    back = np.asarray(model.reconstruct(table))
    assert back.shape == table.shape
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(table), code)
    np.testing.assert_array_equal(again.inverse_transform(code), model.inverse_transform(code))
    twin = clone(model).fit(table)
    np.testing.assert_array_equal(twin.transform(table), code)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.transform(table), code)
    model.set_params(**{axis: object() for axis in AXES}, n_components=7, scaling="minmax")
    np.testing.assert_array_equal(model.transform(table), code)
    np.testing.assert_array_equal(model.reconstruct(table), back)


def known_terms(model: Autoencoder) -> list[str]:
    return list(model._fitted.objective.terms)


def test_every_two_choices_meet() -> None:
    for one, other in itertools.combinations(CHOICES, 2):
        for a, b in itertools.product(CHOICES[one], CHOICES[other]):
            assert any(c[one] == a and c[other] == b for c in COMBINATIONS)


def test_most_combinations_go_together() -> None:
    assert sum(map(refused, COMBINATIONS)) < len(COMBINATIONS) / 2
