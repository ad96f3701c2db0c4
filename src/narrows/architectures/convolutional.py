"""Convolutional layers for signals, images and volumes, in symmetric stacks."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.architectures.block import (
    SIGNAL,
    AffineBlock,
    AffineMap,
    Architecture,
    Block,
    Layers,
    Spread,
)
from narrows.architectures.dense import DenseBlock
from narrows.core import activations, checks
from narrows.core.activations import Activation
from narrows.core.types import RowAxes
from narrows.errors import ParameterError

__all__ = ["Convolutional"]

# By the number of axes, from one.
CONVOLVE: tuple[Callable[..., Tensor], ...] = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSE: tuple[Callable[..., Tensor], ...] = (
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)
POOL: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "max": (F.max_pool1d, F.max_pool2d, F.max_pool3d),
    "average": (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
}

UNROLLED = 1 << 17  # numbers of the largest matrix that a layer is trained as

Sizes = tuple[int, ...]  # one number per axis


@dataclass(frozen=True)
class Convolution:
    """Where the kernels of one layer go, from its input down to its output and back up.

    Parameters
    ----------
    in_channels, out_channels : int
        Feature maps on both sides.
    in_size : tuple of int
        Size of each feature map of the input.
    kernel_size, stride, padding : tuple of int
        One number per axis.
    pooling : {"max", "average"} or None
        What makes the maps ``stride`` times smaller; the convolution itself if None.
    """

    in_channels: int
    in_size: Sizes
    out_channels: int
    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    pooling: str | None

    @property
    def n_in(self) -> int:
        """Numbers per sample on the side of the input."""
        return self.in_channels * math.prod(self.in_size)

    @property
    def n_out(self) -> int:
        """Numbers per sample on the side of the output."""
        return self.out_channels * math.prod(self.out_size)

    @property
    def steps(self) -> Sizes:
        """How far the kernel moves at a time."""
        return self.stride if self.pooling is None else (1,) * len(self.stride)

    @property
    def convolved(self) -> Sizes:
        """Size of the maps before they are pooled."""
        axes = zip(self.in_size, self.kernel_size, self.padding, self.steps, strict=True)
        return tuple((size + 2 * pad - kernel) // step + 1 for size, kernel, pad, step in axes)

    @property
    def out_size(self) -> Sizes:
        """Size of each feature map of the output."""
        if self.pooling is None:
            return self.convolved
        # The last window may be cut short, so that no row or column of the maps is lost.
        axes = zip(self.convolved, self.stride, strict=True)
        return tuple(-(-size // step) for size, step in axes)

    def kernels(self) -> Tensor:
        """Return room for the kernels, shape (out_channels, in_channels, *kernel_size)."""
        return torch.empty(self.out_channels, self.in_channels, *self.kernel_size)

    def down(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve, shape (n_samples, n_in) to (n_samples, out_channels, *convolved)."""
        maps = x.unflatten(1, (self.in_channels, *self.in_size))
        convolve = CONVOLVE[len(self.in_size) - 1]
        return convolve(maps, weight, bias, stride=self.steps, padding=self.padding)

    def up(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve transposed, shape (n_samples, n_out) to (n_samples, in_channels, *in_size)."""
        maps = self.upsample(x.unflatten(1, (self.out_channels, *self.out_size)))
        return TRANSPOSE[len(self.in_size) - 1](
            maps,
            weight,
            bias,
            stride=self.steps,
            padding=self.padding,
            output_padding=self._left_over,
        )

    def pool(self, maps: Tensor) -> Tensor:
        """Return one number for each window of ``stride`` cells, if there is pooling."""
        if self.pooling is None:
            return maps
        window = tuple(map(min, self.stride, self.convolved))
        return POOL[self.pooling][len(self.stride) - 1](maps, window, self.stride, ceil_mode=True)

    def upsample(self, maps: Tensor) -> Tensor:
        """Repeat each number over the window that `pool` made it of."""
        if self.pooling is None:
            return maps
        for axis, (size, step) in enumerate(zip(self.convolved, self.stride, strict=True), start=2):
            maps = maps.repeat_interleave(step, dim=axis).narrow(axis, 0, size)
        return maps

    def spread(self, *, up: bool) -> Spread:
        """Return where the matrix of `down`, or `up`, has the numbers of kernels and biases.

        Of layers without pooling. Kernels whose numbers are 1, 2, ... say where each stands, of
        rows that are 1 in one cell: those of the narrower side, which may be far narrower.
        """
        shape = self.kernels().shape
        numel = shape.numel()
        kernels = torch.arange(1.0, numel + 1, dtype=torch.float64, device="cpu").view(shape)
        upwards = self.n_out <= self.n_in
        cells = torch.eye(min(self.n_in, self.n_out), dtype=torch.float64, device="cpu")
        bias = cells.new_zeros(self.in_channels if upwards else self.out_channels)
        places = (self.up if upwards else self.down)(cells, kernels, bias).flatten(1).round().long()
        if upwards != up:  # the one is the transpose of the other
            places = places.T
        numbers = torch.where(places > 0, places - 1, numel).T
        n_channels = self.in_channels if up else self.out_channels
        biases = torch.arange(n_channels, device="cpu").repeat_interleave(
            len(numbers) // n_channels
        )
        return Spread(numbers, biases)

    @property
    def _left_over(self) -> Sizes:
        """Cells at the far edge that the last step of the kernel did not reach."""
        axes = zip(self.in_size, self.kernel_size, self.padding, self.steps, strict=True)
        return tuple((size + 2 * pad - kernel) % step for size, kernel, pad, step in axes)


@functools.lru_cache(maxsize=32)
def _spread(convolution: Convolution, up: bool) -> Spread:
    return convolution.spread(up=up)


class _KernelBlock(Block):
    """The parameters of both directions: kernels, which a tied block has of another, and a bias."""

    def __init__(
        self,
        convolution: Convolution,
        n_biases: int,
        activation: Activation,
        tied_to: nn.Parameter | None,
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.tied = tied_to is not None
        self.weight = nn.Parameter(convolution.kernels()) if tied_to is None else tied_to
        self.bias = nn.Parameter(torch.empty(n_biases))
        self.activation = activation

    def initialize(self, generator: torch.Generator) -> None:
        if not self.tied:
            self.activation.initialize(self._drawn, generator)
        nn.init.zeros_(self.bias)

    def weights(self) -> list[nn.Parameter]:
        return [] if self.tied else [self.weight]

    def _as_matrix(self, *, up: bool) -> AffineBlock | None:
        """Return the block as one matrix, if that is small enough to be multiplied faster."""
        if self.convolution.pooling is not None or self.n_in * self.n_out > UNROLLED:
            return None
        takes, gives = slice(0, self.n_in), slice(0, self.n_out)
        spread = _spread(self.convolution, up)
        affine = AffineMap(takes, gives, self.weight, self.bias, False, self.activation, spread)
        return AffineBlock([affine], self.n_in, self.n_out)

    @property
    def _drawn(self) -> Tensor:
        """The kernels, shape (channels that go out, channels that come in, *kernel_size)."""
        raise NotImplementedError


class ConvolutionBlock(_KernelBlock):
    """pool(activation(w * x + b)), w * x the cross-correlation of each channel with each kernel."""

    def __init__(
        self,
        convolution: Convolution,
        activation: Activation,
        *,
        tied_to: nn.Parameter | None = None,
    ) -> None:
        super().__init__(convolution, convolution.out_channels, activation, tied_to)
        self.n_in, self.n_out = convolution.n_in, convolution.n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (n_samples, n_in) to shape (n_samples, n_out)."""
        maps = self.activation.function(self.convolution.down(x, self.weight, self.bias))
        return self.convolution.pool(maps).flatten(1)

    def unrolled(self) -> AffineBlock | None:
        return self._as_matrix(up=False)

    def mirror(self, *, tied: bool, activation: Activation) -> TransposedBlock:
        tied_to = self.weight if tied else None
        return TransposedBlock(self.convolution, activation, tied_to=tied_to)

    def copy_with(self, activation: Activation) -> ConvolutionBlock:
        return ConvolutionBlock(self.convolution, activation)

    @property
    def _drawn(self) -> Tensor:
        return self.weight.data


class TransposedBlock(_KernelBlock):
    """activation(w^T upsample(y) + b), w^T the transpose of the matrix that x -> w * x is.

    For stride 1 that is a cross-correlation of y with the kernels flipped along every axis, their
    two channels exchanged.
    """

    def __init__(
        self,
        convolution: Convolution,
        activation: Activation,
        *,
        tied_to: nn.Parameter | None = None,
    ) -> None:
        super().__init__(convolution, convolution.in_channels, activation, tied_to)
        self.n_in, self.n_out = convolution.n_out, convolution.n_in

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (n_samples, n_in) to shape (n_samples, n_out)."""
        maps = self.convolution.up(x, self.weight, self.bias)
        return self.activation.function(maps).flatten(1)

    def unrolled(self) -> AffineBlock | None:
        return self._as_matrix(up=True)

    def mirror(self, *, tied: bool, activation: Activation) -> ConvolutionBlock:
        tied_to = self.weight if tied else None
        return ConvolutionBlock(self.convolution, activation, tied_to=tied_to)

    def copy_with(self, activation: Activation) -> TransposedBlock:
        return TransposedBlock(self.convolution, activation)

    @property
    def _drawn(self) -> Tensor:
        return self.weight.data.transpose(0, 1)


class Convolutional(Architecture):
    """Convolutions down to small feature maps, a dense layer to the code, and the same back up.

    Parameters
    ----------
    input_shape : sequence of int or "signal", optional
        Size of what a row holds, without channels: (length,) of a signal, (height, width) of an
        image or (depth, height, width) of a volume; "signal" is one signal as long as the table or
        view is wide. By default that of the rows of fit, which are
        then no flat table: (n_samples, height, width), or with channels, before or after. Rows of
        signals are (n_samples, in_channels, length), with ``in_channels`` given.
    channels : sequence of int, default=(16, 32)
        Feature maps of each convolution of the encoder; the decoder has them in reverse order.
        ``()`` leaves the dense layer alone.
    kernel_size : int or sequence, default=3
        Cells under the kernel: one number for all layers, or one entry per layer, which is a number
        for all axes or a sequence with one per axis.
    stride : int or sequence, default=2
        How many times smaller each layer makes its maps; entries as for ``kernel_size``.
    padding : int or sequence, optional
        Zeros added at every edge; entries as for ``kernel_size``. By default
        (kernel_size - 1) // 2, with which an odd kernel of stride 1 keeps the size.
    pooling : {"max", "average"}, optional
        What makes the maps smaller: the greatest or the mean of each window of ``stride`` cells,
        undone by repeating it over the window. By default the convolution itself takes steps of
        ``stride``.
    activation : str or sequence of str, default="relu"
        Activation of the convolutions: one for all, or one per entry of ``channels``.
    code_activation : str, default="linear"
        Activation of the code.
    output_activation : str, optional
        Activation of the reconstruction; by default the loss's own link.
    tied : bool, default=False
        Whether the decoder uses the encoder's weights (own biases): its transposed convolutions
        have the same kernels, which is a convolution with each kernel flipped along every axis.
    in_channels : int, default=1
        Channels of the input, such as 3 for colour; those of X where ``input_shape`` is. A flat row
        holds one channel after the other: ``row.reshape(in_channels, *input_shape)``.

    Notes
    -----
    Sizes need not be multiples of the strides: the decoder knows the size of each of the encoder's
    layers and gives it back exactly.

    References
    ----------
    Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", ICANN
    2011. Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> from narrows import Autoencoder, Convolutional
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data[:300]
    >>> model = Autoencoder(4, architecture=Convolutional((8, 8), channels=(4, 8), tied=True),
    ...                     max_epochs=2, random_state=0)
    >>> model.fit_transform(X).shape
    (300, 4)
    """

    def __init__(
        self,
        input_shape: Sequence[int] | str | None = None,
        channels: Sequence[int] = (16, 32),
        kernel_size: int | Sequence[Any] = 3,
        stride: int | Sequence[Any] = 2,
        padding: int | Sequence[Any] | None = None,
        pooling: str | None = None,
        activation: str | Sequence[str] = "relu",
        code_activation: str = "linear",
        output_activation: str | None = None,
        tied: bool = False,
        in_channels: int = 1,
    ) -> None:
        self.input_shape = input_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.pooling = pooling
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.tied = tied
        self.in_channels = in_channels

    def build(self, n_features: int, n_components: int) -> Layers:
        """Return fresh blocks, without drawn weights.

        Parameters
        ----------
        n_features, n_components : int
            Width of the table and of the code.

        Raises
        ------
        ParameterError
            If a setting cannot be, the input is not as wide as the table, or a kernel is wider than
            what it moves along.
        """
        convolutions = self._convolutions(n_features)
        names = _per_layer("activation", self.activation, len(convolutions))
        hidden = [activations.find("activation", name) for name in names]
        code = activations.find("code_activation", self.code_activation, code=True)
        flat = convolutions[-1].n_out if convolutions else n_features
        encoder: list[Block] = [
            *map(ConvolutionBlock, convolutions, hidden),
            DenseBlock(flat, n_components, code),
        ]
        # The mirror of a block ends in the activation that made what the block saw; the outermost
        # gives the raw output, and the network applies the link.
        seen = [activations.ACTIVATIONS["linear"], *hidden]
        decoder = [
            block.mirror(tied=bool(self.tied), activation=activation)
            for block, activation in zip(reversed(encoder), reversed(seen), strict=True)
        ]
        return Layers(encoder, decoder)

    def for_rows(self, n_features: int, row_shape: RowAxes | None) -> Self:
        """Return the architecture with the shape of the rows, where none was given.

        Raises
        ------
        ParameterError
            If the rows are flat, or sequences, or do not say which axis is that of the channels.
        """
        if self.input_shape is not None:
            return self
        if row_shape is None:
            square = math.isqrt(n_features)
            image = f"{square}, {square}" if square**2 == n_features else "height, width"
            raise ParameterError(
                f"architecture={self!r} does not say what the {n_features} cells of a row are; "
                f"write Convolutional(({image})) for an image or Convolutional({SIGNAL!r}) for "
                "a signal, with in_channels= where there are several, or give X as images, "
                "(n_samples, height, width)"
            )
        super().for_rows(n_features, row_shape)
        channels, size = 1, row_shape.axes
        if row_shape.has_channels or (len(size) == 2 and self.in_channels == size[0] > 1):
            channels, size = size[0], size[1:]
        elif len(size) > 2:
            raise ParameterError(
                f"rows of X have the shape {row_shape.in_words()}, of which no axis is surely that "
                f"of channels; write Convolutional({size!r}) for volumes, or "
                f"Convolutional({size[1:]!r}, in_channels={size[0]})"
            )
        return copy.deepcopy(self).set_params(input_shape=size, in_channels=channels)

    def drawn(self, n_features: int) -> NDArray[np.int64]:
        """Return the numbers of the columns as they lie in what a row holds.

        Shape (channels, length) of a signal, (channels, height, width) of an image; of a volume,
        its middle slice.
        """
        channels, size = self._input(n_features)
        numbers = np.arange(n_features).reshape(channels, *size)
        return numbers if len(size) < 3 else numbers[:, size[0] // 2]

    def channel_columns(self, n_features: int) -> NDArray[np.int64] | None:
        """Return the columns of each channel; None where ``input_shape`` is not given."""
        if self.input_shape is None:
            return None
        channels, _ = self._input(n_features)
        return np.arange(n_features).reshape(channels, -1)

    def _convolutions(self, n_features: int) -> list[Convolution]:
        """Return the encoder's convolutions, each of the size that the one before leaves."""
        if self.pooling is not None:
            checks.choice("pooling", self.pooling, POOL)
        channels, size = self._input(n_features)
        widths = _integers("channels", self.channels, remedy="channels=(16, 32)")
        kernels = self._sizes("kernel_size", len(widths), len(size))
        strides = self._sizes("stride", len(widths), len(size))
        paddings = self._paddings(kernels)
        convolutions: list[Convolution] = []
        for width, kernel, stride, padding in zip(widths, kernels, strides, paddings, strict=True):
            layer = Convolution(channels, size, width, kernel, stride, padding, self.pooling)
            _check_fits(layer, len(convolutions) + 1)
            convolutions.append(layer)
            channels, size = width, layer.out_size
        return convolutions

    def _input(self, n_features: int) -> tuple[int, Sizes]:
        """Return channels and size of the input, which fill a row."""
        channels = checks.integer("in_channels", self.in_channels, low=1)
        if self.input_shape is None or self.input_shape == SIGNAL:
            if n_features % channels:
                raise ParameterError(
                    f"in_channels={channels} does not divide the {n_features} features; "
                    "choose a divisor, or give the columns that are missing"
                )
            return channels, (n_features // channels,)
        size = _integers("input_shape", self.input_shape, remedy="input_shape=(28, 28)")
        if not 1 <= len(size) <= 3:
            raise ParameterError(
                f"input_shape={self.input_shape!r} must have 1 to 3 axes: (length,), "
                "(height, width) or (depth, height, width); give the channels as in_channels"
            )
        cells = channels * math.prod(size)
        if cells != n_features:
            product = " x ".join(map(str, (channels, *size)))
            raise ParameterError(
                f"input_shape={self.input_shape!r} with in_channels={channels} has {product} = "
                f"{cells} cells, but the table has {n_features} features; choose a shape of "
                f"{n_features} cells, channels included, or input_shape='signal'"
            )
        return channels, size

    def _sizes(self, name: str, n_layers: int, n_axes: int, *, low: int = 1) -> list[Sizes]:
        """Return one number per layer and axis."""
        entries = _per_layer(name, getattr(self, name), n_layers)
        return [_per_axis(f"{name}[{i}]", entry, n_axes, low) for i, entry in enumerate(entries)]

    def _paddings(self, kernels: list[Sizes]) -> list[Sizes]:
        if self.padding is None:
            return [tuple((width - 1) // 2 for width in kernel) for kernel in kernels]
        n_axes = len(kernels[0]) if kernels else 1
        return self._sizes("padding", len(kernels), n_axes, low=0)


def _integers(name: str, value: Any, *, remedy: str) -> Sizes:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ParameterError(
            f"{name}={value!r} must be a sequence of whole numbers; write for example {remedy}"
        )
    return tuple(checks.integer(f"{name}[{i}]", item, low=1) for i, item in enumerate(value))


def _per_layer(name: str, value: Any, n_layers: int) -> tuple[Any, ...]:
    """Return one entry per layer: the entries of a sequence, or else ``value`` for each."""
    if not isinstance(value, (tuple, list)):
        return (value,) * n_layers
    if len(value) != n_layers:
        raise ParameterError(
            f"{name}={value!r} must have one entry per convolution, that is {n_layers}; "
            "give one for all of them, or as many as there are channels"
        )
    return tuple(value)


def _per_axis(name: str, value: Any, n_axes: int, low: int) -> Sizes:
    """Return one number per axis: the entries of a sequence, or else ``value`` for each."""
    if not isinstance(value, (tuple, list)):
        return (checks.integer(name, value, low=low),) * n_axes
    if len(value) != n_axes:
        raise ParameterError(
            f"{name}={value!r} must have one entry per axis of the input, that is {n_axes}; "
            "give one number for all of them, or one for each"
        )
    return tuple(checks.integer(name, entry, low=low) for entry in value)


def _check_fits(layer: Convolution, number: int) -> None:
    """Refuse a kernel that is wider than the padded input, which would leave no cell."""
    if min(layer.convolved) < 1:
        raise ParameterError(
            f"kernel_size={layer.kernel_size} of convolution {number} does not fit into what "
            f"reaches it, of size {layer.in_size} and with {layer.padding} zeros at each edge; "
            "choose a smaller kernel_size or stride, more padding, or fewer channels"
        )
