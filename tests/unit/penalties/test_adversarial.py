"""Adversarial: who moves what, what is noted, and what the codes come to look like."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor, nn

import narrows
from narrows import LBFGS, MMD, Adversarial, Autoencoder, Mixture, WeightDecay, recipes
from narrows.core.forward_pass import ForwardPass
from narrows.data.layout import Layout
from narrows.errors import CompositionError, DataError, ParameterError
from narrows.network.composition import Composition
from narrows.penalties.adversarial import BETAS, Adam


def a_pass(penalty: Adversarial, n_samples: int = 32, target: Any = None) -> ForwardPass:
    spec = Autoencoder(2, architecture=(4,), penalty=penalty)
    network = Composition.of(spec.get_params(deep=False)).network(Layout(5), torch.float64)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    x = torch.randn(n_samples, 5, dtype=torch.float64, generator=generator)
    forward: ForwardPass = network(x, generator=generator, target=target)
    return forward


def test_the_term_is_minus_log_d() -> None:
    forward = a_pass(Adversarial())
    logit = forward.network.critics["adversarial"](forward.code)
    torch.testing.assert_close(Adversarial()(forward), -torch.sigmoid(logit).log().mean())


def test_the_gradient_is_that_of_finite_differences() -> None:
    forward = a_pass(Adversarial(), 4)

    def value(code: torch.Tensor) -> torch.Tensor:
        forward.code = code
        return Adversarial()(forward)

    assert torch.autograd.gradcheck(value, forward.code.detach().clone().requires_grad_())


def test_a_critic_that_cannot_tell_has_the_loss_log_4() -> None:
    forward = a_pass(Adversarial())
    critic = forward.network.critics["adversarial"]
    with torch.no_grad():
        critic.layers[-1].weight.zero_()
        critic.layers[-1].bias.zero_()
    noted = Adversarial().learn(forward)
    assert noted["critic"].item() == pytest.approx(np.log(4))


def test_the_critic_learns_to_tell() -> None:
    penalty = Adversarial(learning_rate=1e-2)
    forward = a_pass(penalty, 200)
    forward.code = forward.code.detach() + 3
    losses = [penalty.learn(forward)["critic"].item() for _ in range(50)]
    assert losses[-1] < 0.2 * losses[0]


def test_only_the_critic_moves_when_it_learns_and_it_alone_stays_when_the_network_does() -> None:
    forward = a_pass(Adversarial())
    network = forward.network
    before = copy.deepcopy(network.state_dict())
    Adversarial().learn(forward)
    moved = {name for name, v in network.state_dict().items() if not torch.equal(v, before[name])}
    assert moved
    assert all(name.startswith("critics.") for name in moved)
    ours = {id(p) for p in network.trained_parameters()}
    assert not ours & {id(p) for p in network.critics.parameters()}


def test_the_history_has_the_critic_beside_parts_that_add_up(digits: Any) -> None:
    model = Autoencoder(2, penalty=Adversarial(2.0) + WeightDecay(), max_epochs=3, random_state=0)
    for row in model.fit(digits).history_:
        parts = row["loss"] + row["adversarial"] + row["weight_decay"]
        assert row["objective"] == pytest.approx(parts)
        assert 0 < row["critic"] < 5
        assert 0 <= row["critic_accuracy"] <= 1


@pytest.mark.slow
def test_codes_come_to_look_like_draws_of_the_prior(digits: Any) -> None:
    def distance(model: Autoencoder) -> float:
        code = torch.from_numpy(model.fit_transform(digits))
        drawn = torch.randn(1000, 2, dtype=code.dtype, generator=torch.Generator().manual_seed(0))
        return MMD().discrepancy(code, drawn).item()

    settings: dict[str, Any] = {"max_epochs": 25, "random_state": 0}
    plain = distance(Autoencoder(2, **settings))
    assert distance(recipes.adversarial(2, **settings)) < 0.05 * plain


@pytest.mark.slow
def test_known_classes_are_laid_out_as_the_prior_has_them() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    X = rng.normal(size=(600, 6)) + 2 * np.eye(6)[y]
    known = np.where(rng.random(600) < 0.5, y, -1)
    prior = Mixture(3, radius=3)
    penalty = Adversarial(10.0, prior, n_classes=3, learning_rate=5e-3)
    model = Autoencoder(2, penalty=penalty, max_epochs=60, random_state=0).fit(X, known)
    code = model.transform(X)
    angle = 2 * np.pi * np.arange(3) / 3
    centres = 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    nearest = ((code[:, None] - centres) ** 2).sum(2).argmin(1)
    unknown = known == -1
    assert (nearest[unknown] == y[unknown]).mean() > 0.7


def test_a_fit_is_decided_by_its_seed_and_leaves_global_generators_alone(digits: Any) -> None:
    before = torch.get_rng_state()
    one = recipes.adversarial(2, max_epochs=2, random_state=0).fit(digits)
    same = clone(one).fit(digits)
    np.testing.assert_array_equal(one.transform(digits), same.transform(digits))
    assert torch.equal(before, torch.get_rng_state())


def test_a_loaded_model_has_its_critic(digits: Any, tmp_path: Path) -> None:
    model = recipes.adversarial(2, max_epochs=2, random_state=0).fit(digits)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(digits), model.transform(digits))
    assert again.n_parameters_ == model.n_parameters_
    assert model.n_parameters_ == Autoencoder(2, max_epochs=1).fit(digits).n_parameters_
    pairs = zip(
        again.network_.critics.parameters(), model.network_.critics.parameters(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_critic_moves_as_with_adam_of_torch() -> None:
    def moved(make: Callable[[list[nn.Parameter]], Any]) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = ((4, 3), (4,))
        own = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        optimizer = make(own)
        for _ in range(5):
            for parameter in own:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        return own

    ours = moved(lambda own: Adam(own, 0.1))
    theirs = moved(lambda own: torch.optim.Adam(own, 0.1, BETAS))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_partial_fit_goes_on_with_the_same_critic(digits: Any) -> None:
    model = recipes.adversarial(2, random_state=0).partial_fit(digits)
    critic = model.network_.critics["adversarial"]
    optimizer = critic._optimizer
    model.partial_fit(digits)
    assert model.network_.critics["adversarial"] is critic
    assert critic._optimizer is optimizer
    copy.deepcopy(model).partial_fit(digits)


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_work(precision: str, digits: Any) -> None:
    model = recipes.adversarial(2, precision=precision, max_epochs=1, random_state=0)
    assert np.isfinite(model.fit_transform(digits)).all()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"optimizer": LBFGS()}, CompositionError, "choose optimizer='adam'"),
        ({"penalty": Adversarial(n_classes=3)}, CompositionError, "which has 0"),
        ({"penalty": Adversarial(prior=Mixture(4), n_classes=3)}, CompositionError, "which has 4"),
        ({"penalty": Adversarial(hidden=(0,))}, ParameterError, "hidden"),
        ({"penalty": Adversarial(hidden=7)}, ParameterError, "sequence of widths"),
        ({"penalty": Adversarial() + Adversarial(2.0)}, CompositionError, "share one critic"),
        ({"penalty": Adversarial(learning_rate=0)}, ParameterError, "learning_rate=0"),
        ({"penalty": Adversarial(prior="swiss_roll"), "n_components": 3}, ParameterError, "plane"),
    ],
)
def test_what_cannot_be_is_refused(
    settings: dict[str, Any], error: Any, words: str, digits: Any
) -> None:
    with pytest.raises(error, match=words):
        recipes.adversarial(2, max_epochs=1).set_params(**settings).fit(digits[:50])


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (None, ParameterError, "y=None"),
        ([0.5] * 50, DataError, "whole numbers"),
        ([7] * 50, DataError, "class 7"),
    ],
)
def test_classes_that_cannot_be_are_refused(y: Any, error: Any, words: str, digits: Any) -> None:
    penalty = Adversarial(prior=Mixture(3), n_classes=3)
    with pytest.raises(error, match=words):
        Autoencoder(2, penalty=penalty, max_epochs=1).fit(digits[:50], y)
