"""Layerwise: what each phase learns from, what it shares with the whole, and what it refuses."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

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
from narrows.architectures.block import Layers
from narrows.architectures.dense import DenseBlock
from narrows.errors import InterruptedWarning, ParameterError
from narrows.network.composition import Composition
from narrows.training import progress
from narrows.training.phase import Phase
from narrows.training.progress import Silent


def whole_of(model: Autoencoder, X: Any) -> Phase:
    """Return the phase that a schedule is given, for a network that is not trained yet."""
    job = model._prepare(X, None, None, fresh=True)
    return job.run.trainer._whole("joint", job.run.network, job.run.table)


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
    plain = Autoencoder(3, init="random", **settings).fit(digits)
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


class _Recording(Masking):
    """Masks, and remembers what it was given."""

    seen: ClassVar[list[int]] = []

    def corrupt(self, x: torch.Tensor, columns: Any, generator: torch.Generator) -> torch.Tensor:
        self.seen.append(x.shape[1])
        return super().corrupt(x, columns, generator)


def test_every_layer_is_corrupted_by_noise_of_its_own_width(digits: Any) -> None:
    _Recording.seen.clear()
    schedule = Layerwise(epochs=1, finetune=1)
    a_stack(corruption=_Recording(0.2), schedule=schedule, batch_size=2000).fit(digits)
    assert _Recording.seen == [64, 6, 5, 64]


def test_a_tied_stack_has_one_matrix_per_layer_all_along(digits: Any) -> None:
    model = a_stack(
        architecture=Dense((6, 5), tied=True), schedule=Layerwise(epochs=2, finetune=1)
    ).fit(digits)
    pairs = model.network_.pairs
    assert all(mirror.weight is block.weight for block, mirror in pairs)
    weights = [p for p in model.network_.parameters() if p.ndim == 2]
    assert len(weights) == 3


class _Watching(DenseBlock):
    """Asks for the mask of measured cells, and remembers it."""

    sees_observed = True
    seen: ClassVar[list[torch.Tensor | None]] = []

    def forward(self, x: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
        self.seen.append(observed)
        return super().forward(x)


class _Patient(Dense):
    """Dense layers, the outermost of which takes missing cells."""

    def build(self, n_features: int, n_components: int) -> Layers:
        (outer, *inner), decoder = super().build(n_features, n_components)
        return Layers([_Watching(outer.n_in, outer.n_out, outer.activation), *inner], decoder)


def test_the_first_layer_is_told_which_cells_were_measured(digits: Any) -> None:
    X = digits[:60].copy()
    X[::3, 5] = np.nan
    whole = whole_of(a_stack(architecture=_Patient((6,)), scaling=None), X)
    _Watching.seen.clear()
    first, second, _ = Layerwise().phases(whole)
    batch = first.table.take(torch.arange(60))
    assert batch.observed is not None
    assert torch.equal(batch.observed, torch.as_tensor(~np.isnan(X)))
    assert all(torch.equal(seen, batch.observed) for seen in _Watching.seen)
    assert len(_Watching.seen) == 1  # when its codes were made
    assert second.table.take(torch.arange(60)).observed is None  # codes are complete


def test_a_sparse_table_stacks_like_the_dense_one(digits: Any) -> None:
    def fitted(X: Any) -> Autoencoder:
        schedule = Layerwise(epochs=1, finetune=1)
        return a_stack(schedule=schedule, scaling=None, precision="float64").fit(X)

    dense, sparse = fitted(digits), fitted(csr_array(digits))
    np.testing.assert_allclose(sparse.transform(digits), dense.transform(digits), rtol=1e-6)


def test_codes_are_made_in_pieces_with_the_same_result(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def codes() -> torch.Tensor:
        whole = whole_of(a_stack(precision="float64"), digits)
        *_, last, _ = Layerwise().phases(whole)
        found: torch.Tensor = last.table.x  # type: ignore[attr-defined]
        return found

    at_once = codes()
    monkeypatch.setattr("narrows.data.batches.ROWS_AT_ONCE", 100)
    assert at_once.shape == (len(digits), 5)
    torch.testing.assert_close(codes(), at_once, rtol=1e-12, atol=1e-12)


def test_the_same_seed_gives_the_same_stack(digits: Any) -> None:
    made = [
        a_stack(corruption=Masking(0.2), schedule=Layerwise(epochs=1, finetune=1))
        .fit(digits)
        .transform(digits)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*made)


def test_an_interrupt_ends_the_stack_with_the_layer_it_came_in(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stops(Silent):
        def epoch(self, row: Any) -> None:
            if row["phase"] == "layer 2":
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress, "make", lambda verbose: Stops())
    model = a_stack(schedule=Layerwise(epochs=2, finetune=2))
    with pytest.warns(InterruptedWarning, match="interrupted in epoch 1 of 2"):
        model.fit(digits)
    assert [row["phase"] for row in model.history_] == 2 * ["layer 1"] + ["layer 2"]
    assert model.stop_reason_ == "interrupted"
    assert np.isfinite(model.transform(digits)).all()


def test_a_mistake_in_the_last_layer_is_found_before_the_first_is_trained(digits: Any) -> None:
    whole = whole_of(a_stack(), digits)
    with pytest.raises(ParameterError, match="layer 3 of 3: "):
        next(Layerwise(corruption=(None, None, Masking(count=5))).phases(whole))


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


@pytest.mark.slow
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
        (Layerwise(epochs=0, finetune=0), {}, "nothing to train"),
        (Layerwise(epochs="half"), {}, "schedule__epochs='half'.*'auto'"),
        (Layerwise(loss="cross_entropy"), {}, "layer 2 of 3: .*CrossEntropy"),
        (Layerwise(penalty=KL()), {"latent": "gaussian"}, "layer 1 of 3: .*'kl'.*fine-tuning"),
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
    assert isinstance(model.schedule, Layerwise)
    assert composition.architecture.hidden == (8, 4)
