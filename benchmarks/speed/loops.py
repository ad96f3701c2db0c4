"""Loops: training written by hand, eager and compiled, and the matrix products alone."""

from __future__ import annotations

import time

import torch
from torch import nn

from speed import networks
from speed.workloads import Table, Workload


class Loop:
    """Data in memory as one tensor, batches by `index_select`, fused Adam."""

    def __init__(self, workload: Workload, n_features: int, device: str = "cpu") -> None:
        self.batch_size, self.device = workload.batch_size, torch.device(device)
        self.network = networks.network(workload, n_features).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        self.objective = self.network.objective

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took, those of the copy to the device included."""
        started = time.perf_counter()
        data = torch.from_numpy(X).to(self.device)
        for _ in range(epochs):
            for rows in torch.randperm(len(X), device=self.device).split(self.batch_size):
                self.optimizer.zero_grad()
                self.objective(data.index_select(0, rows)).backward()
                self.optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    @torch.no_grad()
    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the network gives them back."""
        found: Table = self.network(torch.from_numpy(X).to(self.device)).cpu().numpy()
        return found


class Compiled(Loop):
    """The same, the objective through `torch.compile`, for each number of rows apart."""

    def __init__(self, workload: Workload, n_features: int) -> None:
        super().__init__(workload, n_features)
        self.objective = torch.compile(self.objective, dynamic=False)


class Products:
    """The matrix products of dense layers alone: no batches, activations or optimiser."""

    reconstruct = None

    def __init__(self, workload: Workload, n_features: int) -> None:
        self.batch_size = workload.batch_size
        network = networks.network(workload, n_features)
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        self.seeing = max(1, len(workload.views))  # first layers, whose input has no derivative
        self.weights = [layer.weight.detach() for layer in layers]
        self.inputs = [torch.randn(self.batch_size, weight.shape[1]) for weight in self.weights]
        self.outputs = [torch.randn(self.batch_size, weight.shape[0]) for weight in self.weights]
        self.slopes = [torch.empty_like(x) for x in self.inputs]
        self.gradients = [torch.empty_like(weight) for weight in self.weights]

    def fit(self, X: Table, epochs: int) -> float:
        """Return the seconds of the products of so many steps."""
        started = time.perf_counter()
        for _ in range(epochs * (len(X) // self.batch_size)):
            for i, weight in enumerate(self.weights):
                torch.mm(self.inputs[i], weight.T, out=self.outputs[i])
                torch.mm(self.outputs[i].T, self.inputs[i], out=self.gradients[i])
                if i >= self.seeing:
                    torch.mm(self.outputs[i], weight, out=self.slopes[i])
        return time.perf_counter() - started
