"""LSTM and GRU layers that read a sequence into a code and write it back."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from narrows.architectures.block import SIGNAL, Architecture, Block, Layers
from narrows.architectures.dense import DenseBlock
from narrows.core import activations, checks
from narrows.core.activations import Activation
from narrows.core.randomness import undrawn
from narrows.core.types import RowAxes
from narrows.errors import CompositionError, ParameterError

__all__ = ["Recurrent"]

GATES = 4  # of an LSTM; a GRU has three
MOST_CELLS = 1 << 22  # of all gates at all steps that are computed at once
UNITS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class SequenceShape:
    """What encoder and decoder agree on: the shape of a sequence, and the layers."""

    n_steps: int
    n_channels: int
    unit: str
    hidden: tuple[int, ...]
    bidirectional: bool
    reverse: bool
    n_future: int

    @property
    def n_features(self) -> int:
        """Cells of a row."""
        return self.n_steps * self.n_channels

    @property
    def n_past(self) -> int:
        """Steps that the encoder sees."""
        return self.n_steps - self.n_future

    @property
    def n_state(self) -> int:
        """Width of the encoder's last state."""
        return self.hidden[-1] * (2 if self.bidirectional else 1)

    def past(self, x: Tensor) -> Tensor:
        """Return what the encoder sees of rows, shape (n_samples, n_past, n_channels)."""
        return x.reshape(-1, self.n_steps, self.n_channels)[:, : self.n_past]

    def lengths(self, observed: Tensor | None) -> Tensor | None:
        """Return how many steps of the past each row has, at least 1; None if all have all."""
        if observed is None:
            return None
        number = torch.arange(1, self.n_past + 1, device=observed.device)
        return (self.past(observed).any(2) * number).amax(1).clamp(min=1)


class RecurrentEncoder(Block):
    """The last state of the last layer, after the last step that was measured.

    What lies behind a row's end is not looked at.
    """

    sees_observed = True

    def __init__(self, layout: SequenceShape) -> None:
        super().__init__()
        self.layout = layout
        self.n_in, self.n_out = layout.n_features, layout.n_state
        # A state is within (-1, 1) by the unit's own tanh; nothing more is applied to it.
        self.activation = activations.ACTIVATIONS["tanh"]
        directions = 2 if layout.bidirectional else 1
        seen = [layout.n_channels, *(width * directions for width in layout.hidden[:-1])]
        self.ahead = _layers(layout.unit, seen, layout.hidden)
        self.back = _layers(layout.unit, seen, layout.hidden if layout.bidirectional else ())
        self.recurrent_work = _work(self)

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Map x of shape (n_samples, n_steps * n_channels) to shape (n_samples, n_state)."""
        steps = self.layout.past(x)
        lengths = self.layout.lengths(observed)
        if lengths is not None:
            number = torch.arange(steps.shape[1], device=steps.device)
            steps = steps.where((number < lengths[:, None])[:, :, None], 0.0)
        if not self.layout.bidirectional:
            for layer in self.ahead:
                steps = outputs(layer, steps)
            return _last(steps, lengths)
        for ahead, back in zip(self.ahead, self.back, strict=True):
            forwards = outputs(ahead, steps)
            backwards = outputs(back, turned(steps, lengths))
            steps = torch.cat([forwards, turned(backwards, lengths)], 2)
        # Each direction's last state: that of the way back is at the first step.
        return torch.cat([_last(forwards, lengths), _last(backwards, lengths)], 1)

    def mirror(self, *, tied: bool, activation: Activation) -> RecurrentDecoder:
        if tied:
            raise CompositionError(
                "tied=True cannot go with Recurrent(), whose units have no transpose; "
                "choose Dense() or Convolutional()"
            )
        return RecurrentDecoder(self.layout, activation)

    def copy_with(self, activation: Activation) -> RecurrentEncoder:
        return RecurrentEncoder(self.layout)

    def initialize(self, generator: torch.Generator) -> None:
        for layer in (*self.ahead, *self.back):
            _initialize(layer, generator)

    def weights(self) -> list[nn.Parameter]:
        return _matrices(self)


class RecurrentDecoder(Block):
    """Sequences from states: one writes the past, another, where there is one, the future.

    ``reverse`` has the past written from its last step to its first; a row of 5 steps has its fifth
    step written first, wherever the table ends.
    """

    sees_observed = True

    def __init__(self, layout: SequenceShape, activation: Activation) -> None:
        super().__init__()
        self.layout = layout
        self.n_in, self.n_out = layout.n_state, layout.n_features
        self.activation = activation
        self.past = Writer(layout)
        self.future = Writer(layout) if layout.n_future else None
        self.recurrent_work = _work(self)

    def forward(self, state: Tensor, observed: Tensor | None = None) -> Tensor:
        """Map states of shape (n_samples, n_state) to (n_samples, n_steps * n_channels)."""
        steps = self.past(state, self.layout.n_past)
        if self.layout.reverse:
            steps = turned(steps, self.layout.lengths(observed))
        if self.future is not None:
            steps = torch.cat([steps, self.future(state, self.layout.n_future)], 1)
        return self.activation(steps.flatten(1))

    def mirror(self, *, tied: bool, activation: Activation) -> RecurrentEncoder:
        raise CompositionError(
            "a recurrent decoder has no mirror, because the encoder's state has an activation of "
            "its own; start from the encoder"
        )

    def copy_with(self, activation: Activation) -> RecurrentDecoder:
        return RecurrentDecoder(self.layout, activation)

    def initialize(self, generator: torch.Generator) -> None:
        for writer in (self.past, self.future):
            if writer is not None:
                writer.initialize(generator)

    def weights(self) -> list[nn.Parameter]:
        return _matrices(self)


class Writer(nn.Module):
    """Writes steps one after the other; its first layer sees the same state at every step."""

    def __init__(self, layout: SequenceShape) -> None:
        super().__init__()
        hidden = layout.hidden[::-1]
        self.layers = _layers(layout.unit, [layout.n_state, *hidden[:-1]], hidden)
        self.readout = undrawn(nn.Linear, hidden[-1], layout.n_channels)

    def forward(self, state: Tensor, n_steps: int) -> Tensor:
        """Return steps in the order of writing, shape (n_samples, n_steps, n_channels)."""
        # All inputs are known beforehand, so each layer is one call for all steps.
        steps = state[:, None].expand(-1, n_steps, -1)
        for layer in self.layers:
            steps = outputs(layer, steps)
        written: Tensor = self.readout(steps)
        return written

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights from ``generator``."""
        for layer in self.layers:
            _initialize(layer, generator)
        activations.glorot_uniform(self.readout.weight.data, generator)
        nn.init.zeros_(self.readout.bias)


def _work(block: Block) -> int:
    """Return the multiplications of a row at each step, of the layer that takes most."""
    return max(matrix.numel() for name, matrix in block.named_parameters() if "weight_hh" in name)


def outputs(layer: nn.Module, steps: Tensor) -> Tensor:
    """Return a layer's outputs at all steps.

    Under autocast to bfloat16, an LSTM runs in float32 on processors for which oneDNN has no
    bfloat16 LSTM (those without AVX-512), where torch raises instead of falling back.
    """
    if _lacks_bfloat16(steps.device):
        with torch.autocast(steps.device.type, enabled=False):
            return _in_pieces(layer, steps.to(next(layer.parameters()).dtype))
    return _in_pieces(layer, steps)


def _in_pieces(layer: nn.Module, steps: Tensor) -> Tensor:
    """Return a layer's outputs; where nobody differentiates, of as many rows as stay in the cache.

    What a layer makes of a row is larger than the row, and of all rows at once may fill the memory.
    """
    output: Tensor
    n_hidden = layer.hidden_size
    assert isinstance(n_hidden, int)
    size = max(1, MOST_CELLS // (GATES * n_hidden * steps.shape[1]))
    alone = torch.is_inference_mode_enabled() and steps.device.type == "cpu"
    if alone and steps.shape[0] > size:
        return torch.cat([layer(part)[0] for part in steps.split(size)])
    output, _ = layer(steps)
    return output


def _lacks_bfloat16(device: torch.device) -> bool:
    """Return whether autocast asks a processor for an LSTM in bfloat16 that it does not have."""
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    mkldnn = torch.backends.mkldnn.is_available()
    return mkldnn and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def turned(steps: Tensor, lengths: Tensor | None) -> Tensor:
    """Return steps in reverse order, each row from its own end; what lies behind it stays.

    Parameters
    ----------
    steps : Tensor of shape (n_samples, n_steps, n)
        Undone by a second call.
    lengths : int64 Tensor of shape (n_samples,) or None
        Of each row; None if all have all steps.
    """
    if lengths is None:
        return steps.flip(1)
    number = torch.arange(steps.shape[1], device=steps.device)
    other = lengths[:, None] - 1 - number
    return steps.gather(1, _index(other.where(other >= 0, number), steps))


def _last(steps: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return steps[:, -1]
    return steps.gather(1, _index(lengths[:, None] - 1, steps))[:, 0]


def _index(number: Tensor, steps: Tensor) -> Tensor:
    return number[:, :, None].expand(-1, -1, steps.shape[2])


def _layers(unit: str, seen: Sequence[int], widths: Sequence[int]) -> nn.ModuleList:
    """Return one layer per width, without drawn weights; ``seen`` are the widths of their inputs.

    Each is a module of its own, because torch stacks only layers of one width.
    """
    return nn.ModuleList(
        undrawn(UNITS[unit], n_in, n_out, batch_first=True)
        for n_in, n_out in zip(seen, widths, strict=False)
    )


def _initialize(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw each gate's matrices: Glorot-uniform from the input, orthogonal from the state."""
    n_hidden = layer.hidden_size
    assert isinstance(n_hidden, int)
    for name, parameter in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            continue
        for gate in torch.split(parameter.data, n_hidden):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate, generator=generator)
            else:
                activations.glorot_uniform(gate, generator)
    if isinstance(layer, nn.LSTM):
        # The second gate forgets; a bias of 1 leaves it open at first (Jozefowicz et al., 2015).
        layer.get_parameter("bias_ih_l0").data[n_hidden : 2 * n_hidden] = 1.0


def _matrices(block: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in block.named_parameters() if ".weight" in name]


class Recurrent(Architecture):
    """Sequences: the encoder's last state becomes the code, from which the sequence is written.

    A row holds the steps one after the other, and within a step its channels. The decoder's first
    layer sees the code, mapped back to a state, at every step, and writes the last step first.

    Parameters
    ----------
    input_shape : tuple of int or "signal", optional
        (n_steps, n_channels); "signal" is one channel, whose steps are all columns. By default
        that of the rows of fit, which are then no flat table: (n_samples, n_steps, n_channels), or
        a list of arrays of shape (length, n_channels).
    unit : {"lstm", "gru"}, default="lstm"
        What the layers are made of.
    hidden : sequence of int, default=(64,)
        Widths of the encoder's layers; the decoder has them in reverse order.
    bidirectional : bool, default=False
        Whether the encoder also reads from the end to the beginning.
    reverse : bool, default=True
        Whether the last step is written first: what the code knows best is what came last.
    n_future : int, default=0
        Steps at the end of the table that the encoder does not see. A decoder of their own writes
        them, first step first: the composite model, which reconstructs and predicts.
    code_activation : str, default="linear"
        Activation of the code.
    output_activation : str, optional
        Activation of the reconstruction; by default the loss's own link.

    Notes
    -----
    Sequences of different length end in NaN (`pad_sequences`). What lies behind a row's end has no
    part in code, loss or gradient; NaN before it is seen as 0, the mean of a scaled column, and
    left out of the loss. ``inverse_transform`` knows codes only, so it writes all ``n_steps``; in
    reverse order the last step of the sequence is then the last of the row.

    Raises
    ------
    CompositionError
        By ``mirror(tied=True)``: units have no transpose.

    References
    ----------
    Srivastava, Mansimov & Salakhutdinov, "Unsupervised learning of video representations using
    LSTMs", ICML 2015. The code as input at every step: Cho et al., "Learning phrase representations
    using RNN encoder-decoder for statistical machine translation", EMNLP 2014. The bias of the
    forget gate: Jozefowicz, Zaremba & Sutskever, "An empirical exploration of recurrent network
    architectures", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import Autoencoder, Recurrent
    >>> X = np.sin(np.arange(12) * np.random.default_rng(0).uniform(0.2, 1, (80, 1)))
    >>> sequences = [row[: 8 if number < 40 else 12, None] for number, row in enumerate(X)]
    >>> model = Autoencoder(2, architecture=Recurrent(hidden=(8,)), max_epochs=3, random_state=0)
    >>> model.fit_transform(sequences).shape
    (80, 2)
    >>> [steps.shape for steps in model.reconstruct(sequences[39:41])]
    [(8, 1), (12, 1)]
    """

    has_slow_steps = True

    def __init__(
        self,
        input_shape: Sequence[int] | str | None = None,
        unit: str = "lstm",
        hidden: Sequence[int] = (64,),
        bidirectional: bool = False,
        reverse: bool = True,
        n_future: int = 0,
        code_activation: str = "linear",
        output_activation: str | None = None,
    ) -> None:
        self.input_shape = input_shape
        self.unit = unit
        self.hidden = hidden
        self.bidirectional = bidirectional
        self.reverse = reverse
        self.n_future = n_future
        self.code_activation = code_activation
        self.output_activation = output_activation

    def build(self, n_features: int, n_components: int) -> Layers:
        """Return fresh blocks, without drawn weights: all layers as one block, then the code.

        Parameters
        ----------
        n_features, n_components : int
            Width of the table and of the code.

        Raises
        ------
        ParameterError
            If a setting cannot be, or input_shape is not that of the table.
        """
        code = activations.find("code_activation", self.code_activation, code=True)
        outer = RecurrentEncoder(self._layout(n_features))
        inner = DenseBlock(outer.n_out, n_components, code)
        decoder = [
            inner.mirror(tied=False, activation=outer.activation),
            outer.mirror(tied=False, activation=activations.ACTIVATIONS["linear"]),
        ]
        return Layers([outer, inner], decoder)

    def for_rows(self, n_features: int, row_shape: RowAxes | None) -> Self:
        """Return the architecture with the shape of the rows, where none was given.

        Raises
        ------
        ParameterError
            If the rows are flat.
        """
        if self.input_shape is not None:
            return self
        if row_shape is None:
            raise ParameterError(
                f"architecture={self!r} does not say what the {n_features} cells of a row are; "
                f"write Recurrent({SIGNAL!r}) for {n_features} steps of one channel, "
                "Recurrent((n_steps, n_channels)) for several, or give X as sequences, (n_samples, "
                "n_steps, n_channels) or a list of arrays"
            )
        n_steps = row_shape.axes[0]
        shape = n_steps, n_features // n_steps
        return copy.deepcopy(self).set_params(input_shape=shape)

    def drawn(self, n_features: int) -> NDArray[np.int64]:
        """Return the numbers of the columns as (channels, steps)."""
        return np.arange(n_features).reshape(self._shape(n_features)).T

    def channel_columns(self, n_features: int) -> NDArray[np.int64] | None:
        """Return the columns of each channel; None where ``input_shape`` is not given."""
        return None if self.input_shape is None else self.drawn(n_features)

    def _layout(self, n_features: int) -> SequenceShape:
        n_steps, n_channels = self._shape(n_features)
        return SequenceShape(
            n_steps,
            n_channels,
            unit=checks.choice("architecture__unit", self.unit, UNITS),
            hidden=self._hidden(),
            bidirectional=bool(self.bidirectional),
            reverse=bool(self.reverse),
            n_future=checks.integer(
                "architecture__n_future",
                self.n_future,
                low=0,
                high=n_steps - 1,
                remedy=f"the encoder must see at least one of the {n_steps} steps",
            ),
        )

    def _shape(self, n_features: int) -> tuple[int, int]:
        if self.input_shape is None or self.input_shape == SIGNAL:
            return n_features, 1
        shape = self.input_shape
        if isinstance(shape, str) or not isinstance(shape, Sequence) or len(shape) != 2:
            raise ParameterError(
                f"architecture__input_shape={shape!r} must have two whole numbers, n_steps and "
                "n_channels; write input_shape=(24, 1)"
            )
        n_steps, n_channels = (
            checks.integer(f"architecture__input_shape[{i}]", number, low=1)
            for i, number in enumerate(shape)
        )
        if n_steps * n_channels != n_features:
            raise ParameterError(
                f"architecture__input_shape={tuple(shape)!r} has {n_steps * n_channels} cells, but "
                f"the table has {n_features} columns; give (n_steps, n_channels) with that product"
            )
        return n_steps, n_channels

    def _hidden(self) -> tuple[int, ...]:
        hidden = self.hidden
        if isinstance(hidden, str) or not isinstance(hidden, Sequence) or not len(hidden):
            raise ParameterError(
                f"architecture__hidden={hidden!r} must be a sequence of at least one width; write "
                "hidden=(64,)"
            )
        return tuple(
            checks.integer(f"architecture__hidden[{i}]", width, low=1)
            for i, width in enumerate(hidden)
        )
