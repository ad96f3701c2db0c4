"""Export: a model whose network was exported or traced is as usable as before."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import narrows
from narrows import Autoencoder, Convolutional, Recurrent, View
from narrows.network.network import Network
from narrows.network.objective import Objective


class Exported(nn.Module):
    """All that a network says of rows, as one module."""

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network(x, training=False)
        return found.reconstruction, self.objective.per_sample(found)


COMPOSITIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "types": {"types": {0: "count", 1: "categorical", 2: "ordinal", 3: "binary"}},
    "views": {"views": {"a": View([0, 2], loss="huber", weight=3.0), "b": [1, 3]}},
    "experts": {"views": {"a": [0, 2], "b": [1, 3]}, "fusion": "product_of_experts"},
    "recurrent": {"architecture": Recurrent("signal")},
    "convolutional": {"architecture": Convolutional((4,), (4,))},
    "gaussian": {"latent": "gaussian"},
}


@pytest.mark.parametrize("way", ["export", "trace"])
@pytest.mark.parametrize("name", COMPOSITIONS)
# torch.nn.LSTM assigns such attributes itself.
@pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_model_can_be_used_after_it_was_exported(name: str, way: str, tmp_path: Path) -> None:
    X = np.random.default_rng(0).poisson(2, size=(40, 4)).astype(np.float64)
    X[:, 3] = X[:, 3] > 1
    Autoencoder(2, **COMPOSITIONS[name], max_epochs=1, random_state=0).fit(X).save(tmp_path / "a")
    x = torch.zeros(5, 4)
    plain, model = narrows.load(tmp_path / "a"), narrows.load(tmp_path / "a")
    expected = Exported(plain.network_, plain._fitted.objective)(x)
    module = Exported(model.network_, model._fitted.objective)
    if way == "export":
        torch.export.export(module, (x,), strict=False)
    else:
        torch.jit.trace(module, (x,), check_trace=False)
    for found, right in zip(module(x), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=0, atol=0)
    for one in (model, copy.deepcopy(model)):
        np.testing.assert_array_equal(one.transform(X), plain.transform(X))
        np.testing.assert_array_equal(one.score_samples(X), plain.score_samples(X))
    model.save(tmp_path / "b")
    model.partial_fit(X)
