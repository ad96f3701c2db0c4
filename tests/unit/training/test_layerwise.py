"""Layerwise: what each phase learns from, what it shares with the whole, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import (
    KL,
    Autoencoder,
    Contraction,
    Convolutional,
    Dense,
    KSparse,
    Layerwise,
    Masking,
    Sparsity,
    WeightDecay,
    recipes,
)
from narrows.composition import Composition
from narrows.errors import ParameterError
from narrows.training.phase import Phase


def whole_of(model: Autoencoder, X: Any) -> Phase:
    """Return the phase that a schedule is given, for a network that is not trained yet."""
    job = model._prepare(X, None, None, fresh=True, overwrite=False)
    return job.trainer._whole("joint", job.network, job.table)


def a_stack(**settings: Any) -> Autoencoder:
    made = {"architecture": Dense((6, 5), activation="tanh"), "random_state": 0}
    return Autoencoder(3, **{**made, **settings})


def test_the_history_has_every_phase(digits: Any) -> None:
    model = a_stack(schedule=Layerwise(epochs=(1, 2, 3), finetune=2)).fit(digits)
    names = [row["phase"] for row in model.history_]
    assert names == ["layer 1"] + 2 * ["layer 2"] + 3 * ["layer 3"] + 2 * ["fine-tune"]


def test_epochs_follow_from_max_epochs(digits: Any) -> None:
    model = a_stack(schedule="layerwise", max_epochs=4).fit(digits)
    names = [row["phase"] for row in model.history_]
    assert [names.count(f"layer {n}") for n in (1, 2, 3)] == [2, 2, 2]
    assert names.count("fine-tune") == 4


def test_a_layer_learns_from_the_clean_codes_of_the_trained_layers_below(digits: Any) -> None:
    whole = whole_of(a_stack(corruption=Masking(0.5)), digits)
    network, x = whole.network, whole.table.take(torch.arange(10)).x
    for number, phase in enumerate(Layerwise(finetune=0).phases(whole)):
        with torch.no_grad():
            expected = x
            for block in network.body[:number]:
                expected = block(expected)
            for parameter in phase.network.parameters():  # as if it had been trained
                parameter.add_(0.01)
        assert torch.equal(phase.table.take(torch.arange(10)).x, expected)
        assert phase.corruption is whole.corruption


def test_a_layer_shares_its_weights_with_the_whole(digits: Any) -> None:
    whole = whole_of(a_stack(architecture=Dense((6,), tied=True)), digits)
    phases = list(Layerwise().phases(whole))
    block, mirror = whole.network.pairs[0]
    found = dict(phases[0].network.named_parameters())
    assert {id(p) for p in found.values()} == {id(block.weight), id(block.bias), id(mirror.bias)}
    assert phases[-1].network is whole.network


def test_only_the_layer_of_a_phase_moves(digits: Any) -> None:
    model = a_stack(schedule=Layerwise(epochs=(1, 0, 0), finetune=0)).fit(digits)
    fresh = whole_of(a_stack(), digits).network
    moved = {
        name
        for (name, one), other in zip(
            model.network_.named_parameters(), fresh.parameters(), strict=True
        )
        if not torch.equal(one, other)
    }
    assert moved == {"body.0.weight", "body.0.bias", "decoder.2.weight", "decoder.2.bias"}


def test_a_shallow_stack_without_fine_tuning_is_the_plain_autoencoder(digits: Any) -> None:
    settings: dict[str, Any] = {"architecture": Dense(()), "max_epochs": 3, "random_state": 0}
    plain = Autoencoder(3, **settings).fit(digits)
    schedule = Layerwise(epochs=3, finetune=0)
    stack = Autoencoder(3, schedule=schedule, **settings).fit(digits)
    np.testing.assert_array_equal(stack.transform(digits), plain.transform(digits))


def test_terms_that_make_sense_for_one_layer_apply_to_each(digits: Any) -> None:
    model = a_stack(
        latent="gaussian",
        penalty=WeightDecay() + KL(),
        schedule=Layerwise(epochs=1, finetune=1),
    ).fit(digits)
    assert ["kl" in row for row in model.history_] == [False, False, False, True]
    assert all("weight_decay" in row for row in model.history_)


def test_each_layer_may_have_parts_of_its_own(digits: Any) -> None:
    noises = (Masking(0.1), None, Masking(0.3))
    schedule = Layerwise(corruption=noises, penalty=(WeightDecay(), None, Contraction()))
    phases = list(schedule.phases(whole_of(a_stack(), digits)))
    assert [phase.corruption for phase in phases[:3]] == list(noises)
    terms = [list(phase.objective.terms) for phase in phases]
    assert terms == [["weight_decay"], [], ["contraction"], []]


def test_layers_beyond_the_first_have_a_loss_of_their_own(digits: Any) -> None:
    model = a_stack(
        architecture=Dense((6,), activation="sigmoid"), loss="cross_entropy", scaling="minmax"
    )
    phases = list(Layerwise(loss="huber").phases(whole_of(model, digits)))
    names = [type(phase.objective.loss).__name__ for phase in phases]
    assert names == ["CrossEntropy", "Huber", "CrossEntropy"]
    assert [phase.network.link.name for phase in phases] == ["sigmoid", "linear", "sigmoid"]


def test_the_innermost_layer_has_the_latent_of_the_whole(digits: Any) -> None:
    model = a_stack(latent=KSparse(2))
    phases = list(Layerwise().phases(whole_of(model, digits)))
    assert [type(phase.network.latent).__name__ for phase in phases[:3]] == [
        "Point",
        "Point",
        "KSparse",
    ]


def test_convolutions_stack(digits: Any) -> None:
    model = Autoencoder(
        4,
        architecture=Convolutional((8, 8), channels=(2, 3), tied=True),
        schedule=Layerwise(epochs=1, finetune=1),
        random_state=0,
    ).fit(digits[:200])
    assert [row["phase"] for row in model.history_][-1] == "fine-tune"


def test_held_out_rows_are_held_out_of_every_phase(digits: Any) -> None:
    model = a_stack(schedule=Layerwise(epochs=2, finetune=2), early_stopping=True).fit(digits)
    assert all("valid_loss" in row for row in model.history_)


def test_sample_weights_reach_every_layer(digits: Any) -> None:
    schedule = Layerwise(epochs=1, finetune=0)
    weight = np.where(np.arange(len(digits)) < 500, 1.0, 0.0)
    weighted = a_stack(schedule=schedule).fit(digits, sample_weight=weight)
    fewer = a_stack(schedule=schedule).fit(digits[:500])
    np.testing.assert_allclose(weighted.transform(digits), fewer.transform(digits), rtol=1e-4)


def test_stacking_helps_a_deep_tanh_network_on_few_epochs(digits: Any) -> None:
    settings: dict[str, Any] = {
        "architecture": Dense((48, 32, 16), activation="sigmoid"),
        "max_epochs": 10,
        "random_state": 0,
    }
    deep = Autoencoder(8, **settings).fit(digits)
    stacked = Autoencoder(8, schedule=Layerwise(epochs=10), **settings).fit(digits)
    assert stacked.score(digits) > deep.score(digits)


@pytest.mark.parametrize(
    ("schedule", "settings", "words"),
    [
        (Layerwise(epochs=(1, 2)), {}, "epochs has 2 entries, but the stack has 3 layers"),
        (Layerwise(epochs=-1), {}, "schedule__epochs=-1"),
        (Layerwise(finetune=-1), {}, "schedule__finetune=-1"),
        (Layerwise(corruption=(None,)), {}, "corruption has 1 entries"),
        (
            Layerwise(),
            {
                "penalty": Sparsity(),
                "architecture": Dense((6,), activation="linear", code_activation="sigmoid"),
            },
            "layer 1 of 2: Sparsity",
        ),
        (Layerwise(corruption=Masking(count=5)), {}, "layer 3 of 3: "),
    ],
)
def test_what_cannot_be_is_refused(
    schedule: Layerwise, settings: dict[str, Any], words: str, digits: Any
) -> None:
    with pytest.raises(ParameterError, match=words):
        a_stack(schedule=schedule, max_epochs=1, **settings).fit(digits[:50])


def test_the_recipe_is_a_stack() -> None:
    model = recipes.stacked(2, hidden=(8, 4), corruption="masking")
    composition = Composition.of(model.get_params(deep=False))
    assert isinstance(composition.schedule, Layerwise)
    assert composition.architecture.hidden == (8, 4)
