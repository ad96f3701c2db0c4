"""Compute in one thread what is too little work for several."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

# Multiplications in a product up to which a second thread gains little. Where another program has
# its processor, both wait for each other at each product, and take many times as long.
# `python benchmarks/threads.py` prints what was measured.
LITTLE = 1 << 21


@contextlib.contextmanager
def enough_for(work: float) -> Iterator[None]:
    """Compute in one thread within this block, if its products are of so little work.

    Other threads of Python have as many as before: OpenMP and MKL know a number for each of them,
    which `torch.set_num_threads` does not.

    Parameters
    ----------
    work : float
        Multiplications in a product, on average.
    """
    before = torch.get_num_threads()  # asked first, or torch would set it later
    if work > LITTLE or before == 1:
        yield
        return
    of_products, of_loops = _set_of_products(), _openmp()
    loops = [pool.num_threads for pool in of_loops]  # other libraries may have fewer than torch
    for pool in of_loops:
        pool.set_num_threads(1)
    products = of_products(1)
    try:
        yield
    finally:
        of_products(products)
        for pool, own in zip(of_loops, loops, strict=True):
            pool.set_num_threads(own)


@functools.cache
def _openmp() -> list[Any]:
    """Return what sets how many threads loops of this one take, for each library that has any."""
    return list(ThreadpoolController().select(user_api="openmp").lib_controllers)


@functools.cache
def _set_of_products() -> Callable[[int], int]:
    """Return what sets how many threads products of this one take, and gives the number before.

    0 means as many as all threads do. Where torch does not come with MKL, as on ARM, its products
    are loops of OpenMP, too.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        function = library.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return lambda n_threads: n_threads
    function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return function
