"""Encoders and decoders of one's own, as torch modules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from narrows.architectures.block import Architecture, Block, Layers
from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.randomness import seeded_globally
from narrows.errors import CompositionError, ParameterError

__all__ = ["Modules"]

Maker = Callable[[int, int], nn.Module]


class Modules(Architecture):
    """Any two torch modules as encoder and decoder.

    Each maps rows to rows: shapes (n_samples, n_in) and (n_samples, n_out). Where it is an
    `torch.nn.Sequential`, its layers become blocks of the network, so that a distribution has one
    more last layer, and layers can be trained one by one if encoder and decoder have as many.

    Parameters
    ----------
    encoder : nn.Module, or function of (n_in, n_out) that makes one
        From the network inputs, which are the columns of plain tables, to the code. Training begins
        with the weights of a module, which itself is never changed, and with new ones of a
        function, drawn by ``random_state``.
    decoder : nn.Module, or function of (n_in, n_out) that makes one
        From the code to the network outputs; the output activation comes behind it.
    output_activation : str, optional
        Activation of the reconstruction; by default the loss's own link.

    Raises
    ------
    ParameterError
        By `fit`: if encoder or decoder is neither a module nor a function that makes one.
    CompositionError
        By `fit`: if they do not map rows of the table to codes, or codes to rows.

    Notes
    -----
    No model folder holds code: `narrows.load(folder, architecture=Modules(...))` needs the same
    modules again, and fills in the weights. Dropout and batch normalisation do in training and
    afterwards what torch has them do; their random numbers come from ``random_state``, too.

    Examples
    --------
    >>> from narrows import Autoencoder, Modules
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> def layers(n_in, n_out):
    ...     return nn.Sequential(nn.Linear(n_in, 16), nn.LayerNorm(16), nn.GELU(),
    ...                          nn.Linear(16, n_out))
    >>> model = Autoencoder(2, architecture=Modules(layers, layers), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    code_activation = "linear"

    def __init__(self, encoder: Any, decoder: Any, output_activation: str | None = None) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.output_activation = output_activation

    @property
    def accepts_extra_inputs(self) -> bool:  # type: ignore[override]
        """Whether rows may have further columns: if both are made to measure."""
        return not (isinstance(self.encoder, nn.Module) or isinstance(self.decoder, nn.Module))

    def build(self, n_features: int, n_components: int) -> Layers:
        """Return blocks of the layers, with the weights of modules that were given."""
        return Layers(
            _blocks("encoder", self.encoder, n_features, n_components),
            _blocks("decoder", self.decoder, n_components, n_features),
        )

    def build_for_view(self, n_features: int, n_components: int) -> Layers:
        """Return all layers: the code of several views is made behind them."""
        encoder = _blocks("encoder", self.encoder, n_features, n_components, exact=False)
        return Layers(encoder, _blocks("decoder", self.decoder, encoder[-1].n_out, n_features))


class ModuleBlock(Block):
    """A module of the user's as a block.

    Parameters
    ----------
    module : nn.Module
        Its own to train.
    n_in, n_out : int
        Width of what it takes and gives.
    make : callable, optional
        Makes the module again with other weights; without it, its weights are kept.
    """

    def __init__(
        self,
        module: nn.Module,
        n_in: int,
        n_out: int,
        make: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.n_in, self.n_out = n_in, n_out
        self.activation = ACTIVATIONS["linear"]
        self._make = make
        self._seed = 0
        self._calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (n_samples, n_in) to shape (n_samples, n_out)."""
        if not self.training:
            rows: Tensor = self.module(x)
            return rows
        if x.shape[0] == 1:  # the rest of a table, of which no layer can take a variance
            with _at_rest(self.module):
                lone: Tensor = self.module(x)
            return lone
        self._calls += 1  # so that dropout differs from step to step, and not from fit to fit
        with seeded_globally(self._seed + self._calls, x.device):
            drawn: Tensor = self.module(x)
        return drawn

    def copy_with(self, activation: Activation) -> Block:
        """Return a copy, whose weights will be drawn."""
        block = copy.deepcopy(self)
        block._make = self._make or _Again(self.module)
        return block

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights as the module's own maker does; keep them where there is none."""
        self._seed = int(torch.randint(2**40, (), generator=generator))
        self._calls = 0
        if self._make is None:
            return
        with seeded_globally(self._seed, torch.device("cpu")):
            made = self._make()
        self.module.load_state_dict(made.state_dict())
        self._make = None


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    """Let layers do what they do after training."""
    mode = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(mode)


class _Again:
    """Makes a module again by what its layers say of resetting themselves."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self) -> nn.Module:
        module = copy.deepcopy(self.module).cpu()
        for layer in module.modules():
            reset: Any = getattr(layer, "reset_parameters", None)
            if reset is not None:
                reset()
        return module


class _Piece:
    """Makes one of the pieces of a module again."""

    def __init__(self, make: Maker, n_in: int, n_out: int, number: int | None) -> None:
        self.make, self.n_in, self.n_out, self.number = make, n_in, n_out, number

    def __call__(self) -> nn.Module:
        with torch.device("cpu"):
            module = self.make(self.n_in, self.n_out)
        if self.number is None:
            return module
        assert isinstance(module, nn.Sequential)
        return _pieces(module)[self.number]


def _blocks(name: str, setting: Any, n_in: int, n_out: int, *, exact: bool = True) -> list[Block]:
    """Return the blocks of an encoder or a decoder; ``exact`` says that its width must be n_out."""
    module, make = _module(name, setting, n_in, n_out)
    pieces = _pieces(module) if isinstance(module, nn.Sequential) else []
    widths = _widths(name, module, pieces, n_in, n_out if exact else None)
    if len(pieces) < 2 or 0 in widths:
        again = None if make is None else _Piece(make, n_in, n_out, None)
        return [ModuleBlock(module, n_in, widths[-1], again)]
    return [
        ModuleBlock(
            piece,
            widths[number],
            widths[number + 1],
            None if make is None else _Piece(make, n_in, n_out, number),
        )
        for number, piece in enumerate(pieces)
    ]


def _module(name: str, setting: Any, n_in: int, n_out: int) -> tuple[nn.Module, Maker | None]:
    """Return a module of our own, and how it is made again."""
    if isinstance(setting, nn.Module):
        return copy.deepcopy(setting), None
    if callable(setting):
        with seeded_globally(0, torch.device("cpu")):  # whatever is drawn here is drawn again
            made = setting(n_in, n_out)
        if isinstance(made, nn.Module):
            return made, setting
        setting = made
    raise ParameterError(
        f"architecture__{name} must be a torch.nn.Module, or a function of (n_in, n_out) that "
        f"makes one, and not {type(setting).__name__}; write for example "
        "Modules(lambda n_in, n_out: nn.Linear(n_in, n_out), ...)"
    )


def _pieces(module: nn.Sequential) -> list[nn.Sequential]:
    """Return the layers of a module, each with what follows it and has no matrix of its own."""
    pieces: list[list[nn.Module]] = []
    for layer in module:
        if pieces and not (_has_matrix([layer]) and _has_matrix(pieces[-1])):
            pieces[-1].append(layer)
        else:
            pieces.append([layer])
    return [nn.Sequential(*layers) for layers in pieces]


def _has_matrix(layers: list[nn.Module]) -> bool:
    return any(parameter.ndim > 1 for layer in layers for parameter in layer.parameters())


def _widths(
    name: str, module: nn.Module, pieces: list[nn.Sequential], n_in: int, n_out: int | None
) -> list[int]:
    """Return the widths before and after each piece; 0 where there are no flat rows between.

    Raises
    ------
    CompositionError
        If it does not map rows of ``n_in`` numbers to rows of ``n_out``, or of any width.
    """
    first = next(module.parameters(), torch.empty(()))
    x = torch.zeros(2, n_in, dtype=first.dtype, device=first.device)
    widths = [n_in]
    try:
        with torch.no_grad(), _at_rest(module), seeded_globally(0, torch.device("cpu")):
            stages: list[nn.Module] = [*pieces] or [module]
            for piece in stages:
                x = piece(x)
                widths.append(x.shape[1] if isinstance(x, Tensor) and x.ndim == 2 else 0)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise CompositionError(
            f"the {name} of architecture=Modules(...) fails on rows of {n_in} numbers: {error}"
        ) from error
    shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
    if widths[-1] == 0 or len(x) != 2 or n_out not in (None, widths[-1]):
        raise CompositionError(
            f"the {name} of architecture=Modules(...) maps 2 rows of {n_in} numbers to {shape}, "
            f"but has to map them to (2, {'any width' if n_out is None else n_out}); change its "
            "last layer"
        )
    return widths
