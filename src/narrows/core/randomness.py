"""Seeds, and independent generators for each use of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from narrows.core import checks, group
from narrows.core.types import RandomState

Layer = TypeVar("Layer", bound=nn.Module)


def seed(random_state: RandomState) -> int:
    """Return the seed that a setting ``random_state`` means; None takes entropy of its own.

    Processes that fit together get one that the first of them has drawn.

    Raises
    ------
    ParameterError
        If it is no seed.
    """
    if random_state is None:
        return group.current().number(lambda: int(np.random.SeedSequence().generate_state(1)[0]))
    if isinstance(random_state, np.random.RandomState):
        drawn = int(random_state.randint(2**31 - 1))
        return group.current().number(lambda: drawn)
    return checks.integer("random_state", random_state, low=0)


def undrawn(make: Callable[..., Layer], *arguments: Any, **settings: Any) -> Layer:
    """Return a layer whose weights are not drawn, as they would be from a global generator.

    What `torch.nn.utils.skip_init` does, which imports sympy.
    """
    layer = make(*arguments, **settings, device="meta")
    for module in layer.modules():
        for name, own in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.empty(own.shape, dtype=own.dtype)))
    return layer


@contextmanager
def seeded_globally(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators within, for modules that draw from them.

    They are as they were afterwards.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices, device_type="cuda"):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Randomness:
    """Independent generators for each use of chance, all from one seed.

    So that, for example, a corruption does not change which rows are held out.
    """

    initial: torch.Generator
    split: torch.Generator
    order: torch.Generator
    noise: torch.Generator

    @classmethod
    def seeded(cls, seed: int, device: torch.device) -> Randomness:
        """Return generators for one seed; the noise is drawn where the data are."""
        seeds = np.random.SeedSequence(seed).generate_state(4, np.uint64) >> np.uint64(1)
        initial, split, order = (torch.Generator().manual_seed(int(s)) for s in seeds[:3])
        noise = torch.Generator(device).manual_seed(int(seeds[3]))
        return cls(initial, split, order, noise)
