"""Whatever is composed, training without autograd moves the weights as training with it does."""

from __future__ import annotations

import collections
import functools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import Autoencoder
from narrows.core import products
from narrows.core.notation import parse
from narrows.core.spec import Spec
from narrows.errors import NarrowsError
from narrows.training.compiled import dense_gradients
from narrows.training.step import Step

N_ROWS, QUICK, ALL = 26, 30, 600

# Settings that suit a small table; the name of a part alone where its defaults do.
SETTINGS: dict[str, dict[str, list[str]]] = {
    "architecture": {
        "dense": [
            "Dense((7,))",
            "Dense((7, 5), activation='tanh')",
            "Dense((6,), activation='selu', tied=True)",
            "Dense((5,), activation='sigmoid', code_activation='sigmoid')",
            "Dense(())",
        ],
        "convolutional": ["Convolutional('signal', channels=(2,))"],
        "recurrent": ["Recurrent('signal', hidden=(3,))"],
    },
    "latent": {"k_sparse": ["KSparse(k=2)"]},
    "penalty": {
        "adversarial": ["Adversarial(hidden=(4,))"],
        "sum": ["WeightDecay(1e-2) + MMD()", "WeightDecay(1e-2) + Sparsity(kind='l1')"],
        "sparsity": ["Sparsity()", "Sparsity(kind='l1')"],
    },
    "corruption": {
        "masking": ["Masking(0.3)", "Masking(count=2)"],
        "sum": ["ViewDropout(0.3) + GaussianNoise(0.2)", "Masking(0.2) + Swap(0.2)"],
    },
    "schedule": {
        "layerwise": ["Layerwise(epochs=1, finetune=1)"],
        "decomposition": ["Decomposition(rounds=2)"],
    },
    "loss": {"emphasis": ["Emphasis()", "Emphasis('huber')"]},
}
# Of every axis, what is not drawn and why.
LEFT_OUT = {
    "optimizer": {
        "lbfgs": "a line search magnifies the last digit",
        "cg": "a line search magnifies the last digit",
        "torch": "stands for classes of the user's",
    },
    "architecture": {"modules": "no text names a module, and autograd trains them anyway"},
    "corruption": {"cauchy": "its largest draws saturate everything"},
}
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
TYPES = {
    "t": "categorical",
    "u": "binary",
    "x4": "count",
    "x3": "ordinal",
    "x2": "proportion",
    "x1": "angle",
}
TABLES = ("plain", "plain", "views", "types", "views and types")


def members(axis: str) -> list[str]:
    """Return the names of an axis that are drawn, found in the register.

    In an order of their own: that of the register is the one in which modules were imported.
    """
    own = [n for n, part in Spec.members(axis).items() if part.__module__.startswith("narrows.")]
    return sorted(name for name in own if name not in LEFT_OUT.get(axis, {}))


def drawn(number: int) -> tuple[dict[str, Any], str, bool, bool]:
    """Return a composition, the kind of table, and whether rows have weights, and cells holes.

    The usual choice of an axis is as likely as all the others together, so that most go together.
    """
    generator = np.random.default_rng(number)
    settings: dict[str, Any] = {}
    for axis in AXES:
        if generator.random() < 0.5:
            continue
        name = str(generator.choice(members(axis)))
        options = SETTINGS.get(axis, {}).get(name, [f"{Spec.members(axis)[name].__name__}()"])
        settings[axis] = parse(str(generator.choice(options)))
    settings.setdefault("architecture", parse("Dense((7,))"))
    # Adam divides gradients by their size. Of a unit that is silent at first they are no more than
    # rounding, which a larger eps leaves as small as it is.
    settings.setdefault("optimizer", parse("Adam(eps=1e-6)"))
    kind = str(generator.choice(TABLES))
    if "views" in kind:
        settings["views"] = {"a": ["x0", "x1", "x2"], "b": ["x3", "x4"], "c": ["x5", "t", "u"]}
    else:
        settings.pop("fusion", None)
    if "types" in kind:
        settings["types"] = {name: TYPES[name] for name in TYPES if generator.random() < 0.7}
    settings["add_indicator"] = bool(generator.random() < 0.15)
    settings["scaling"] = str(generator.choice(["standard", "minmax", "robust", "none"]))
    settings["init"] = str(generator.choice(["auto", "random"]))
    settings["early_stopping"] = bool(generator.random() < 0.2)
    return settings, kind, bool(generator.random() < 0.4), bool(generator.random() < 0.5)


@functools.cache
def table(kind: str, holes: bool) -> pd.DataFrame:
    """Return rows of eight columns in [0, 1]; with types, some hold levels or counts."""
    generator = np.random.default_rng(1)
    X = pd.DataFrame(generator.random((N_ROWS, 8)))
    X.columns = [*(f"x{i}" for i in range(6)), "t", "u"]
    if "types" in kind:
        for name, n_levels in (("t", 3), ("u", 2), ("x3", 4), ("x4", 3)):
            X[name] = generator.integers(0, n_levels, N_ROWS).astype(float)
    if holes:
        X = X.mask(generator.random(X.shape) < 0.2)
        X.iloc[:5, 3:5] = np.nan  # rows without one view
    return X


def trained(
    settings: dict[str, Any], X: pd.DataFrame, sample_weight: Any, precision: str = "float64"
) -> tuple[Autoencoder | None, list[bool]]:
    """Return the model after some six steps, and which of them went without autograd.

    None in place of a model whose parts do not go together.
    """
    went: list[bool] = []
    model = Autoencoder(3, batch_size=9, max_epochs=2, precision=precision, random_state=0)
    model.set_params(**settings)
    plain = Step._backward

    def watched(self: Step, *given: Any) -> Any:
        went.append(self.fused is not None)
        return plain(self, *given)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(Step, "_backward", watched)
        y = np.arange(N_ROWS) % 3 - 1
        try:
            return model.fit(X, y, sample_weight=sample_weight), went
        except NarrowsError:
            return None, went


def compared(number: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Train a drawn composition both ways; return how it went."""
    settings, kind, weighted, holes = drawn(number)
    X = table(kind, holes)
    weight = np.random.default_rng(2).random(N_ROWS) + 0.1 if weighted else None
    fast, went = trained(settings, X, weight)
    if fast is None:
        return "refused"
    with monkeypatch.context() as patch:
        patch.setattr(dense_gradients, "reason", lambda network: "autograd is asked for")
        slow, by_autograd = trained(settings, X, weight)
    assert slow is not None
    assert not any(by_autograd)
    for (name, value), expected in zip(
        fast.network_.named_parameters(), slow.network_.parameters(), strict=True
    ):
        torch.testing.assert_close(
            value, expected, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}\n{settings}"
        )
    objectives = [[row["objective"] for row in model.history_] for model in (fast, slow)]
    np.testing.assert_allclose(*objectives, rtol=1e-9, err_msg=str(settings))
    return "without autograd" if any(went) else "by autograd"


@pytest.mark.parametrize(
    "first",
    [pytest.param(n, marks=[] if n == 0 else pytest.mark.slow) for n in range(0, ALL, QUICK)],
)
def test_weights_move_as_with_autograd(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = collections.Counter(compared(first + n, monkeypatch) for n in range(QUICK))
    assert ways["without autograd"] > QUICK / 5, ways
    assert ways["refused"] < 0.6 * QUICK, ways  # of all draws a third is; of so few, up to half


@pytest.mark.skipif(products._linear() is None, reason="torch has no oneDNN here")
def test_weights_move_as_far_by_the_products_of_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    n_made: list[int] = []
    by_onednn = products._by_onednn

    def noted(*given: Any) -> torch.Tensor:
        n_made[-1] += 1
        return by_onednn(*given)

    monkeypatch.setattr(products, "_by_onednn", noted)
    for number in range(QUICK // 2):
        settings, kind, *_ = drawn(number)
        X = table(kind, False)
        models = []
        for is_faster in (False, True):
            n_made.append(0)
            monkeypatch.setattr(products, "WORTH_A_CALL", 1)
            monkeypatch.setattr(products, "FEWEST_COLUMNS", 1)
            monkeypatch.setattr(products, "onednn_is_faster", lambda answer=is_faster: answer)
            models.append(trained(settings, X, None, "float32")[0])
        if models[0] is None:
            continue
        by_torch, by_the_other = (model.network_.state_dict() for model in models if model)
        torch.testing.assert_close(by_the_other, by_torch, rtol=1e-3, atol=1e-3)
    assert not any(n_made[::2])
    assert sum(map(bool, n_made[1::2])) > QUICK / 6, n_made


@pytest.mark.parametrize("axis", AXES)
def test_every_member_of_an_axis_is_drawn(axis: str) -> None:
    choices = [settings[axis] for settings, *_ in map(drawn, range(ALL)) if axis in settings]
    assert {type(choice).name for choice in choices} == set(members(axis))


def test_every_type_of_column_is_drawn() -> None:
    assert {"numeric", *TYPES.values()} == set(members("type"))
