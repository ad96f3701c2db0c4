"""Fusions in which one network sees all views."""

from __future__ import annotations

from collections.abc import Sequence

from narrows.architectures.block import Architecture, Block, Layers
from narrows.architectures.dense import DenseBlock
from narrows.core import checks
from narrows.core.activations import ACTIVATIONS, Activation, find
from narrows.core.indexing import column_ranges
from narrows.errors import CompositionError
from narrows.fusions.fusion import Fusion
from narrows.fusions.parallel import ParallelBlocks, Part, build_per_view, mirrored, stages

__all__ = ["Early", "Intermediate", "SharedPrivate"]


class Early(Fusion):
    """The views' columns side by side enter one encoder.

    Views then matter for their losses, weights and for what can be said of them.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, fusion="early").fusion
    'early'
    """

    has_one_code = True

    def build_layers(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return the layers of the estimator's architecture.

        Raises
        ------
        CompositionError
            If a view has an architecture of its own.
        """
        if any(part.architecture is not base for part in parts):
            raise CompositionError(
                "fusion='early' has one encoder for all columns, but a view has an architecture "
                "of its own; choose fusion='intermediate'"
            )
        return base.build(n_features, n_components)


class Intermediate(Fusion):
    """Each view has layers of its own; what they make, joined, becomes the code.

    The layers of the estimator's architecture, code apart, are laid out once for each view.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(2, views=views, fusion="intermediate", max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    has_one_code = True

    def build_layers(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return blocks of blocks side by side, and one from what they make to the code."""
        own = build_per_view(parts, n_components)
        if not any(layers.encoder for layers in own):
            return base.build(n_features, n_components)
        encoder = stages(parts, [layers.encoder for layers in own], n_features)
        decoder = mirrored(parts, [layers.decoder[::-1] for layers in own])
        head = _code(encoder[-1].n_out, n_components, base)
        mirror = head.mirror(tied=_tied(base), activation=encoder[-1].activation)
        return Layers([*encoder, head], [mirror, *decoder])


class SharedPrivate(Fusion):
    """A part of the code is shared by all views, and each view has a part of its own.

    The shared part is made of all views and all are decoded from it; a private part is made of one
    view, and only that is decoded from it. The code is the shared part, then the private ones in
    the order of the views.

    Parameters
    ----------
    n_private : int, default=1
        Components of each view's own.

    References
    ----------
    Salzmann et al., "Factorized orthogonal latent spaces", AISTATS 2010.

    Examples
    --------
    >>> from narrows import Autoencoder, SharedPrivate
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(3, views=views, fusion=SharedPrivate(1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 3)
    """

    def __init__(self, n_private: int = 1) -> None:
        self.n_private = n_private

    def build_layers(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return blocks side by side; the last ones see all views, or one.

        Raises
        ------
        CompositionError
            If no component would be shared, or weights are tied, which the halves of the network
            are too different for.
        """
        private = checks.integer("fusion__n_private", self.n_private, low=1)
        shared = n_components - private * len(parts)
        if shared < 1:
            raise CompositionError(
                f"n_components={n_components} leaves none to share beside {private} of each of "
                f"{len(parts)} views; choose at least {private * len(parts) + 1}"
            )
        if _tied(base):
            raise CompositionError(
                "tied=True cannot go with fusion=SharedPrivate(), whose decoder is no mirror of "
                "its encoder; set tied=False"
            )
        own = build_per_view(parts, n_components)
        encoder = stages(parts, [layers.encoder for layers in own], n_features)
        takes: Sequence[Sequence[int]] = [part.columns for part in parts]
        if encoder:
            takes = column_ranges(encoder[-1].widths)
        width = encoder[-1].n_out if encoder else n_features
        tables = [part.columns for part in parts]
        every = range(n_features)
        head = ParallelBlocks(
            [_code(width, shared, base), *(_code(len(taken), private, base) for taken in takes)],
            [range(width), *takes],
            width,
            tables=[every, *tables],
        )
        codes = [
            [*range(shared), *range(shared + private * view, shared + private * (view + 1))]
            for view in range(len(parts))
        ]
        opened: list[Block | None] = [
            DenseBlock(shared + private, *_end(layers, len(part.columns)))
            for layers, part in zip(own, parts, strict=True)
        ]
        places = None if encoder else [column for table in tables for column in table]
        first = ParallelBlocks(opened, codes, n_components, tables=tables, places=places)
        rest = mirrored(parts, [layers.decoder[::-1] for layers in own])
        return Layers([*encoder, head], [first, *rest])


def _code(n_in: int, n_components: int, base: Architecture) -> DenseBlock:
    return DenseBlock(n_in, n_components, find("code_activation", base.code_activation, code=True))


def _end(layers: Layers, n_columns: int) -> tuple[int, Activation]:
    """Return width and activation of what a view's own layers make."""
    if not layers.encoder:
        return n_columns, ACTIVATIONS["linear"]
    return layers.encoder[-1].n_out, layers.encoder[-1].activation


def _tied(base: Architecture) -> bool:
    return bool(getattr(base, "tied", False))
