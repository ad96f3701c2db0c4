"""Fused training gives the objective and the gradients of the plain path, in float64."""

from __future__ import annotations

import contextlib
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows import (
    KL,
    MMD,
    AbsoluteError,
    Autoencoder,
    BinaryCode,
    Categorical,
    Contraction,
    Convolutional,
    Correntropy,
    Count,
    CrossEntropy,
    Dense,
    Distances,
    Emphasis,
    Gaussian,
    GaussianNoise,
    Huber,
    Independence,
    KSparse,
    Latent,
    Masking,
    Neighbors,
    Penalty,
    Recurrent,
    Sparsity,
    SquaredError,
    View,
    ViewDropout,
    WeightDecay,
)
from narrows.core.activations import ACTIVATIONS
from narrows.data.table import DenseTable
from narrows.errors import CompositionError
from narrows.losses import columnwise
from narrows.losses.loss import Loss
from narrows.network.network import Network
from narrows.penalties import divergence
from narrows.penalties.adversarial import Adversarial
from narrows.training.compiled.dense_gradients import DenseGradients
from narrows.training.history import EpochMeter
from narrows.training.step import Step

pytestmark = pytest.mark.promise(id="R2")

Matrix = NDArray[np.float64]
ELEMENTWISE = sorted(name for name in ACTIVATIONS if name != "binary")


class SquaredLength(Penalty):
    """A term of one's own, that says no slopes."""

    def __call__(self, forward: Any) -> Tensor:
        length: Tensor = forward.mean(forward.code.square().sum(1))
        return length


class Squashed(Latent):
    """A latent of one's own, that says no slopes."""

    def posterior(self, heads: list[Tensor]) -> Any:
        code = torch.tanh(heads[0])
        return SimpleNamespace(mean=code, rsample=lambda generator=None: code)


SLOPED: list[dict[str, Any]] = [
    {"penalty": Sparsity(0.1), "code_activation": "sigmoid"},
    {"penalty": Sparsity(0.1, kind="quadratic"), "code_activation": "relu"},
    {"penalty": Sparsity(kind="l1") + WeightDecay(0.1)},
    {"latent": Gaussian()},
    {"penalty": KL(0.5), "latent": Gaussian()},
    {"penalty": KL(0.5, free_bits=0.3) + Sparsity(kind="l1", weight=0.2), "latent": Gaussian()},
    {"latent": KSparse(2)},
    {"penalty": Sparsity(kind="l1", weight=0.2), "latent": KSparse(1, alpha=2.0)},
    {"latent": BinaryCode(1.0)},
    {"penalty": Sparsity(0.1), "latent": BinaryCode(1.0)},
    {"penalty": MMD() + WeightDecay(0.1)},
    {"penalty": MMD(kernel="rbf", scales=(0.5, 2.0), prior="uniform"), "latent": Gaussian()},
    {"penalty": Distances(0.7)},
    {"penalty": Distances(0.7) + KL(0.5), "latent": Gaussian()},
    {"penalty": Neighbors(n_neighbors=3)},
    {"penalty": Independence(2.0), "covariates": [0, 3]},
]
VARIATIONS: dict[str, dict[str, Any]] = {
    "tied": {"tied": True},
    "holes": {},
    "weights": {},
    "noise": {"corruption": Masking(0.3)},
    "covariates": {"covariates": [0, 3]},
    "typed": {"types": {1: "categorical", 2: Count(), 5: "ordinal"}},
    "vectors": {"types": {7: Categorical(embedding=2), 8: "angle"}},
}


def table(n_rows: int = 23, n_features: int = 9, *, holes: bool = False) -> Matrix:
    generator = np.random.default_rng(0)
    X: Matrix = generator.random((n_rows, n_features))
    if holes:
        X[generator.random(X.shape) < 0.2] = np.nan
    return X


def step_of(model: Autoencoder, X: Any, sample_weight: Any = None) -> Step:
    """Return the step that `fit` would train with, its weights and generators fresh."""
    model.set_params(precision="float64", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = model._prepare(X, None, sample_weight, fresh=True)
    with torch.no_grad():
        for (
            parameter
        ) in job.run.network.parameters():  # biases begin at 0, where slopes may be 0 too
            parameter.add_(0.1 * torch.linspace(-1, 1, parameter.numel()).view(parameter.shape))
    step = job.run.trainer._step(job.run.trainer._whole("joint", job.run.network, job.run.table))
    step.micro_rows = 10
    return step


def learned(step: Step, *, fused: bool) -> tuple[dict[str, float], list[Tensor]]:
    """Return the parts of the objective, and all gradients, of two steps' worth of passes."""
    tally = EpochMeter(step.objective.names)
    rows = torch.arange(step.table.n_rows).flip(0)
    with step.held() if fused else contextlib.nullcontext():
        assert (step.fused is not None) == fused
        for chosen in (rows[:7], rows):  # one piece, then three, over the gradients of the first
            value = step._gradients(chosen, len(chosen), tally, progress=0.3)
        found = [p.grad.clone() for p in step.parameters if p.grad is not None]
    return {**tally.means(), "value": float(value)}, found


def forbid_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a step fail that asks autograd for a derivative."""

    def never(*given: Any, **options: Any) -> None:
        raise AssertionError("autograd was asked")

    monkeypatch.setattr(torch.autograd, "grad", never)
    monkeypatch.setattr(Tensor, "backward", never)


def assert_alike(model: Autoencoder, X: Any, *, closed: bool, sample_weight: Any = None) -> None:
    plain = learned(step_of(model, X, sample_weight), fused=False)
    step = step_of(model, X, sample_weight)
    with step.held():
        assert step.fused is not None
        assert step.fused.has_closed_form == closed
    fused = learned(step_of(model, X, sample_weight), fused=True)
    assert fused[0] == pytest.approx(plain[0], rel=1e-10)
    assert len(plain[1]) == len(fused[1])
    for expected, gradient in zip(plain[1], fused[1], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_every_activation_has_the_gradients_of_autograd(activation: str, tied: bool) -> None:
    architecture = Dense((7, 5), activation, "tanh", tied=tied)
    assert_alike(Autoencoder(3, architecture=architecture), table(), closed=True)


@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_every_output_activation_has_the_gradients_of_autograd(activation: str) -> None:
    architecture = Dense((5,), output_activation=activation)
    assert_alike(Autoencoder(3, architecture=architecture), table(), closed=activation != "gelu")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_direct_form_of_an_activation_passes_gradcheck(name: str) -> None:
    direct = ACTIVATIONS[name].direct
    assert direct is not None

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            kept = x.clone()
            value = torch.empty_like(x) if direct.keeps_input else kept
            direct.value(kept, value)
            ctx.kept = kept
            return value.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            found = grad.clone()
            direct.backward(found, ctx.kept)
            return found

    x = torch.linspace(-3.1, 3.3, 14, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Function.apply, (x,))
    torch.testing.assert_close(Function.apply(x), ACTIVATIONS[name](x))


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(
    "loss",
    [
        SquaredError(),
        AbsoluteError(),
        Huber(0.3),
        CrossEntropy(),
        Correntropy(0.5),
        Emphasis("squared_error"),
        Emphasis(CrossEntropy(), intact=0.0),
    ],
    ids=repr,
)
def test_every_loss_has_the_gradients_of_autograd(loss: Loss, holes: bool) -> None:
    weight = np.random.default_rng(1).random(23) + 0.1
    model = Autoencoder(3, architecture=(6,), loss=loss, scaling="minmax", corruption=Masking(0.3))
    assert_alike(model, table(holes=holes), closed=True)
    assert_alike(model, table(holes=holes), closed=True, sample_weight=weight)


@pytest.mark.parametrize("corruption", [None, Masking(0.4), GaussianNoise(0.2)], ids=repr)
def test_weight_decay_and_corruptions_need_no_autograd(corruption: Any) -> None:
    penalty = WeightDecay(0.1) + WeightDecay(0.01)
    for tied in (False, True):
        architecture = Dense((5,), "elu", tied=tied)
        model = Autoencoder(3, architecture=architecture, penalty=penalty, corruption=corruption)
        assert_alike(model, table(), closed=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": Contraction(0.1), "corruption": Masking(0.3)},  # not at what it sees
        {"penalty": Contraction(0.1, estimator="hutchinson"), "latent": KSparse(2)},
        {"penalty": SquaredLength() + MMD()},
        {"penalty": Adversarial()},
        {"penalty": KL(0.5, prior="mixture"), "latent": Gaussian()},
        {"latent": Squashed()},
    ],
    ids=repr,
)
def test_what_lies_between_the_stacks_is_left_to_autograd(settings: dict[str, Any]) -> None:
    settings = dict(settings)
    code = settings.pop("code_activation", "linear")
    for tied in (False, True):
        architecture = Dense((6,), "tanh", code, tied=tied)
        model = Autoencoder(3, architecture=architecture, **settings)
        assert_alike(model, table(), closed=False)
        step = step_of(model, table())
        with step.held():
            assert step.fused is not None
            assert not step.fused.has_slopes


@pytest.mark.parametrize(
    ("settings", "variation"),
    [
        pytest.param(settings, variation, id=f"{settings!r}-{variation}")
        for settings in SLOPED
        for variation in VARIATIONS
        if not (variation == "vectors" and "covariates" in settings)  # left to autograd
    ],
)
def test_latents_and_terms_that_say_their_slopes_need_no_autograd(
    settings: dict[str, Any], variation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divergence, "PAIRS_AT_ONCE", 100)
    varied = settings | VARIATIONS[variation]
    dense = {name: varied.pop(name) for name in ("code_activation", "tied") if name in varied}
    model = Autoencoder(3, architecture=Dense((6, 5), "relu", **dense), **varied)
    holes = variation in ("holes", "typed", "vectors")
    X = mixed_table(holes=holes) if "types" in varied else table(holes=holes)
    weight = np.linspace(0.2, 2.0, len(X)) if variation == "weights" else None
    assert_alike(model, X, closed=False, sample_weight=weight)
    step = step_of(model, X, weight)
    forbid_autograd(monkeypatch)
    learned(step, fused=True)


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5), (6, 5, 4)], ids=repr)
@pytest.mark.parametrize("code_activation", ["linear", "relu", "sigmoid"])
@pytest.mark.parametrize(
    "activation", [*ELEMENTWISE, ("relu", "linear", "relu"), ("tanh", "linear", "gelu")]
)
@pytest.mark.parametrize("tied", [False, True])
def test_the_jacobian_needs_no_autograd(
    hidden: tuple[int, ...],
    code_activation: str,
    activation: Any,
    tied: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not isinstance(activation, str):
        activation = activation[: len(hidden)]
    architecture = Dense(hidden, activation, code_activation, tied=tied)
    penalty = Contraction(0.3) + WeightDecay(0.1) + Contraction(0.2)
    model = Autoencoder(3, architecture=architecture, penalty=penalty)
    for weight in (None, np.linspace(0.2, 2.0, len(table()))):
        assert_alike(model, table(), closed=False, sample_weight=weight)
    step = step_of(model, table())
    forbid_autograd(monkeypatch)
    learned(step, fused=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tied": True},
        {"code_activation": "relu"},
        {"latent": Gaussian()},
        {"corruption": Masking(0.3)},  # the slopes are those of the clean rows
        {"views": {"a": [0, 4, 7], "b": [1, 2, 3], "c": [5, 6, 8]}},
    ],
    ids=repr,
)
def test_slopes_of_corners_are_taken_from_the_pass(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(settings)
    dense = {name: settings.pop(name) for name in ("tied", "code_activation") if name in settings}
    calls: list[Any] = []
    anew = Network.local_jacobian
    monkeypatch.setattr(
        Network, "local_jacobian", lambda self, *rows: calls.append(rows) or anew(self, *rows)
    )
    for hidden in ((6,), (6, 5)):
        architecture = Dense(hidden, "relu", **dense)
        model = Autoencoder(3, architecture=architecture, penalty=Contraction(0.1), **settings)
        for holes in (False, True):
            assert_alike(model, table(holes=holes), closed=False)
            assert calls  # of the plain one
            calls.clear()
            learned(step_of(model, table(holes=holes)), fused=True)
            assert bool(calls) == ("corruption" in settings or "views" in settings)
            calls.clear()


VIEWS: dict[str, Any] = {"a": [0, 4, 7], "b": slice(1, 4), "c": [5, 6, 8]}


@pytest.mark.parametrize("fusion", ["early", "intermediate", "shared_private"])
@pytest.mark.parametrize("holes", [False, True])
def test_views_side_by_side_need_no_autograd(fusion: str, holes: bool) -> None:
    views = dict(VIEWS)
    if fusion != "early":
        views["c"] = View(VIEWS["c"], architecture=Dense((4, 3), "gelu"), weight=3.0)
    model = Autoencoder(
        5, architecture=Dense((4,), "selu"), views=views, fusion=fusion, balance="views"
    )
    for corruption in (None, ViewDropout(0.3)):
        model.set_params(corruption=corruption)
        assert_alike(model, table(holes=holes), closed=True)


@pytest.mark.parametrize(
    "fusion", ["product_of_experts", "mixture_of_experts", "mixture_of_products"]
)
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("terms", [KL(0.3), KL(0.3) + Sparsity(kind="l1")], ids=repr)
def test_experts_need_no_autograd(
    fusion: str, holes: bool, terms: Penalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"architecture": (4,), "views": VIEWS, "fusion": fusion}
    models = [Autoencoder(2, latent=Gaussian(), penalty=terms, **settings)]
    if fusion == "product_of_experts":
        models += [Autoencoder(2, **settings), Autoencoder(2, latent=KSparse(1), **settings)]
    for model in models:
        assert_alike(model, table(holes=holes), closed=False)
        with monkeypatch.context() as patches:
            step = step_of(model, table(holes=holes))
            forbid_autograd(patches)
            learned(step, fused=True)


@pytest.mark.parametrize("holes", [False, True])
def test_sides_with_losses_of_their_own_need_no_autograd(holes: bool) -> None:
    views = {
        **VIEWS,
        "a": View(VIEWS["a"], loss=Huber(0.2)),
        "c": View(VIEWS["c"], loss=Emphasis(corrupted=2.0, intact=0.5)),
    }
    model = Autoencoder(2, architecture=(4,), views=views, corruption=Masking(0.2))
    assert_alike(model, table(holes=holes), closed=True, sample_weight=np.linspace(0.5, 1.5, 23))


MIXED: dict[str, dict[int, Any]] = {
    "categorical": {1: "categorical", 2: "categorical", 7: "categorical"},
    "categories of 4, 3, 6 and 2 levels": {
        1: "categorical",
        2: "categorical",
        4: "categorical",
        6: "categorical",
    },
    "embedding": {1: Categorical(embedding=2), 2: "categorical", 5: Categorical(embedding=3)},
    "shares": {0: "proportion", 3: "proportion", 6: "binary"},
    "counts": {1: Count(), 2: Count(), 4: Count("negative_binomial")},
    "depths": {1: Count(size_factors=True), 2: Count(size_factors=True)},
    "ordered": {1: "ordinal", 2: "ordinal", 8: "angle"},
    "many": {0: "proportion", 1: "categorical", 2: Count(), 5: "ordinal", 6: "binary", 8: "angle"},
}


def mixed_table(*, holes: bool) -> Matrix:
    """Return rows with small whole numbers in columns 1, 2, 4, 5 and 7, bits in 6."""
    X = table()
    X[:, [1, 2, 4, 5, 7]] = np.floor(4 * X[:, [1, 2, 4, 5, 7]])
    X[:, 6] = X[:, 6] > 0.5
    X[:, 2] = X[:, 2] % 3
    X[:, 4] += 2 * X[:, 6]
    if holes:
        X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    return X


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("kind", MIXED)
def test_columns_of_all_types_have_the_gradients_of_autograd(kind: str, holes: bool) -> None:
    plain: dict[str, Any] = {"architecture": Dense((6,), "tanh"), "types": MIXED[kind]}
    straight: list[dict[str, Any]] = [  # the code goes to the decoder as it is
        {},
        {"penalty": WeightDecay(0.01)},
        {"corruption": Masking(0.2), "loss": Emphasis(corrupted=2.0, intact=0.5)},
        {"views": {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7, 8]}, "fusion": "intermediate"},
        {"add_indicator": True},
    ]
    others: list[dict[str, Any]] = [
        {"latent": Gaussian(), "penalty": KL(0.3) + WeightDecay(0.01)},
        {"covariates": [2]},
        {"penalty": Contraction(0.1)},
    ]
    for settings in straight + others:
        model = Autoencoder(2, **{**plain, **settings})
        weights = np.linspace(0.5, 1.5, 23)
        closed = settings in straight
        assert_alike(model, mixed_table(holes=holes), closed=closed, sample_weight=weights)
        step = step_of(model, mixed_table(holes=holes))
        with step.held():
            assert step.fused is not None
            assert step.fused.loss_is_apart == (kind != "embedding" or "covariates" not in settings)


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("holes", [False, True])
def test_large_groups_of_columns_are_judged_alone_and_alike(
    kind: str, holes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columnwise, "MOST_TOGETHER", 0)
    model = Autoencoder(2, architecture=Dense((6,), "tanh"), types=MIXED[kind])
    assert_alike(model, mixed_table(holes=holes), closed=True)


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("settings", [{}, {"latent": Gaussian(), "penalty": KL(0.3)}], ids=repr)
def test_rounded_products_leave_the_gradients_of_columns_nearly_as_they_are(
    kind: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, types, smooth = mixed_table(holes=True), MIXED[kind], Dense((6,), "tanh")

    def gradients() -> list[Tensor]:
        model = Autoencoder(2, architecture=smooth, types=types, add_indicator=True, **settings)
        return learned(step_of(model, X), fused=True)[1]

    exact = gradients()
    monkeypatch.setattr(Step, "_products", lambda step, network, n_rows: torch.bfloat16)
    for expected, gradient in zip(exact, gradients(), strict=True):
        assert gradient.dtype == torch.float64
        assert not torch.equal(gradient, expected)
        assert (gradient - expected).norm() < 0.05 * expected.norm()


def test_the_usual_types_are_trained_without_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """In nothing of a step: neither through the code nor for the loss of a type."""
    types = {1: "categorical", 2: Count(), 5: "ordinal", 6: "binary", 0: "proportion"}
    types |= {4: Count("negative_binomial"), 8: "angle", 7: Categorical(embedding=2)}
    step = step_of(Autoencoder(2, architecture=(6,), types=types), mixed_table(holes=True))
    forbid_autograd(monkeypatch)
    learned(step, fused=True)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "correntropy"])
@pytest.mark.parametrize("holes", [False, True])
def test_indicators_of_missing_cells_have_the_gradients_of_autograd(loss: str, holes: bool) -> None:
    """Also in steps whose rows have no holes, as those of a later partial_fit."""
    model = Autoencoder(2, architecture=(6,), add_indicator=True, loss=loss)
    steps = [step_of(model, table(holes=True)) for _ in range(2)]
    for step in steps:
        assert isinstance(step.table, DenseTable)
        if not holes:
            step.table.observed = None
    plain, fused = (
        learned(step, fused=fused) for step, fused in zip(steps, (False, True), strict=True)
    )
    assert fused[0] == pytest.approx(plain[0], rel=1e-10)
    for expected, gradient in zip(plain[1], fused[1], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-11)


class _Output(Penalty):
    """A penalty of one's own, that looks at what was decoded and says nothing of it."""

    def __call__(self, forward: Any) -> Tensor:
        return forward.mean(forward.reconstruction.square().sum(1))


class _SparseOutput(Sparsity):
    """The same, of a class that looks at the code alone."""

    def __call__(self, forward: Any) -> Tensor:
        return super().__call__(forward) + forward.mean(forward.raw.abs().sum(1))


class _Watching(Adversarial):
    """A critic that would see what was decoded."""

    def learn(self, forward: Any) -> dict[str, Tensor]:
        assert len(forward.raw) == len(forward.x)
        return super().learn(forward)


class _Shouting(Emphasis):
    """A loss of one's own around another one."""

    def cells(self, forward: Any) -> Tensor:
        return 2 * super().cells(forward)


class _Rounded(Latent):
    """A latent that lets no derivative through."""

    def posterior(self, heads: list[Tensor]) -> Any:
        code = heads[0].detach().round()
        return SimpleNamespace(mean=code, rsample=lambda generator=None: code)


class _Promising(_Rounded):
    """A latent that says more than its posterior keeps."""

    has_slopes = True


def test_slopes_that_are_said_and_not_there_are_asked_for() -> None:
    model = Autoencoder(2, architecture=(6,), latent=_Promising())
    with pytest.raises(CompositionError, match=r"has no head_slopes.*set has_slopes = False"):
        learned(step_of(model, table()), fused=True)


@pytest.mark.parametrize("penalty", [None, WeightDecay(0.1), Sparsity(kind="l1")], ids=repr)
def test_a_latent_that_lets_nothing_through_leaves_the_encoder_as_it_is(penalty: Any) -> None:
    model = Autoencoder(2, architecture=(6,), latent=_Rounded(), penalty=penalty)
    plain, fused = (learned(step_of(model, table()), fused=fused) for fused in (False, True))
    assert fused[0] == pytest.approx(plain[0], rel=1e-10)
    # Where autograd has no derivative, fused training has zeros.
    moved = [gradient for gradient in fused[1] if bool((gradient != 0).any())]
    assert len(moved) == len(plain[1])
    for expected, gradient in zip(plain[1], moved, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": _Output(0.3)},
        {"penalty": _SparseOutput(kind="l1", weight=0.3) + WeightDecay(0.1)},
        {"penalty": _Watching(), "latent": Gaussian()},
        {"loss": _Shouting(corrupted=2.0), "corruption": Masking(0.2)},
    ],
    ids=repr,
)
@pytest.mark.parametrize("types", [None, {1: "categorical", 2: Count()}], ids=["plain", "typed"])
def test_parts_of_ones_own_that_vouch_for_nothing_are_left_to_autograd(
    settings: dict[str, Any], types: Any
) -> None:
    model = Autoencoder(2, architecture=(6,), types=types, **settings)
    assert_alike(model, mixed_table(holes=False), closed=False)
    step = step_of(model, mixed_table(holes=False))
    with step.held():
        assert step.fused is not None
        assert not step.fused.loss_is_apart


@pytest.mark.parametrize("seed", range(12))
def test_random_stacks_have_the_gradients_of_autograd(seed: int) -> None:
    generator = np.random.default_rng(seed)
    depth = int(generator.integers(0, 4))
    hidden = tuple(int(width) for width in generator.integers(1, 12, depth))
    architecture = Dense(
        hidden,
        [str(generator.choice(ELEMENTWISE)) for _ in hidden],
        str(generator.choice(ELEMENTWISE)),
        tied=bool(generator.integers(2)),
    )
    model = Autoencoder(
        int(generator.integers(1, 6)),
        architecture=architecture,
        loss=str(generator.choice(["squared_error", "absolute_error", "huber", "correntropy"])),
        penalty=generator.choice([None, WeightDecay(0.01)]),
        corruption=generator.choice([None, Masking(0.2)]),
    )
    weight = generator.random(23) + 0.5 if generator.integers(2) else None
    holes = bool(generator.integers(2))
    assert_alike(model, table(holes=holes), closed=True, sample_weight=weight)


CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "signal": {"input_shape": (9,), "channels": (2, 3)},
    "image": {"input_shape": (3, 3), "channels": (3,), "activation": "gelu"},
    "volume": {"input_shape": (1, 3, 3), "channels": (2,), "stride": 1},
    "channels": {"input_shape": (3,), "in_channels": 3, "channels": (2,), "kernel_size": 2},
    "wide steps": {"input_shape": (9,), "channels": (4, 2), "stride": 3, "kernel_size": 2},
}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_small_convolutions_have_the_gradients_of_autograd(kind: str, tied: bool) -> None:
    architecture = Convolutional(**CONVOLUTIONS[kind], tied=tied)
    for settings in (
        {"loss": "huber", "corruption": Masking(0.2), "penalty": WeightDecay(0.1)},
        {"latent": Gaussian(), "penalty": KL(0.3)},
    ):
        model = Autoencoder(2, architecture=architecture, **settings)
        assert_alike(model, table(holes=True), closed="latent" not in settings)


@pytest.mark.parametrize("kind", ["categorical", "many"])
def test_slopes_of_corners_are_those_of_inputs_of_all_types(kind: str) -> None:
    model = Autoencoder(
        2, architecture=Dense((6,), "relu"), types=MIXED[kind], penalty=Contraction(0.1)
    )
    for holes in (False, True):
        assert_alike(model, mixed_table(holes=holes), closed=False)


def test_a_view_of_a_signal_has_the_gradients_of_autograd() -> None:
    signal = View(slice(0, 6), architecture=Convolutional((6,), (2,)))
    model = Autoencoder(2, architecture=(4,), views={"signal": signal, "rest": slice(6, 9)})
    assert_alike(model, table(), closed=True)


def test_layers_that_are_not_dense_are_trained_by_autograd_and_it_says_so() -> None:
    step = step_of(Autoencoder(2, architecture=Recurrent((3, 3), hidden=(4,))), table())
    assert step.unfused() == "not all of its layers are dense"
    with step.held():
        assert step.fused is None


def test_a_loss_that_is_said_anew_is_not_taken_for_its_parent() -> None:
    class _TwiceSquared(SquaredError):  # noqa: N818 - no exception
        def cells(self, forward: Any) -> Tensor:
            return 2 * super().cells(forward)

    class Squares(WeightDecay):
        def __call__(self, forward: Any) -> Tensor:
            return super().__call__(forward) ** 2

    assert_alike(Autoencoder(2, loss=_TwiceSquared()), table(), closed=False)
    assert_alike(Autoencoder(2, penalty=Squares(0.1)), table(), closed=False)


@pytest.mark.parametrize("seed", range(10))
def test_steps_with_nothing_to_decide_leave_the_bits_of_those_that_look(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(seed)
    settings = {
        "architecture": Dense(tuple(int(n) for n in generator.integers(1, 12, seed % 3)), "tanh"),
        "loss": str(generator.choice(["squared_error", "absolute_error", "huber"])),
        "optimizer": str(generator.choice(["adam", "adamw"])),
        "learning_rate": 0.01,
        "max_grad_norm": generator.choice([None, 0.1]),
        "batch_size": 7,
        "max_epochs": 3,
        "random_state": seed,
    }
    X = table(holes=bool(generator.integers(2)))
    weight = generator.random(23) + 0.5 if generator.integers(2) else None
    counted = 0
    plain = DenseGradients.of_plain

    def of_plain(self: DenseGradients, *args: Any) -> Tensor:
        nonlocal counted
        counted += 1
        return plain(self, *args)

    monkeypatch.setattr(DenseGradients, "of_plain", of_plain)
    quick = Autoencoder(2, **settings).fit(X, sample_weight=weight)
    assert counted >= 12
    never = property(lambda self: False, lambda self, value: None)
    monkeypatch.setattr(Step, "_is_plain", never, raising=False)
    looked = Autoencoder(2, **settings).fit(X, sample_weight=weight)
    np.testing.assert_array_equal(quick.transform(X), looked.transform(X))
    for row, other in zip(quick.history_, looked.history_, strict=True):
        assert row["objective"] == other["objective"]
