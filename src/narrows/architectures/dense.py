"""Fully connected layers in symmetric stacks, with tied weights or without."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from narrows.architectures.block import (
    AffineBlock,
    AffineMap,
    Architecture,
    Block,
    Layers,
    LocalJacobian,
    as_tuple,
)
from narrows.core import activations, checks, products
from narrows.core.activations import Activation
from narrows.errors import ParameterError

__all__ = ["Dense"]


class DenseBlock(Block):
    """activation(W x + b); its tied mirror is activation(W^T x + b') with the same Parameter W."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation,
        *,
        tied_to: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.tied = tied_to is not None
        self.weight = nn.Parameter(torch.empty(n_out, n_in)) if tied_to is None else tied_to
        self.bias = nn.Parameter(torch.empty(n_out))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (n_samples, n_in) to shape (n_samples, n_out)."""
        return self.activation.function(products.linear(x, self._matrix, self.bias))

    def local_jacobian(self, x: Tensor) -> LocalJacobian:
        """Return the value at x and the Jacobian diag(activation'(W x + b)) W."""
        value, slope = self.activation.sloped(products.linear(x, self._matrix, self.bias))
        return LocalJacobian(value, slope, self._matrix)

    def stage(self) -> AffineBlock:
        """Return the one affine map."""
        takes, gives = slice(0, self.n_in), slice(0, self.n_out)
        whole = AffineMap(takes, gives, self.weight, self.bias, self.tied, self.activation)
        return AffineBlock([whole], self.n_in, self.n_out)

    @property
    def _matrix(self) -> Tensor:
        return self.weight.T if self.tied else self.weight

    def mirror(self, *, tied: bool, activation: Activation) -> DenseBlock:
        tied_to = self.weight if tied else None
        return DenseBlock(self.n_out, self.n_in, activation, tied_to=tied_to)

    def copy_with(self, activation: Activation) -> DenseBlock:
        return DenseBlock(self.n_in, self.n_out, activation)

    def initialize(self, generator: torch.Generator) -> None:
        if not self.tied:
            self.activation.initialize(self.weight.data, generator)
        nn.init.zeros_(self.bias)

    def weights(self) -> list[nn.Parameter]:
        return [] if self.tied else [self.weight]


class Dense(Architecture):
    """Fully connected layers: features -> hidden -> code -> hidden reversed -> features.

    Parameters
    ----------
    hidden : sequence of int, default=(256,)
        Widths of the encoder's hidden layers, from the features down to the code. The decoder
        has them in reverse order. ``()`` is the shallow autoencoder.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers: one for all, or one per entry of ``hidden``.
    code_activation : str, default="linear"
        Activation of the code. ``"binary"`` trains as a sigmoid and transforms to 0 or 1.
    output_activation : str, optional
        Activation of the reconstruction; by default the loss's own link (linear for
        `SquaredError`, sigmoid for `CrossEntropy`).
    tied : bool, default=False
        Whether the decoder uses the encoder's weights transposed (own biases).

    References
    ----------
    Charte et al., "A practical tutorial on autoencoders for nonlinear feature fusion",
    Information Fusion 44 (2018).

    Examples
    --------
    >>> from narrows import Autoencoder, Dense
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = Autoencoder(2, architecture=Dense((16, 8), activation="tanh", tied=True),
    ...                     max_epochs=5, random_state=0)
    >>> model.fit_transform(X).shape
    (150, 2)
    """

    accepts_extra_inputs = True

    def __init__(
        self,
        hidden: Sequence[int] = (256,),
        activation: str | Sequence[str] = "relu",
        code_activation: str = "linear",
        output_activation: str | None = None,
        tied: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.tied = tied

    def build(self, n_features: int, n_components: int) -> Layers:
        """Return fresh blocks, without drawn weights.

        Parameters
        ----------
        n_features, n_components : int
            Width of the table and of the code.

        Raises
        ------
        ParameterError
            If a width is not a positive whole number, or an activation is unknown.
        """
        widths = self._widths(n_features, n_components)
        hidden = [
            activations.find("activation", name)
            for name in as_tuple("activation", self.activation, len(widths) - 2)
        ]
        code = activations.find("code_activation", self.code_activation, code=True)
        encoder = [
            DenseBlock(n_in, n_out, activation)
            for n_in, n_out, activation in zip(
                widths[:-1], widths[1:], [*hidden, code], strict=True
            )
        ]
        # The mirror of a block gives back what the block saw, so it ends in the activation that
        # made that; the outermost gives the raw output, and the network applies the link.
        seen = [activations.ACTIVATIONS["linear"], *hidden]
        decoder = [
            block.mirror(tied=bool(self.tied), activation=activation)
            for block, activation in zip(reversed(encoder), reversed(seen), strict=True)
        ]
        return Layers(encoder, decoder)

    def _widths(self, n_features: int, n_components: int) -> list[int]:
        if isinstance(self.hidden, str) or not isinstance(self.hidden, Sequence):
            raise ParameterError(
                f"hidden={self.hidden!r} must be a sequence of widths; write hidden=(256, 64)"
            )
        hidden = [
            checks.integer(f"hidden[{i}]", width, low=1) for i, width in enumerate(self.hidden)
        ]
        return [n_features, *hidden, n_components]
