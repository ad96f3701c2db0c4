"""Index columns of a tensor by slices, which are views, where they lie side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

Columns = Sequence[int]
Index = slice | list[int] | Tensor


def column_ranges(widths: Sequence[int]) -> list[range]:
    """Return the columns of things that lie side by side and are this wide."""
    ends = list(itertools.accumulate(widths, initial=0))
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def as_index(columns: Columns) -> slice | list[int]:
    """Return columns as a slice where they follow each other, which takes no copy."""
    numbers = list(columns)
    if numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return numbers


def as_held_index(columns: Columns) -> slice | Tensor:
    """Return the same with a tensor instead of a list, for what is indexed again and again."""
    index = as_index(columns)
    if isinstance(index, slice):
        return index
    return torch.tensor(index, dtype=torch.int64, device="cpu")  # whatever device is the default


def inverse(places: Columns) -> slice | list[int]:
    """Return the index that puts things back that stand at these places."""
    order = [0] * len(places)
    for source, place in enumerate(places):
        order[place] = source
    return as_index(order)


def take(x: Tensor, columns: Index) -> Tensor:
    """Return columns of x, as `as_index` or `as_held_index` gives them."""
    if isinstance(columns, slice):
        whole = columns.start == 0 and columns.stop == x.shape[1]
        return x if whole else x[:, columns]
    numbers = torch.as_tensor(columns, device=x.device)
    if torch.compiler.is_compiling():  # a simpler program
        return x.index_select(1, numbers)
    # `index_select` is fast for columns of float32 alone.
    return x.gather(1, numbers.expand(x.shape[0], -1))


def put(x: Tensor, columns: Index, values: Tensor) -> None:
    """Put values into columns of x, as `as_index` or `as_held_index` gives them."""
    if isinstance(columns, slice):
        x[:, columns] = values
    else:
        numbers = torch.as_tensor(columns, device=x.device)
        if torch.compiler.is_compiling():
            x.index_copy_(1, numbers, values)
        else:  # faster, in whatever dtype
            x.scatter_(1, numbers.expand_as(values), values)
