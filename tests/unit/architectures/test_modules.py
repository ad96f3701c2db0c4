"""Modules: encoders and decoders of one's own, with everything that narrows adds to them."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - users pickle estimators
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import Tensor, nn

import narrows
from lanes import few
from narrows import Autoencoder, AutoencoderClassifier, Modules, View
from narrows.errors import CompositionError, ParameterError, UnknownNameError

X = np.random.default_rng(0).normal(size=(90, 3)) @ np.random.default_rng(1).normal(size=(3, 8))
VIEWS = {"left": slice(0, 3), "right": slice(3, 8)}


def down(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(n_in, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, n_out)
    )


def up(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 12), nn.ReLU(), nn.Linear(12, n_out))


class Residual(nn.Module):
    """x + f(x), then a change of width; no Sequential."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(n_in, 10), nn.Tanh(), nn.Linear(10, n_in))
        self.outer = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.outer(x + self.inner(x))
        return rows


def model(**settings: Any) -> Autoencoder:
    made = {"architecture": Modules(down, up), "max_epochs": 5, "random_state": 0}
    return Autoencoder(**{"n_components": 2, **made, **settings})


COMPOSITIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "variational": {"latent": "gaussian", "penalty": "kl"},
    "contractive": {"penalty": "contraction"},
    "denoising": {"corruption": "masking", "penalty": "weight_decay"},
    "layer by layer": {"schedule": "layerwise"},
    "early stopping": {"early_stopping": True},
    "a line search": {"optimizer": "lbfgs"},
    "indicators": {"add_indicator": True},
    "levels": {"types": {0: "ordinal"}},
    "views": {"views": VIEWS},
    "experts": {"views": VIEWS, "fusion": "product_of_experts", "latent": "gaussian"},
    "shared and private": {"views": VIEWS, "fusion": "shared_private", "n_components": 3},
    "no Sequential": {"architecture": Modules(Residual, Residual), "latent": "gaussian"},
}


def table(settings: dict[str, Any]) -> np.ndarray:  # type: ignore[type-arg]
    if "types" not in settings:
        return X
    return np.column_stack([np.digitize(X[:, 0], [-1, 1]), X[:, 1:]])


@pytest.mark.parametrize("name", few(COMPOSITIONS, [*COMPOSITIONS][::2].__contains__))
def test_modules_go_with_everything(name: str, tmp_path: Path) -> None:
    settings = COMPOSITIONS[name]
    rows, state = table(settings), torch.get_rng_state()
    fitted = model(**settings).fit(rows)
    codes = fitted.transform(rows)
    assert np.isfinite(codes).all()
    assert torch.equal(torch.get_rng_state(), state)
    again = clone(fitted).fit(rows)
    np.testing.assert_array_equal(codes, again.transform(rows))
    np.testing.assert_array_equal(codes, fitted.transform(rows))  # no dropout any more
    np.testing.assert_array_equal(codes, pickle.loads(pickle.dumps(fitted)).transform(rows))
    fitted.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model", architecture=fitted.architecture)
    np.testing.assert_array_equal(codes, loaded.transform(rows))
    np.testing.assert_array_equal(fitted.reconstruct(rows), loaded.reconstruct(rows))
    seeded = clone(fitted).set_params(random_state=1).fit(rows)
    assert not np.array_equal(codes, seeded.transform(rows))


def test_the_objective_falls_as_it_does_by_hand() -> None:
    """Plain gradient steps on the same module, whose weights a fit begins with."""
    encoder, decoder = nn.Linear(8, 2), nn.Linear(2, 8)
    rows = (X - X.mean(0)) / X.std(0)
    fitted = Autoencoder(
        2,
        architecture=Modules(encoder, decoder),
        optimizer=narrows.SGD(momentum=0.0),
        learning_rate=0.01,
        batch_size=90,
        max_epochs=7,
        precision="float64",
        random_state=0,
    ).fit(X)
    by_hand = copy.deepcopy(nn.Sequential(encoder, decoder)).double()
    x = torch.from_numpy(rows)
    for row in fitted.history_:
        by_hand.zero_grad()
        loss = (by_hand(x) - x).square().sum() / len(x)
        loss.backward()
        assert row["loss"] == pytest.approx(loss.item(), rel=1e-9)
        with torch.no_grad():
            for parameter in by_hand.parameters():
                parameter.sub_(0.01 * parameter.grad)  # type: ignore[arg-type]
    for mine, own in zip(by_hand.parameters(), fitted.network_.parameters(), strict=True):
        torch.testing.assert_close(own, mine)


def test_modules_that_are_given_stay_as_they_are() -> None:
    encoder, decoder = nn.Linear(8, 2), nn.Linear(2, 8)
    before = copy.deepcopy(encoder.state_dict())
    model(architecture=Modules(encoder, decoder)).fit(X)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])


def test_statistics_of_layers_are_kept(tmp_path: Path) -> None:
    fitted = model(early_stopping=True).fit(X)
    (norm,) = [m for m in fitted.network_.modules() if isinstance(m, nn.BatchNorm1d)]
    assert norm.running_mean is not None
    assert float(norm.running_mean.abs().max()) > 0
    assert not norm.training
    fitted.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model", architecture=Modules(down, up))
    (other,) = [m for m in loaded.network_.modules() if isinstance(m, nn.BatchNorm1d)]
    assert torch.equal(norm.running_mean, other.running_mean)  # type: ignore[arg-type]


def test_each_view_may_have_modules_of_any_width(tmp_path: Path) -> None:
    views = {
        "left": View(slice(0, 3), architecture=Modules(nn.Linear(3, 5), nn.Linear(5, 3))),
        "right": View(slice(3, 8), architecture=Modules(down, up)),
    }
    fitted = model(views=views, architecture="dense").fit(X)
    assert np.isfinite(fitted.translate(X[:, :3], to="right")).all()
    fitted.save(tmp_path / "model")
    with pytest.raises(UnknownNameError, match=r"load\(folder, views=\.\.\.\)"):
        narrows.load(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model", views=views)
    np.testing.assert_array_equal(fitted.transform(X), loaded.transform(X))


def test_a_head_goes_on_top_of_them(tmp_path: Path) -> None:
    y = (X[:, 0] > 0).astype(int)
    fitted = AutoencoderClassifier(model(), max_epochs=5, random_state=0).fit(X, y)
    fitted.save(tmp_path / "model")
    loaded = narrows.load(tmp_path / "model", architecture=Modules(down, up))
    np.testing.assert_array_equal(fitted.predict_proba(X), loaded.predict_proba(X))


def test_they_are_searched_over() -> None:
    search = GridSearchCV(model(), {"architecture__output_activation": [None, "tanh"]}, cv=2)
    assert search.fit(X).best_params_["architecture__output_activation"] in (None, "tanh")


def test_a_folder_says_what_it_needs(tmp_path: Path) -> None:
    fitted = model().fit(X)
    fitted.save(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert 'narrows.load("this folder", architecture=Modules(...))' in card
    assert " at 0x" not in card
    needs = r"architecture=Modules\(\.\.\.\), made of code .*load\(folder, architecture=Modules"
    with pytest.raises(UnknownNameError, match=needs):
        narrows.load(tmp_path / "model")
    with pytest.raises(narrows.errors.ModelFileError):
        narrows.load(tmp_path / "model", architecture=Modules(up, down))
    with pytest.raises(ParameterError, match="penalty= is given, but the folder has no penalty"):
        narrows.load(tmp_path / "model", penalty="kl")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (nn.Linear(7, 2), "encoder .* fails on rows of 8 numbers: mat1 and mat2"),
        (nn.Linear(8, 3), r"maps 2 rows of 8 numbers to \(2, 3\), but has to map them to \(2, 2\)"),
        (nn.LSTM(8, 2), "maps 2 rows of 8 numbers to tuple"),
        (nn.Unflatten(1, (2, 4)), r"maps 2 rows of 8 numbers to \(2, 2, 4\)"),
    ],
)
def test_what_does_not_map_rows_to_codes_is_refused(encoder: nn.Module, message: str) -> None:
    with pytest.raises(CompositionError, match=message):
        model(architecture=Modules(encoder, nn.Linear(2, 8))).fit(X)


@pytest.mark.parametrize("wrong", [3, "dense", lambda n_in, n_out: None])
def test_what_is_no_module_is_refused(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"architecture__decoder must be a torch.nn.Module"):
        model(architecture=Modules(down, wrong)).fit(X)


@pytest.mark.parametrize(
    ("axis", "value", "line"),
    [
        ("loss", nn.functional.smooth_l1_loss, "return smooth_l1_loss(forward.reconstruction, f"),
        ("loss", nn.MSELoss(), "class MyLoss(Loss):"),
        ("penalty", lambda code: 0.0, "return my_function(forward.code)"),
        ("corruption", np.abs, "class MyCorruption(Corruption):"),
        ("architecture", nn.Linear(8, 2), "architecture=narrows.Modules(Linear, decoder)"),
    ],
)
def test_a_function_where_a_part_is_needed_is_answered_with_what_to_write(
    axis: str, value: Any, line: str
) -> None:
    with pytest.raises(ParameterError, match=re.escape(line)):
        Autoencoder(2, **{axis: value}).fit(X)
