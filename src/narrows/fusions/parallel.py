"""Blocks of several views side by side, as one block."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from narrows.architectures.block import AffineBlock, AffineMap, Architecture, Block, Layers
from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.indexing import Columns, as_index, column_ranges, inverse, take


@dataclass(frozen=True)
class Part:
    """One view: which columns of the table it has, and how its own layers are laid out."""

    columns: tuple[int, ...]
    architecture: Architecture


class ParallelBlocks(Block):
    """Blocks that work next to each other; what they make lies side by side.

    Parameters
    ----------
    blocks : sequence of Block or None
        One for each view; None hands the columns on as they are.
    takes : sequence of sequence of int
        Which columns of the input each of them takes.
    n_in : int
        Width of the input.
    tables : sequence of sequence of int, optional
        Which columns of the table each view has, for blocks that must know what was measured.
    places : sequence of int, optional
        Where in the output each of the columns side by side goes; by default they stay.
    """

    sees_observed = True

    def __init__(
        self,
        blocks: Sequence[Block | None],
        takes: Sequence[Columns],
        n_in: int,
        *,
        tables: Sequence[Columns],
        places: Columns | None = None,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleDict(
            {str(number): block for number, block in enumerate(blocks) if block is not None}
        )
        self.widths = [
            len(taken) if block is None else block.n_out
            for block, taken in zip(blocks, takes, strict=True)
        ]
        self.n_in, self.n_out = n_in, sum(self.widths)
        self.activation = side_by_side(
            [ACTIVATIONS["linear"] if block is None else block.activation for block in blocks],
            self.widths,
        )
        self._blocks = tuple(blocks)
        self._takes = [as_index(taken) for taken in takes]
        self._tables = [as_index(table) for table in tables]
        self._order = None if places is None else inverse(places)

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Map x of shape (n_samples, n_in) to shape (n_samples, n_out)."""
        parts = []
        for block, taken, table in zip(self._blocks, self._takes, self._tables, strict=True):
            own = take(x, taken)
            if block is None:
                parts.append(own)
            elif block.sees_observed:
                seen = None if observed is None else take(observed, table)
                parts.append(block(own, seen))
            else:
                parts.append(block(own))
        joined = torch.cat(parts, 1)
        return joined if self._order is None else take(joined, self._order)

    @property
    def views(self) -> Sequence[Sequence[int]]:
        """The outputs of each block, but where they are back in the order of the table."""
        return () if self._order is not None else column_ranges(self.widths)

    def measured_outputs(self, observed: Tensor) -> Tensor:
        """Return the mask of columns that are handed on, and of each view whether it is there."""
        return torch.cat(
            [
                own if block is None else own.any(1, keepdim=True).expand(-1, width)
                for block, width, own in zip(
                    self._blocks,
                    self.widths,
                    (take(observed, table) for table in self._tables),
                    strict=True,
                )
            ],
            1,
        )

    def single_layer(self, *, mirror: bool) -> ParallelBlocks:
        """Return the blocks, with their weights, each with the mask of what it takes or gives."""
        block = copy.copy(self)
        block._tables = list(map(as_index, column_ranges(self.widths))) if mirror else self._takes
        return block

    def copy_with(self, activation: Activation) -> ParallelBlocks:
        """Return the twins of the blocks, side by side."""
        blocks = [None if block is None else block.copy_with(activation) for block in self._blocks]
        return ParallelBlocks(
            blocks, self._lists(self._takes), self.n_in, tables=self._lists(self._tables)
        )

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights of all blocks."""
        for block in self._present():
            block.initialize(generator)

    def weights(self) -> list[nn.Parameter]:
        """Return the weights of all blocks."""
        return [weight for block in self._present() for weight in block.weights()]

    def stage(self) -> AffineBlock | None:
        """Return the affine maps of all blocks, if each is one."""
        return self._joined([None if block is None else block.stage() for block in self._blocks])

    def unrolled(self) -> AffineBlock | None:
        """Return the same for training."""
        return self._joined([None if block is None else block.unrolled() for block in self._blocks])

    def _joined(self, stages: Sequence[AffineBlock | None]) -> AffineBlock | None:
        maps = []
        for block, inner, taken, gives in zip(
            self._blocks, stages, self._takes, column_ranges(self.widths), strict=True
        ):
            place = slice(gives.start, gives.stop)
            if block is None:
                maps.append(AffineMap(taken, place, None, None, False, ACTIVATIONS["linear"]))
            elif inner is None or len(inner.parts) != 1 or inner.order is not None:
                return None
            else:
                maps.append(inner.parts[0]._replace(takes=taken, gives=place))
        return AffineBlock(maps, self.n_in, self.n_out, self._order)

    def _present(self) -> list[Block]:
        return [block for block in self._blocks if block is not None]

    def _lists(self, indices: Sequence[slice | list[int]]) -> list[Columns]:
        return [
            range(index.start, index.stop) if isinstance(index, slice) else index
            for index in indices
        ]


def stages(
    parts: Sequence[Part], chains: Sequence[Sequence[Block]], n_features: int
) -> list[ParallelBlocks]:
    """Return the views' chains of blocks as blocks side by side, one for each depth.

    Parameters
    ----------
    parts : sequence of Part
        The views.
    chains : sequence of sequence of Block
        Each view's blocks, from its columns inwards; a shorter chain begins later.
    n_features : int
        Width of the table.
    """
    tables = [part.columns for part in parts]
    takes: Sequence[Columns] = tables
    width, blocks_by_depth = n_features, []
    for blocks in _by_depth(chains):
        blocks_by_depth.append(ParallelBlocks(blocks, takes, width, tables=tables))
        width, takes = blocks_by_depth[-1].n_out, column_ranges(blocks_by_depth[-1].widths)
    return blocks_by_depth


def mirrored(
    parts: Sequence[Part],
    chains: Sequence[Sequence[Block]],
    codes: Sequence[Columns] | None = None,
) -> list[ParallelBlocks]:
    """Return the views' mirrors as blocks side by side that undo `stages`, from the inside.

    Parameters
    ----------
    parts : sequence of Part
        The views.
    chains : sequence of sequence of Block
        Each view's mirrors, from the one that gives back its columns inwards.
    codes : sequence of sequence of int, optional
        What of the code each innermost mirror takes; by default as much as it is wide,
        one after the other.
    """
    tables = [part.columns for part in parts]
    blocks_by_depth, deepest = [], max(map(len, chains))
    for depth, blocks in reversed(list(enumerate(_by_depth(chains)))):
        widths = [
            len(table) if block is None else block.n_in
            for block, table in zip(blocks, tables, strict=True)
        ]
        takes: Sequence[Columns] = column_ranges(widths)
        width = sum(widths)
        if codes is not None and depth == deepest - 1:
            takes, width = codes, 1 + max(column for code in codes for column in code)
        places = [column for table in tables for column in table] if depth == 0 else None
        blocks_by_depth.append(ParallelBlocks(blocks, takes, width, tables=tables, places=places))
    return blocks_by_depth


def _by_depth(chains: Sequence[Sequence[Block]]) -> list[list[Block | None]]:
    deepest = max(map(len, chains))
    padded = [[*([None] * (deepest - len(chain))), *chain] for chain in chains]
    return [[chain[depth] for chain in padded] for depth in range(deepest)]


def side_by_side(activations: Sequence[Activation], widths: Sequence[int]) -> Activation:
    """Return the activation that is another one for each stretch of columns."""
    first = activations[0]
    if all(activation.name == first.name for activation in activations):
        return first

    def function(x: Tensor) -> Tensor:
        parts = x.split(list(widths), 1)
        return torch.cat([a.function(p) for a, p in zip(activations, parts, strict=True)], 1)

    return Activation(
        "|".join(activation.name for activation in activations),
        function,
        min(activation.low for activation in activations),
        max(activation.high for activation in activations),
        first.initialize,
        pieces=tuple(zip(activations, widths, strict=True)),
    )


def layers_alone(parts: Sequence[Part], n_components: int) -> list[Layers]:
    """Return the layers that each view would have alone, those of its code included."""
    return [part.architecture.build(len(part.columns), n_components) for part in parts]


def build_per_view(parts: Sequence[Part], n_components: int) -> list[Layers]:
    """Return the layers that each view has before and behind a code of all views."""
    return [part.architecture.build_for_view(len(part.columns), n_components) for part in parts]
