"""Precision: where products are rounded, and that what is learned is as good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split

from narrows import KL, Autoencoder, Dense, Masking, Recurrent, WeightDecay
from narrows.training import runtime
from narrows.training.compiled.dense_gradients import DenseGradients
from narrows.training.runtime import COARSE_RECURRENT_WORK, COARSE_WORK, resolve

Table = NDArray[Any]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    """Return a list that is told the dtype of the products of every phase."""
    found: list[torch.dtype] = []
    original = DenseGradients.__init__

    def told(
        self: DenseGradients, network: Any, objective: Any, flat: Any, dtype: torch.dtype, rows: Any
    ) -> None:
        found.append(dtype)
        original(self, network, objective, flat, dtype, rows)

    monkeypatch.setattr(DenseGradients, "__init__", told)
    return found


def patches() -> Table:
    """Return the 8 x 8 patches of a photograph, as rows in [0, 1]."""
    image = load_sample_image("china.jpg")[:424, :640] / 255.0
    found: Table = image.reshape(53, 8, 80, 8, 3).swapaxes(1, 2).reshape(-1, 192)
    return found


TABLES = {"digits": lambda: load_digits().data / 16, "patches": patches}


def wide(**settings: Any) -> Autoencoder:
    given = {"batch_size": 256, "max_epochs": 1, "random_state": 0, "scaling": None, **settings}
    return Autoencoder(8, architecture=Dense((512,)), **given)


@pytest.mark.parametrize("has", [False, True])
def test_auto_rounds_where_the_processor_has_units_for_it(
    has: bool, chosen: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: has)
    wide().fit(patches()[:600])
    assert chosen == [torch.bfloat16 if has else torch.float32]


@pytest.mark.parametrize(
    "settings",
    [{"precision": "float32"}, {"batch_size": 32}, {"optimizer": "lbfgs", "batch_size": 600}],
    ids=repr,
)
def test_auto_does_not_round_small_products_nor_under_line_searches(
    settings: dict[str, Any], chosen: list[torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: True)
    wide(**settings).fit(patches()[:600])
    assert chosen == [torch.float32]


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(128, torch.bfloat16), (64, torch.float32)], ids=repr
)
def test_auto_rounds_the_steps_of_large_recurrent_layers_and_no_looks_at_rows(
    n_rows: int, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: True)
    width = 64
    assert (n_rows * 4 * width**2 >= COARSE_RECURRENT_WORK) == (expected == torch.bfloat16)
    found: set[tuple[bool, torch.dtype]] = set()

    def note(layer: torch.nn.Module, given: Any, made: Any) -> None:
        if isinstance(layer, torch.nn.Linear):  # the LSTM itself is not rounded everywhere
            found.add((layer.training, made.dtype))

    X = np.random.default_rng(0).normal(size=(300, 5, 2)).astype(np.float32)
    recurrent = Recurrent(hidden=(width,))
    model = Autoencoder(3, architecture=recurrent, batch_size=n_rows, max_epochs=2)
    hook = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        codes = model.fit(X).transform(X)
    finally:
        hook.remove()
    assert found == {(True, expected), (False, torch.float32)}
    assert codes.dtype == np.float32
    assert {p.dtype for p in model.network_.parameters()} == {torch.float32}


def test_a_processor_without_units_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    automatic = resolve("cpu", "auto")
    for told, expected in (({"avx512_bf16": True}, True), ({"avx2": True}, False)):
        runtime._has_bfloat16.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told, raising=False)
        assert automatic.coarse(COARSE_WORK) == expected
        assert not automatic.coarse(COARSE_WORK - 1)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    runtime._has_bfloat16.cache_clear()
    assert not automatic.coarse(COARSE_WORK)
    runtime._has_bfloat16.cache_clear()


def test_what_the_processor_has_decides_nothing_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: True)
    automatic = runtime.Runtime(torch.device("cuda"), torch.float32, False, automatic=True)
    assert not automatic.coarse(COARSE_WORK)
    monkeypatch.setattr(runtime, "_has_bfloat16", lambda: False)
    assert runtime.Runtime(torch.device("cuda"), torch.float32, True).coarse_work == COARSE_WORK


@pytest.mark.parametrize("name", ["digits", pytest.param("patches", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"scaling": None}, marks=pytest.mark.slow),
        pytest.param(
            {"corruption": Masking(0.2), "penalty": WeightDecay(1e-4)}, marks=pytest.mark.slow
        ),
        pytest.param({"latent": "gaussian", "penalty": KL(0.1)}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "muon", "max_epochs": 3}, marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_rounded_products_learn_as_well_on_held_out_rows(
    name: str, settings: dict[str, Any]
) -> None:
    train, test = train_test_split(TABLES[name](), random_state=0)

    def error(precision: str) -> float:
        """Return the mean over seeds, which alone move it by several percent."""
        errors = []
        for seed in range(3):
            given = {"scaling": "standard", "max_epochs": 8, "random_state": seed, **settings}
            found = wide(precision=precision, **given).fit(train).reconstruct(test)
            errors.append(np.square(found - test).mean())
        return float(np.mean(errors))

    assert error("bfloat16") < 1.02 * error("float32")


@pytest.mark.parametrize("settings", [{}, {"latent": "gaussian"}], ids=repr)
def test_weights_and_results_stay_float32(settings: dict[str, Any]) -> None:
    X = patches()[:600].astype(np.float32)
    model = wide(precision="bfloat16", **settings).fit(X)
    assert {parameter.dtype for parameter in model.network_.parameters()} == {torch.float32}
    assert model.transform(X).dtype == np.float32
    weight = next(model.network_.parameters()).detach()
    assert not torch.equal(weight.bfloat16().float(), weight)
