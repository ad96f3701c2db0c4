"""Make results independent of what the process around them has set in torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any, TypeVar

import torch

CPU = torch.device("cpu")

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)


def isolated(function: Function) -> Function:
    """Return a function that does the same, whatever the caller has set in torch."""
    if getattr(function, "_is_isolated", False):
        return function

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if _at_defaults():
            return function(*args, **options)
        with torch_defaults():
            return function(*args, **options)

    call._is_isolated = True  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def isolate_methods(cls: Class) -> Class:
    """Return a class whose own public methods compute as in a process that has set nothing."""
    for name, method in list(vars(cls).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(cls, name, isolated(method))
    return cls


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Compute with gradients, without autocast and on the processor unless a device is named.

    All of that belongs to the thread, and is as it was afterwards. The default dtype belongs to the
    whole process: it is not touched, and nothing here rests on it.
    """
    with ExitStack() as stack:
        if torch.get_default_device() != CPU:
            stack.enter_context(CPU)
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def _at_defaults() -> bool:
    changed = torch.is_inference_mode_enabled() or not torch.is_grad_enabled()
    coarse = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    return not changed and not coarse and torch.get_default_device() == CPU
