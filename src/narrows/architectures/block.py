"""The base class of layers, and of the architectures that stack them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from narrows.core.activations import Activation
from narrows.core.spec import Spec, overrides, unwritten
from narrows.core.types import RowAxes
from narrows.errors import ParameterError

__all__ = ["Architecture", "Block", "Layers"]


SIGNAL = "signal"  # an input_shape: one channel, as long as the table or view is wide


class LocalJacobian(NamedTuple):
    """A block near x: its value, and its Jacobian diag(slope) weight for each sample.

    ``slope`` has the shape of ``value``, (n_samples, n_out), and is None where it is 1; ``weight``
    has shape (n_out, n_in), and so has its ``gradient``, where that is known to be a place. Slopes
    that have a derivative by what goes into the activation have a ``curvature``, and ``pull`` is
    where derivatives by that are added.
    """

    value: Tensor
    slope: Tensor | None
    weight: Tensor
    gradient: Tensor | None = None
    curvature: Tensor | None = None
    pull: Tensor | None = None


class Spread(NamedTuple):
    """Where W and b have the numbers of Parameters that are smaller than they are.

    ``numbers``, int64 of shape (n_out, n_in), says which number of the flattened Parameter stands
    where, one more than its last where W is 0; ``biases``, of shape (n_out,), which bias.
    """

    numbers: Tensor
    biases: Tensor


class AffineMap(NamedTuple):
    """activation(W x + b) of some columns of x, or those columns as they are where W is None.

    ``takes`` are the columns of the input, ``gives`` those of the output; ``transposed`` says that
    the Parameter holds W^T, ``spread`` that W and b are made of the Parameters' numbers.
    """

    takes: slice | list[int]
    gives: slice
    weight: nn.Parameter | None
    bias: nn.Parameter | None
    transposed: bool
    activation: Activation
    spread: Spread | None = None

    @property
    def size(self) -> int:
        """How many numbers W has."""
        if self.spread is not None:
            return self.spread.numbers.numel()
        return 0 if self.weight is None else self.weight.numel()

    @property
    def matrix(self) -> Tensor:
        """W, shape (n_out, n_in), of a map that has one."""
        assert self.weight is not None
        return self.weight.T if self.transposed else self.weight

    @property
    def matrix_gradient(self) -> Tensor:
        """The gradient of W, in its shape, a view of that of the Parameter."""
        assert self.weight is not None
        assert self.weight.grad is not None
        return self.weight.grad.T if self.transposed else self.weight.grad


class AffineBlock(NamedTuple):
    """A block as affine maps side by side; ``order`` then says which output column goes where."""

    parts: list[AffineMap]
    n_in: int
    n_out: int
    order: slice | list[int] | None = None


class Block(nn.Module):
    """One layer: maps x to its next representation, and can be mirrored for the decoder.

    Both are flat, of shapes (n_samples, n_in) and (n_samples, n_out). A block that must know which
    cells were measured sets ``sees_observed`` and is called with that mask, or None, beside x.

    A block defines `forward` and sets ``n_in``, ``n_out`` and ``activation``; `mirror`, where its
    architecture makes the decoder by it. What else there is has a default that is right for any
    block whose parameters are its own.

    Examples
    --------
    >>> import torch
    >>> from narrows import Architecture, Autoencoder, Block, Layers
    >>> from narrows.core.activations import ACTIVATIONS
    >>> from sklearn.datasets import load_iris
    >>> class Sine(Block):
    ...     def __init__(self, n_in, n_out):
    ...         super().__init__()
    ...         self.n_in, self.n_out, self.activation = n_in, n_out, ACTIVATIONS["linear"]
    ...         self.weight = torch.nn.Parameter(torch.empty(n_out, n_in))
    ...     def forward(self, x):
    ...         return torch.sin(x @ self.weight.T)
    >>> class Waves(Architecture):
    ...     def build(self, n_features, n_components):
    ...         return Layers([Sine(n_features, n_components)], [Sine(n_components, n_features)])
    >>> model = Autoencoder(2, architecture=Waves(), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    activation: Activation
    n_in: int
    n_out: int
    sees_observed = False
    recurrent_work = 0  # multiplications of a row at each step of a sequence, if it goes by steps

    def __init__(self) -> None:
        super().__init__()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # What was said of another forward, of which training and contraction make use.
        for shortcut in ("stage", "unrolled", "local_jacobian"):
            if overrides(cls, "forward", shortcut):
                setattr(cls, shortcut, getattr(Block, shortcut))

    def __getattr__(self, name: str) -> Any:
        if name in ("activation", "n_in", "n_out"):
            raise AttributeError(
                f"{type(self).__name__} has no {name}; set self.{name} in __init__"
            )
        return super().__getattr__(name)

    def mirror(self, *, tied: bool, activation: Activation) -> Block:
        """Return the decoder's counterpart, which maps this block's output back to its input.

        Parameters
        ----------
        tied : bool
            Whether the counterpart uses this block's weight, transposed: one Parameter.
        activation : Activation
            The counterpart's activation.
        """
        raise unwritten(self, "mirror")

    def copy_with(self, activation: Activation) -> Block:
        """Return a block of the same shape with weights of its own; by default a deep copy."""
        block = copy.deepcopy(self)
        block.activation = activation
        return block

    def initialize(self, generator: torch.Generator) -> None:
        """Draw this block's own parameters; a tied weight belongs to the block it came from.

        By default matrices are drawn as the activation has it, and vectors are 0.
        """
        for parameter in self.parameters():
            if parameter.ndim > 1:
                self.activation.initialize(parameter.data, generator)
            else:
                nn.init.zeros_(parameter)

    def local_jacobian(self, x: Tensor) -> LocalJacobian | None:
        """Return the block's value and derivative at x, if that is a diagonal times a matrix."""
        return None

    def stage(self) -> AffineBlock | None:
        """Return the block as affine maps and activations, if it is nothing else."""
        return None

    def unrolled(self) -> AffineBlock | None:
        """Return the same for training, maybe of maps that are `Spread`, where these are small."""
        return self.stage()

    @property
    def views(self) -> Sequence[Sequence[int]]:
        """Which outputs each view has, where none is made of several views."""
        return ()

    def measured_outputs(self, observed: Tensor) -> Tensor | None:
        """Return which outputs were made of something measured; None where there is no telling.

        Parameters
        ----------
        observed : bool Tensor of shape (n_samples, n_in)
            Which inputs were measured.
        """
        return None

    def single_layer(self, *, mirror: bool) -> Block:
        """Return the block, with its weights, for a mask as wide as its inputs, or its outputs.

        In a stack every block is given the mask of the table. Trained alone, a layer is given that
        of its own inputs, and so is its mirror, which gives them back.
        """
        return self

    def weights(self) -> list[nn.Parameter]:
        """Return the parameters that weight decay counts: weights without biases, tied once.

        By default those that are no vectors.
        """
        return [parameter for parameter in self.parameters() if parameter.ndim > 1]


class Layers(NamedTuple):
    """What an architecture builds: the encoder's blocks down to the code, and the decoder's up.

    Parameters
    ----------
    encoder : sequence of Block
        From the columns to the code.
    decoder : sequence of Block
        From the code to the columns; the output activation comes behind it.

    Examples
    --------
    >>> from narrows import Dense
    >>> [(block.n_in, block.n_out) for block in Dense((8,)).build(4, 2).encoder]
    [(4, 8), (8, 2)]
    """

    encoder: Sequence[Block]
    decoder: Sequence[Block]


class Architecture(Spec, axis="architecture"):
    """Base of the architectures: the layout of the layers.

    A member implements `build`; it may have settings ``code_activation`` and
    ``output_activation``. ``accepts_extra_inputs`` says whether rows may have further columns, as
    where these lie means nothing; ``has_slow_steps`` that fewer and larger steps are taken by
    default, as each takes so long. `Modules` takes torch modules as they are. `narrows.testing` has
    ``check_architecture``.

    Examples
    --------
    >>> from narrows import Architecture, Autoencoder, Dense, Layers
    >>> from sklearn.datasets import load_iris
    >>> class Funnel(Architecture):
    ...     def build(self, n_features, n_components):
    ...         return Dense((4 * n_components, 2 * n_components)).build(n_features, n_components)
    >>> model = Autoencoder(2, architecture=Funnel(), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    how_to_write: ClassVar[str] = (
        "give encoder and decoder: architecture=narrows.Modules({value}, decoder)"
    )
    accepts_extra_inputs = False
    has_slow_steps = False

    code_activation: str = "linear"
    output_activation: str | None = None

    def build(self, n_features: int, n_components: int) -> Layers:
        """Return fresh blocks for tables of ``n_features`` columns, without drawn weights."""
        raise unwritten(self, "build")

    def build_for_view(self, n_features: int, n_components: int) -> Layers:
        """Return the layers of one of several views: all that `build` gives but those of the code.

        What they make has any width; the code of all views is made of it.
        """
        layers = self.build(n_features, n_components)
        return Layers(layers.encoder[:-1], layers.decoder[1:])

    def drawn(self, n_features: int) -> NDArray[np.int64] | None:
        """Return the numbers of the columns as they lie in what a row holds.

        Shape (channels, steps) where a row is a sequence, (channels, height, width) where it is an
        image; None where it is just a row.
        """
        return None

    def channel_columns(self, n_features: int) -> NDArray[np.int64] | None:
        """Return the numbers of the columns of each channel, shape (channels, n_in_each).

        None where no shape was declared, so that columns may be of any kind.
        """
        return None

    def for_rows(self, n_features: int, row_shape: RowAxes | None) -> Self:
        """Return the architecture for rows of a shape: itself, or with what it left open.

        Parameters
        ----------
        n_features : int
            Cells of a row.
        row_shape : RowAxes or None
            What a row is; None where the rows are flat.

        Raises
        ------
        ParameterError
            If it cannot do without a shape, or with this one.
        """
        if row_shape is not None and row_shape.is_ragged:
            raise ParameterError(
                f"architecture={self!r} does not read sequences of different length; choose "
                "architecture='recurrent', or give a table of what describes each sequence"
            )
        return self

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return a spec for a spec, a name, or a tuple of widths (a `Dense` stack).

        Raises
        ------
        ParameterError
            If ``value`` is none of these.
        """
        if isinstance(value, (tuple, list)):
            spec = Spec.find("architecture", "dense")(hidden=tuple(value))
            assert isinstance(spec, cls)
            return spec
        return super().of(value)


def as_tuple(name: str, value: Any, length: int) -> tuple[Any, ...]:
    """Return one value per layer: ``value`` itself if it is a sequence, else repeated.

    Raises
    ------
    ParameterError
        If a sequence has not one entry per layer.
    """
    if not isinstance(value, (tuple, list)):
        return (value,) * length
    if len(value) != length:
        raise ParameterError(
            f"{name}={value!r} must have one entry per hidden layer, that is {length}; "
            "give one name for all of them, or as many as hidden has widths"
        )
    return tuple(value)


def sequence_forward(blocks: Sequence[Block], x: Tensor, observed: Tensor | None) -> Tensor:
    """Pass ``x`` through the blocks in turn."""
    for block in blocks:
        x = block(x, observed) if block.sees_observed else block(x)
    return x
