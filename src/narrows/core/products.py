"""Matrix products by the faster of the libraries that torch comes with.

torch multiplies float32 with MKL, which has its widest instructions for processors of Intel alone;
oneDNN has them for all. `python benchmarks/products.py` prints what either takes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core import threads

WORTH_A_CALL = 1 << 23  # multiplications in a product: oneDNN takes longer to begin one
FEWEST_COLUMNS = 160  # of a product whose first factor is turned: oneDNN turns it back first
MOST_CELLS = 1 << 22  # of a product made by oneDNN that is copied out of the cache
TIMES = 1.5  # as fast oneDNN must be: where both have the same instructions, they are level
SIDE, TRIES = 384, 20  # of the products that are timed, half of a millisecond or one each


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return a @ b, of matrices; nobody may differentiate it."""
    return _by_onednn(a, b, None) if _goes_there(a, b) else a @ b


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x @ weight.T + bias, as `torch.nn.functional.linear` does."""
    # Elsewhere somebody may want a derivative, or a program of what is called.
    alone = torch.is_inference_mode_enabled() and not torch.compiler.is_compiling()
    if alone and x.ndim == 2 and _goes_there(x, weight.T):
        return _by_onednn(x, weight.T, bias)
    return F.linear(x, weight, bias)


def put(a: Tensor, b: Tensor, into: Tensor, bias: Tensor | None = None) -> Callable[[], object]:
    """Return the call that puts a @ b, and a bias for each column, into a matrix."""
    if _goes_there(a, b):
        room = None if _lies_close(b) else b.new_empty(b.shape)
        return partial(_put_by_onednn, a, b, into, bias, room)
    if bias is None:
        return partial(torch.mm, a, b, out=into)
    return partial(torch.addmm, bias, a, b, out=into)


def _goes_there(a: Tensor, b: Tensor) -> bool:
    """Return whether oneDNN makes a product in less time."""
    large = a.shape[0] * b.numel() >= WORTH_A_CALL
    if not large or a.dtype != torch.float32 or a.device.type != "cpu":
        return False
    return (a.stride(1) == 1 or b.shape[1] >= FEWEST_COLUMNS) and onednn_is_faster()


def _by_onednn(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    near = b if _lies_close(b) else b.contiguous()
    result: Tensor = _linear()(a, near.T, bias, "none", [], "")
    return result


def _put_by_onednn(
    a: Tensor, b: Tensor, into: Tensor, bias: Tensor | None, room: Tensor | None = None
) -> None:
    near = b if room is None else room.copy_(b)
    size = max(1, MOST_CELLS // into.shape[1])
    for start in range(0, len(into), size):
        rows = slice(start, start + size)
        into[rows].copy_(_by_onednn(a[rows], near, bias))


def _lies_close(b: Tensor) -> bool:
    """Return whether nothing lies between the cells of a matrix, by rows or by columns.

    A second factor that is some columns of a wider matrix oneDNN multiplies in its slowest way; the
    first may be such columns.
    """
    return b.is_contiguous() or b.T.is_contiguous()


@functools.cache
def _linear() -> Any:
    """Return torch's own call of oneDNN, in full float32; None where it has none."""
    if not torch.backends.mkldnn.is_available():
        return None
    operator = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    return None if operator is None else operator.default


@functools.cache
def onednn_is_faster() -> bool:
    """Return whether oneDNN multiplies much faster than what torch takes: asked once, and timed.

    In one thread, and the least of many tries counts, as the same fit is to give the same bits
    whatever else the machine does: two threads would wait for each other where it is busy.
    """
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"  # else both have the same
    if not (wide and torch.backends.mkl.is_available()) or _linear() is None:
        return False
    with torch.inference_mode(), threads.enough_for(0.0):
        x = torch.linspace(-1, 1, SIDE * SIDE, dtype=torch.float32, device="cpu").view(SIDE, SIDE)
        into, other = torch.empty_like(x), torch.empty_like(x)
        by_mkl = partial(torch.mm, x, x, out=into)
        by_onednn = partial(_put_by_onednn, x, x, other, None)
        try:
            seconds = [min(_seconds(call) for _ in range(TRIES)) for call in (by_mkl, by_onednn)]
        except (RuntimeError, TypeError):  # nobody promises that a later torch has the same call
            return False
        return seconds[1] * TIMES < seconds[0] and torch.allclose(into, other, rtol=1e-4, atol=1e-4)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
