"""Device and precision of training; the only file that names CUDA."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.types import Named
from narrows.errors import DeviceError

PRECISIONS = ("auto", "float32", "float64", "bfloat16")


# Multiplications in a product from which bfloat16 is faster than float32, what rounding costs
# included; below some 2 million it is slower. `python benchmarks/precision.py` prints both.
COARSE_WORK = 1 << 23
# The same of recurrent layers, all of whose steps are one call of oneDNN's.
COARSE_RECURRENT_WORK = 1 << 21


@dataclass(frozen=True)
class Runtime:
    """Where and in which precision a fit runs.

    Parameters
    ----------
    device : torch.device
        Holds network and data.
    dtype : torch.dtype
        Of weights and data.
    autocast : bool
        Whether matrix products run in bfloat16, weights staying float32.
    automatic : bool
        Whether they may where that pays, see `coarse`.
    """

    device: torch.device
    dtype: torch.dtype
    autocast: bool
    automatic: bool = False

    @property
    def joins(self) -> bool:
        """Whether it pays to hold what autograd trains as one vector: on the processor.

        A GPU moves many tensors in one call, and its LSTMs want their weights as they are.
        """
        return self.device.type == "cpu"

    @property
    def records(self) -> bool:
        """Whether to capture steps as CUDA graphs: on a GPU, where Python is the bottleneck."""
        return self.device.type == "cuda"

    def record(
        self, body: Callable[[], Tensor], generator: torch.Generator
    ) -> tuple[Callable[[], object], Tensor]:
        """Record what a body has the GPU do, as one CUDA graph; it is not done yet.

        Parameters
        ----------
        body : callable
            Reads and writes tensors that stay where they are, and fetches nothing.
        generator : torch.Generator
            Where the body draws from.

        Returns
        -------
        replay : callable
            Does it, with new draws.
        result : Tensor
            What the body returned, written anew by each replay.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        with torch.cuda.device(self.device), torch.cuda.graph(graph):
            result = body()
        return graph.replay, result

    def coarse(self, work: float) -> bool:
        """Return whether products of so many multiplications each should run in bfloat16."""
        return self.autocast or work >= self.coarse_work

    @property
    def coarse_work(self) -> float:
        """Smallest product, in multiplications, that bfloat16 speeds up; infinite if none."""
        if self.device.type != "cpu":  # "auto" is float32 there
            return COARSE_WORK if self.autocast else math.inf
        may = self.automatic or self.autocast
        return COARSE_WORK if may and _has_bfloat16() else math.inf

    def coarse_steps(self, work: float) -> bool:
        """Return whether recurrent layers should, of so many multiplications at each step."""
        may = self.device.type == "cpu" and self.automatic and _has_bfloat16()
        return may and work >= COARSE_RECURRENT_WORK

    def products(self, *, coarse: bool = False) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the network's passes run, ``coarse`` ones in bfloat16."""
        if not (coarse or self.autocast):
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def resolve(device: str, precision: str) -> Runtime:
    """Return the runtime for two settings.

    Parameters
    ----------
    device : str
        ``"auto"`` (an NVIDIA GPU if there is one, else the processor), ``"cpu"``, ``"cuda"``,
        ``"cuda:1"``, ...
    precision : {"auto", "float32", "float64", "bfloat16"}
        ``"auto"`` is float32, but for large products of dense blocks in training on a processor
        with bfloat16 units.

    Raises
    ------
    ParameterError
        If a setting is no such thing.
    DeviceError
        If this machine has no such device.
    """
    checks.choice("precision", precision, PRECISIONS)
    dtype = torch.float64 if precision == "float64" else torch.float32
    place = _device(device)
    return Runtime(place, dtype, precision == "bfloat16", automatic=precision == "auto")


@functools.cache
def _has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32."""
    tell = getattr(torch.cpu, "get_capabilities", None)
    abilities: Named = {} if tell is None else tell()  # older torch does not say
    return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))


def _device(name: str) -> torch.device:
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    kind = str(name).partition(":")[0]
    checks.choice("device", kind, ("auto", "cpu", "cuda"))
    if kind == "cpu":
        return torch.device("cpu")
    if not available:
        raise DeviceError(
            f"device={name!r} is not available: this machine or this build of torch has no CUDA; "
            "install a CUDA build of torch, or set device='cpu' (or 'auto')"
        )
    index = str(name).partition(":")[2]
    if index and (not index.isdigit() or int(index) >= torch.cuda.device_count()):
        raise DeviceError(
            f"device={name!r} is not available: this machine has {torch.cuda.device_count()} "
            "GPU(s), numbered from 0; choose one of them"
        )
    return torch.device(name)
