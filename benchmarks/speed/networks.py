"""Networks: those of the workloads as one would write them by hand in PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from speed.workloads import Workload

CONTRACTION = 1e-3
KL = 2.0  # with squared errors that are summed: a decoder's noise of variance 1


class Handmade(nn.Module):
    """A network that can say what it minimises on a batch."""

    def objective(self, x: Tensor) -> Tensor:
        """Return the mean squared error."""
        return nn.functional.mse_loss(self(x), x)


class Stack(Handmade):
    """Dense layers down to a linear code and back."""

    def __init__(self, n_features: int, widths: Sequence[int], output: str) -> None:
        super().__init__()
        down = [n_features, *widths]
        self.encoder = nn.Sequential(*dense(down))
        self.decoder = nn.Sequential(*dense(down[::-1]), *closing(output))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Contractive(Stack):
    """With ||d code / d x||_F^2 of an encoder of two layers, by their Gram matrices."""

    def objective(self, x: Tensor) -> Tensor:
        first, last = self.encoder[0], self.encoder[2]
        hidden = torch.relu(first(x))
        slope = (hidden > 0).to(x.dtype)
        # d^T ((W_2^T W_2) o (W_1 W_1^T)) d, d the slopes of the hidden layer.
        together = (last.weight.T @ last.weight) * (first.weight @ first.weight.T)
        penalty = ((slope @ together) * slope).sum(1).mean()
        errors = (self.decoder(last(hidden)) - x).square().sum(1).mean()
        return errors + CONTRACTION * penalty


class Variational(Handmade):
    """Dense layers to the mean and log variance of a code, which is drawn, and back."""

    def __init__(self, n_features: int, widths: Sequence[int], output: str) -> None:
        super().__init__()
        down = [n_features, *widths]
        self.body = nn.Sequential(*dense(down[:-1]), nn.ReLU())
        self.mean = nn.Linear(*down[-2:])
        self.log_variance = nn.Linear(*down[-2:])
        nn.init.constant_(self.log_variance.bias, -4.0)
        self.decoder = nn.Sequential(*dense(down[::-1]), *closing(output))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.mean(self.body(x)))

    def objective(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        errors = (self.decoder(code) - x).square().sum(1).mean()
        return errors + KL * divergence.sum(1).mean()


class Views(Handmade):
    """Views of a table, each with a hidden layer, joined in a linear code, and back."""

    def __init__(self, views: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        (hidden, code), joined = widths, len(views) * widths[0]
        self.views, self.hidden = list(views), hidden
        self.down = nn.ModuleList(nn.Linear(width, hidden) for width in views)
        self.code, self.back = nn.Linear(joined, code), nn.Linear(code, joined)
        self.up = nn.ModuleList(nn.Linear(hidden, width) for width in views)

    def forward(self, x: Tensor) -> Tensor:
        seen = zip(self.down, x.split(self.views, 1), strict=True)
        hidden = torch.cat([torch.relu(layer(part)) for layer, part in seen], 1)
        hidden = torch.relu(self.back(self.code(hidden)))
        parts = zip(self.up, hidden.split(self.hidden, 1), strict=True)
        return torch.cat([layer(part) for layer, part in parts], 1)


class Images(Handmade):
    """Two convolutions of stride 2, a dense layer to the code, and back; rows are flat images."""

    def __init__(self, shape: Sequence[int], widths: Sequence[int], output: str) -> None:
        super().__init__()
        (height, width), (first, second, code) = shape, widths
        small = (second, height // 4, width // 4)
        n_small = second * small[1] * small[2]
        self.layers = nn.Sequential(
            nn.Unflatten(1, (1, height, width)),
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(n_small, code),
            nn.Linear(code, n_small),
            nn.ReLU(),
            nn.Unflatten(1, small),
            nn.ConvTranspose2d(second, first, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(first, 1, 3, stride=2, padding=1, output_padding=1),
            *closing(output),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Sequences(Handmade):
    """An LSTM's last state, a dense layer to the code, and an LSTM that writes backwards."""

    def __init__(self, shape: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        (self.n_steps, n_channels), (hidden, code) = shape, widths
        self.unflatten = nn.Unflatten(1, (self.n_steps, n_channels))
        self.reader = nn.LSTM(n_channels, hidden, batch_first=True)
        self.code, self.back = nn.Linear(hidden, code), nn.Linear(code, hidden)
        self.writer = nn.LSTM(hidden, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, n_channels)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.reader(self.unflatten(x))
        state = torch.tanh(self.back(self.code(steps[:, -1])))
        written, _ = self.writer(state[:, None].expand(-1, self.n_steps, -1))
        return self.readout(written).flip(1).flatten(1)


MADE: dict[str, Callable[[Workload, int], Handmade]] = {
    "dense": lambda w, n_features: Stack(n_features, w.widths, w.output),
    "views": lambda w, n_features: Views(w.views, w.widths),
    "images": lambda w, n_features: Images(w.shape, w.widths, w.output),
    "sequences": lambda w, n_features: Sequences(w.shape, w.widths),
    "variational": lambda w, n_features: Variational(n_features, w.widths, w.output),
    "contractive": lambda w, n_features: Contractive(n_features, w.widths, w.output),
}


def network(workload: Workload, n_features: int) -> Handmade:
    """Return a workload's network as one would write it by hand."""
    return MADE[workload.kind](workload, n_features)


def dense(sizes: Sequence[int]) -> list[nn.Module]:
    """Return dense layers with ReLU between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers[:-1]


def closing(output: str) -> list[nn.Module]:
    """Return what makes a reconstruction of the raw output."""
    return [nn.Sigmoid()] if output == "sigmoid" else []
