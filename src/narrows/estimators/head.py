"""A network with a head on its code, and the objectives of classes and of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.architectures.block import Block
from narrows.architectures.dense import DenseBlock
from narrows.core.activations import ACTIVATIONS
from narrows.core.forward_pass import ForwardPass
from narrows.core.types import Json
from narrows.network.network import Network
from narrows.network.objective import Objective, Value


class Head(nn.Module):
    """Dense layers from the code to what is predicted.

    Parameters
    ----------
    widths : sequence of int
        From the code over the hidden layers to the outputs.
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        last = len(widths) - 2
        self.blocks = nn.ModuleList(
            DenseBlock(n_in, n_out, ACTIVATIONS["linear" if number == last else "relu"])
            for number, (n_in, n_out) in enumerate(itertools.pairwise(widths))
        )

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for block in self.blocks:
            cast(Block, block).initialize(generator)

    def forward(self, code: Tensor) -> Tensor:
        """Map codes of shape (n_samples, n_components) to shape (n_samples, n_outputs)."""
        for block in self.blocks:
            code = block(code)
        return code


class NetworkWithHead(nn.Module):
    """An autoencoder with a head, as the trainer asks of a network.

    Parameters
    ----------
    network : Network
        Whose encoder is fine-tuned; its decoder only where reconstruction counts.
    head : Head
        Predicts from the mean of the code.
    reconstructs : bool
        Whether the decoder is trained too.
    """

    def __init__(self, network: Network, head: Head, *, reconstructs: bool) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.reconstructs = reconstructs

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return what the objective moves."""
        parts: list[nn.Module] = [self.network.body, self.network.heads[0], self.head]
        if self.network.input_layer is not None:
            parts.append(self.network.input_layer)
        if self.reconstructs:
            parts += [self.network.heads, self.network.decoder]
        parameters = {id(p): p for part in parts for p in part.parameters()}
        return list(parameters.values())

    def forward(self, x: Tensor, x_corrupted: Tensor | None = None, **options: Any) -> ForwardPass:
        """Pass a batch through encoder and head, and through the decoder if that is trained."""
        if self.reconstructs:
            forward: ForwardPass = self.network(x, x_corrupted, **options)
        else:
            posterior = self.network.posterior(x, options["observed"])
            keep = ("observed", "sample_weight", "target", "generator", "progress")
            rest = {key: options[key] for key in keep if key in options}
            mean = posterior.mean
            forward = ForwardPass(self.network, x, x, posterior, mean, mean, **rest)
        forward.prediction = self.head(forward.posterior.mean)
        return forward


class SupervisedObjective:
    """What a head is trained for; the trainer's objective.

    Parameters
    ----------
    objective : Objective
        Of the autoencoder, for the reconstruction that fine-tuning keeps in mind.
    weight : float
        Multiplies that reconstruction.
    """

    def __init__(self, objective: Objective, weight: float) -> None:
        self.objective = objective
        self.weight = weight
        self.names: tuple[str, ...] = ("loss", "reconstruction") if weight else ("loss",)
        self.terms: Json = {}
        self.grows = False
        self.steady = True

    def per_sample(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample, shape (n_samples,)."""
        raise NotImplementedError

    def __call__(self, forward: ForwardPass) -> Value:
        """Return the objective of one batch and its parts."""
        assert forward.prediction is not None
        assert forward.target is not None
        total = forward.mean(self.per_sample(forward.prediction, forward.target))
        parts = [total.detach()]
        if self.weight:
            rebuilt = self.weight * forward.mean(self.objective.per_sample(forward))
            parts.append(rebuilt.detach())
            total = total + rebuilt
        return Value(total, parts)

    def history_extras(self, means: Mapping[str, float], n_features: int) -> dict[str, float]:
        """Return nothing: there is no loss per feature."""
        return {}

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Return nothing: there is no critic."""
        return {}

    def diagnose(self, forward: ForwardPass) -> list[str]:
        """Return nothing."""
        return []


class ClassificationObjective(SupervisedObjective):
    """-log softmax(prediction)[class]."""

    def per_sample(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of each sample; ``target`` holds class numbers."""
        return F.cross_entropy(prediction, target, reduction="none")


class RegressionObjective(SupervisedObjective):
    """||prediction - target||^2."""

    def per_sample(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the squared error of each sample, summed over outputs."""
        return (prediction - target.to(prediction.dtype).view_as(prediction)).square().sum(1)
