"""Recorded: what a GPU would be told once and then repeat, tried on the processor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lanes import few
from narrows import (
    SGD,
    AdamW,
    Adversarial,
    Autoencoder,
    CauchyNoise,
    Contraction,
    Convolutional,
    Dense,
    Emphasis,
    GaussianNoise,
    Masking,
    Ones,
    SaltAndPepper,
    Swap,
    ViewDropout,
    WeightDecay,
)
from narrows.data.table import DenseTable
from narrows.losses.pointwise import SquaredError
from narrows.network.objective import Objective
from narrows.training import runtime, trials
from narrows.training.compiled import cuda_graph
from narrows.training.history import EpochMeter
from narrows.training.optimizers.algorithms import OneVectorAdam
from narrows.training.runtime import Runtime
from narrows.training.step import Step

aten = torch.ops.aten
# What a GPU refuses while it is recorded: answers for the processor, and data from its memory.
REFUSED = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.lift_fresh.default,
    aten.masked_select.default,
}
Table = NDArray[Any]
Calls = list[tuple[Any, Any, Any, Any]]


class Listening(TorchDispatchMode):
    """Notes every call on tensors, and refuses what a CUDA graph cannot hold."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        assert func not in REFUSED, f"{func} cannot be recorded on a GPU"
        made = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, made))
        return made


@dataclasses.dataclass(frozen=True)
class Repeating(Runtime):
    """A runtime of the processor that does as one of a GPU: the same calls on the same tensors.

    Numbers of Python's that a body had are the ones of its recording, as in a CUDA graph.
    """

    recordings: list[int] = dataclasses.field(default_factory=list)
    replays: list[int] = dataclasses.field(default_factory=list)

    @property
    def records(self) -> bool:
        return True

    def record(
        self, body: Callable[[], Tensor], generator: torch.Generator
    ) -> tuple[Callable[[], object], Tensor]:
        calls: Calls = []
        with Listening(calls):
            result = body()  # a GPU would do nothing yet, so the first replay is this
        self.recordings.append(len(calls))
        done = [False]

        @torch.no_grad()
        def replay() -> None:
            self.replays.append(len(calls))
            if not done[0]:
                done[0] = True
                return
            for func, args, kwargs, made in calls:
                again = func(*args, **kwargs)
                for old, new in zip(tree_flatten(made)[0], tree_flatten(again)[0], strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

        return replay, result


@pytest.fixture(autouse=True)
def _no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fit be one training: trials on held-out rows are further ones."""
    monkeypatch.setattr(trials, "FEWEST", 10**9)


@pytest.fixture
def repeating(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Repeating]]:
    """Let fits run as on a GPU from the call on; return the runtimes they had."""
    plain, made = runtime.resolve, []

    def resolve(device: str, precision: str) -> Repeating:
        found = Repeating(**dataclasses.asdict(plain(device, precision)))
        made.append(found)
        return found

    def begin() -> list[Repeating]:
        monkeypatch.setattr("narrows.estimators.autoencoder.resolve", resolve)
        return made

    return begin


@pytest.fixture
def rows() -> Table:
    generator = np.random.default_rng(0)
    mixed = generator.standard_normal((330, 3)) @ generator.standard_normal((3, 12))
    return np.tanh(mixed) + 0.1 * generator.standard_normal(mixed.shape)


def fitted(X: Table, **settings: Any) -> Autoencoder:
    options = {"batch_size": 32, "max_epochs": 20, "random_state": 0, **settings}
    return Autoencoder(3, **options).fit(X)


RECORDED = {
    "defaults": {},
    "tied, tanh": {"architecture": Dense((8,), "tanh", tied=True)},
    "another loss, decay": {"loss": "huber", "penalty": WeightDecay(0.01)},
    "cross-entropy": {"loss": "cross_entropy", "scaling": "minmax"},
    "short gradients": {"max_grad_norm": 0.5},
    "bfloat16": {"precision": "bfloat16"},
    "float64, decay of the optimiser": {"precision": "float64", "optimizer": AdamW(0.1)},
    "one rate": {"learning_rate": 1e-3},
    "masking": {"corruption": Masking(0.2)},
    "masking of some": {"corruption": Masking(count=2)},
    "noise and emphasis": {"corruption": GaussianNoise(0.3), "loss": Emphasis()},
    "cauchy": {"corruption": CauchyNoise(0.02)},
    "salt and pepper": {"corruption": SaltAndPepper(0.1)},
    "ones": {"corruption": Ones(0.1)},
    "swap and noise": {"corruption": Swap(0.1) + GaussianNoise(0.1)},
    "views": {"views": {"even": slice(0, 12, 2), "odd": slice(1, 12, 2)}, "corruption": None},
    "views that are hidden": {
        "views": {"even": slice(0, 12, 2), "odd": slice(1, 12, 2)},
        "corruption": ViewDropout(0.2),
    },
    "early stopping": {"early_stopping": True},
    "layer by layer": {"schedule": "layerwise", "architecture": Dense((8,), "sigmoid")},
}


@pytest.mark.parametrize("name", few(RECORDED, [*RECORDED][::2].__contains__))
@pytest.mark.parametrize("holes", few([False, True], bool), ids=["whole", "holes"])
def test_recorded_steps_are_the_steps(
    name: str, holes: bool, rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    if holes:
        rows[np.random.default_rng(1).random(rows.shape) < 0.1] = np.nan
    made = repeating()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_graph, "PLAIN_STEPS", 10**9)
        plain = fitted(rows, **RECORDED[name])
    again = fitted(rows, **RECORDED[name])
    assert made[0].recordings == []
    phases = len({row["phase"] for row in again.history_})
    assert phases <= len(made[1].recordings) <= 2 * phases  # of whole batches, and of the last
    steps = len(again.history_) * -(-len(rows) // 32)
    assert 0.5 * steps < len(made[1].replays) < steps
    np.testing.assert_array_equal(again.transform(rows), plain.transform(rows))
    for one, other in zip(again.history_, plain.history_, strict=True):
        assert one["objective"] == other["objective"]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_they_differ_from_steps_made_without_by_the_rounding_of_the_rate(
    precision: str, rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    settings = {"architecture": Dense((8,), "tanh"), "max_epochs": 5, "precision": precision}
    plain = fitted(rows, **settings)
    made = repeating()
    again = fitted(rows, **settings)
    assert made[0].replays
    np.testing.assert_allclose(again.transform(rows), plain.transform(rows), rtol=0, atol=1e-5)


class _Falling(WeightDecay):
    def weight_at(self, progress: float) -> float:
        return self.weight * (1 - progress)


NOT_RECORDED = {
    "a weight that falls": {"penalty": _Falling(0.1)},
    "a weight that grows": {"latent": "gaussian", "penalty": "kl"},
    "critics": {"penalty": Adversarial(0.1)},
    "derivatives": {"penalty": Contraction(0.1)},
    "pooling": {"architecture": Convolutional((3, 4), channels=(4,), pooling="max")},
    "another optimiser": {"optimizer": SGD()},
    "all rows at once": {"optimizer": "lbfgs"},
}


@pytest.mark.parametrize("name", NOT_RECORDED)
def test_steps_that_differ_are_made_call_by_call(
    name: str, rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    settings = {"max_epochs": 4, **NOT_RECORDED[name]}
    plain = fitted(rows, **settings)
    made = repeating()
    again = fitted(rows, **settings)
    assert made[0].recordings == []
    np.testing.assert_array_equal(again.transform(rows), plain.transform(rows))


def test_sparse_rows_are_made_call_by_call(
    rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    made = repeating()
    fitted(scipy.sparse.csr_array(np.where(rows > 0, rows, 0)))
    assert made[0].recordings == []


def test_a_few_steps_are_not_worth_recording(
    rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    made = repeating()
    fitted(rows, batch_size=330, max_epochs=cuda_graph.PLAIN_STEPS)
    assert made[0].recordings == []


def test_each_pass_goes_on_where_the_last_one_ended(
    rows: Table, repeating: Callable[[], list[Repeating]]
) -> None:
    def passes() -> Table:
        model = Autoencoder(3, batch_size=8, random_state=0)
        for _ in range(3):
            model.partial_fit(rows)
        return model.transform(rows)

    plain = passes()
    made = repeating()
    np.testing.assert_allclose(passes(), plain, rtol=0, atol=1e-3)
    assert [len(found.recordings) for found in made] == [1, 1, 1]


def test_a_corruption_of_somebodys_own_is_made_call_by_call(
    rows: Table, repeating: Callable[[], list[Repeating]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fetching(Masking):
        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return x * float(x.abs().max() > 0)

    made = repeating()
    fitted(rows, corruption=Fetching())
    assert made[0].recordings == []
    monkeypatch.setattr(Fetching, "graph_capturable", True)
    with pytest.raises(AssertionError, match="cannot be recorded on a GPU"):
        fitted(rows, corruption=Fetching())


def test_a_step_takes_nothing_from_the_processor(rows: Table) -> None:
    """With everything on the meta device a tensor of the processor among its own is an error."""
    here = torch.device("meta")
    model = Autoencoder(3, max_epochs=1, random_state=0).fit(rows)
    network = model.network_.to(here)
    table = DenseTable(torch.empty(330, 12, device=here))
    place = Runtime(here, torch.float32, autocast=False)
    objective = Objective(SquaredError(), WeightDecay(0.1), torch.ones(12, device=here))
    step = Step(network, table, objective, None, place, torch.Generator(), max_grad_norm=1.0)
    with step.held():
        assert step.fused is not None
        assert step.fused.has_closed_form
        assert step.flat is not None
        stepper = OneVectorAdam([step.flat.vector], 1e-3, (0.9, 0.999), 1e-8)
        calls: Calls = []
        with Listening(calls):
            for _ in range(2):
                step.train(
                    torch.empty(32, dtype=torch.int64, device=here), stepper, EpochMeter(("a",))
                )
    tensors = [x for call in calls for x in tree_flatten(call[1:])[0] if isinstance(x, Tensor)]
    assert len(tensors) > 100
    assert {x.device for x in tensors if x.ndim} == {here}
