"""Profile fits of narrows: what their time goes into, as shares, by workload.

Every call into torch is put under what it does, by its name; those inside reading, batches and
monitoring go there whatever they are. What is left is Python itself, views and memory.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from machine import machine
from speed import ours, page
from speed.processors import cores
from speed.workloads import WORKLOADS, Workload

READING, BATCHES, MONITORING = "reading and scaling", "batches", "monitoring"
STEP = "a step"
PRODUCTS, OPTIMISER, REST = "products, convolutions, LSTM", "optimiser", "Python, views, memory"

# By what the names of torch's calls contain, the first that fits.
GROUPS = {
    OPTIMISER: ("::_fused_", "::_foreach_"),
    PRODUCTS: (
        "::addm",
        "::mm",
        "::bmm",
        "::baddbmm",
        "convolution",
        "_rnn_layer",
        "_linear_pointwise",
    ),
    "activations": ("relu", "threshold_backward", "sigmoid", "tanh", "::clamp_min"),
    "copies and rounding": ("::copy_", "::fill_", "::zero_", "::cat"),
    REST: (
        "::view",
        "::as_strided",
        "::empty",
        "::t",
        "::to",
        "::transpose",
        "::expand",
        "::select",
        "::slice",
        "::detach",
        "::resolve_",
        "::alias",
        "::unsqueeze",
        "::reshape",
        "::split",
        "::narrow",
    ),
}
LOSS = "loss, penalties and their derivatives"
ORDER = (READING, BATCHES, PRODUCTS, "activations", LOSS, "copies and rounding", OPTIMISER)
TEXT = """\
Shares of the time of a fit at precision="auto" under torch's profiler, which makes small networks
look slower: the first two rows have the time without it. A call counts without those that it
makes. Python has what lies between the calls."""


def phases() -> dict[tuple[type, str], str]:
    """Return the methods whose time, all of it, is called by one name."""
    from narrows import Autoencoder
    from narrows.data.table import DenseTable
    from narrows.training.early_stopping import EarlyStopping
    from narrows.training.history import EpochMeter
    from narrows.training.step import Step

    watching = [(EarlyStopping, name) for name in ("begin", "see", "finite", "restore")]
    watching += [(Step, "evaluate"), (Step, "diagnose"), (EpochMeter, "means")]
    return {
        (Autoencoder, "_prepare"): READING,
        (DenseTable, "take"): BATCHES,
        (Step, "train"): STEP,
        **dict.fromkeys(watching, MONITORING),
    }


@contextmanager
def labelled() -> Iterator[None]:
    """Have the profiler see phases within."""
    with ExitStack() as stack:
        for (owner, name), label in phases().items():
            method = _labelled(getattr(owner, name), label)
            stack.enter_context(patch.object(owner, name, method))
        yield


def _labelled(method: Callable[..., Any], label: str) -> Callable[..., Any]:
    @wraps(method)
    def wrapped(*args: Any, **options: Any) -> Any:
        with record_function(label):
            return method(*args, **options)

    return wrapped


def group(event: Any) -> str:
    """Return what a call of the profiler's is for."""
    phase = _within(event, (READING, BATCHES, MONITORING))
    if phase is not None:
        return phase
    if not event.name.startswith(("aten::", "mkldnn::")):
        return REST
    for name, parts in GROUPS.items():
        if any(_contains(event.name, part) for part in parts):
            return name
    return LOSS


def _within(event: Any, labels: Sequence[str]) -> str | None:
    """Return the innermost of some labels that a call was made within; None if there is none."""
    above = event
    while above is not None and above.name not in labels:
        above = above.cpu_parent
    return None if above is None else str(above.name)


def _contains(name: str, part: str) -> bool:
    """Return whether a name has a part; "::t" is a name's whole end."""
    return name.endswith(part) if len(part) <= len("::to") else part in name


@dataclass(frozen=True)
class Profile:
    """Where the time of a fit went.

    Parameters
    ----------
    seconds : float
        Of a fit without the profiler.
    step, kernels : float
        Microseconds of one of its steps, and of what torch computes in a step, without views.
    shares : dict of str to float
        Of the time of a fit under the profiler.
    """

    seconds: float
    step: float
    kernels: float
    shares: dict[str, float]


def profiled(workload: Workload) -> Profile:
    """Return where the time of a fit goes."""
    X = workload.table()
    fitted = ours.Narrows(workload, X.shape[1])
    fitted.fit(X[: 4 * workload.batch_size], 1)
    seconds = fitted.fit(X, workload.epochs)
    with (
        labelled(),
        profile(activities=[ProfilerActivity.CPU]) as seen,
        record_function("fit"),
    ):
        fitted.fit(X, workload.epochs)
    spent, within = Counter[str](), Counter[str]()
    events = seen.events()
    for event in events:
        name = group(event)
        spent[name] += event.self_cpu_time_total
        if _within(event, (STEP,)):
            within[name] += event.self_cpu_time_total
    n_steps = sum(event.name == STEP for event in events)
    whole = sum(spent.values())
    return Profile(
        seconds,
        1e6 * fitted.training / (workload.epochs * -(-len(X) // workload.batch_size)),
        (sum(within.values()) - within[REST]) / n_steps,
        {name: value / whole for name, value in spent.items()},
    )


def section(chosen: list[str], how: str) -> str:
    """Return the section of the page."""
    found = {name: profiled(WORKLOADS[name]) for name in chosen}
    profiles = found.values()
    rows = [
        ["seconds", *(f"{each.seconds:.3f}" for each in profiles)],
        ["microseconds a step", *(f"{each.step:,.0f}" for each in profiles)],
        ["of these what torch computes", *(f"{each.kernels:,.0f}" for each in profiles)],
    ]
    rows += [
        [name, *(f"{each.shares.get(name, 0.0):.0%}" for each in profiles)]
        for name in (*ORDER, MONITORING, REST)
    ]
    texts = "\n".join(f"- {name}: {WORKLOADS[name].text}" for name in chosen)
    return "\n\n".join([how, TEXT, page.table(["", *chosen], rows), texts])


def main() -> None:
    """Print the table; write it if it is of all workloads."""
    parser = argparse.ArgumentParser(prog="speed.profiling", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=WORKLOADS, metavar="WORKLOAD", default=[])
    parser.add_argument("--threads", type=int, default=cores(), help="one for each core by default")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    text = section(given.only or list(WORKLOADS), f"Made by `make profile` on\n\n{machine()}")
    print(text)
    if not given.only:
        page.put({"Where the time goes": text})


if __name__ == "__main__":
    main()
