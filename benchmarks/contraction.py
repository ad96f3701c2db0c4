"""Contraction: what a training step costs with it, as a multiple of a plain step.

    python benchmarks/contraction.py

One thread, and the processor time of the process, so that other work on the machine moves the
figures little; the third smallest of 25 steps each.
"""

from __future__ import annotations

import itertools
import time

import torch

from machine import machine
from narrows import Autoencoder, Contraction, Dense
from narrows.data.layout import Layout
from narrows.network.composition import Composition

N_FEATURES, N_COMPONENTS, BATCH = 784, 32, 256


def seconds_per_step(
    hidden: tuple[int, ...], code_activation: str, penalty: Contraction | None
) -> float:
    """Return the processor time of a step: forward, objective, backward and fused Adam."""
    architecture = Dense(hidden, code_activation=code_activation)
    model = Autoencoder(N_COMPONENTS, architecture=architecture, penalty=penalty)
    composition = Composition.of(model.get_params(deep=False))
    layout = Layout(N_FEATURES)
    network = composition.network(layout, torch.float32)
    objective = composition.objective(layout)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    x = torch.rand(BATCH, N_FEATURES, generator=generator)

    def step() -> float:
        started = time.process_time()
        optimizer.zero_grad()
        objective(network(x, generator=generator)).total.backward()
        optimizer.step()
        return time.process_time() - started

    for _ in range(5):
        step()
    return sorted(step() for _ in range(25))[2]


def main() -> None:
    torch.set_num_threads(1)
    print(f"{machine()}\nbatch {BATCH}, {N_FEATURES} columns, {N_COMPONENTS} components")
    print("| encoder | code | plain step | exact | hutchinson |\n|---|---|---|---|---|")
    for hidden, code in itertools.product([(), (256,), (256, 64)], ["linear", "sigmoid"]):
        plain = seconds_per_step(hidden, code, None)
        times = [
            seconds_per_step(hidden, code, Contraction(1e-3, estimator)) / plain
            for estimator in ("exact", "hutchinson")
        ]
        widths = "-".join(map(str, (N_FEATURES, *hidden, N_COMPONENTS)))
        print(f"| {widths} | {code} | {plain * 1e3:.2f} ms | {times[0]:.1f} x | {times[1]:.1f} x |")


if __name__ == "__main__":
    main()
