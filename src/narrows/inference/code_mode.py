"""The most probable code of a row with holes: what its cells say through the decoder.

An encoder sees the mean where a cell is missing, and answers for that row. The decoder knows more:
which codes give the cells that were measured. Of these, the mode of the code's distribution given
them weighs how usual a code is against how far off what it decodes to is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 4  # of Gauss and Newton
HALVINGS = 4  # of a step that would lead farther away
NUDGE = 1e-4  # standard deviations of a code, in differences that stand for derivatives
LEAST_NOISE = 1e-3  # of the mean over columns, as some may be decoded without any error
RIDGE = 1e-6  # of the mean variance of codes, as some components may never vary
TINY = 1e-12  # in place of a variance or a noise of 0
BLOCK_CELLS = 1 << 22  # numbers handled at a time

Decoder = Callable[[Tensor], Tensor]  # codes -> what the network would see of their rows


@dataclass(frozen=True, eq=False)
class CodeDistribution:
    """How usual codes are, and how far off what they are decoded to is.

    Parameters
    ----------
    mean : Tensor of shape (n_components,)
        Of the codes of fit.
    covariance : Tensor of shape (n_components, n_components)
        Of them.
    noise : Tensor of shape (n_outputs,)
        Mean square of what is left of each output.
    """

    mean: Tensor
    covariance: Tensor
    noise: Tensor

    @classmethod
    def fit(
        cls, codes: Tensor, decoded: Tensor, inputs: Tensor, observed: Tensor
    ) -> CodeDistribution:
        """Learn from codes of rows, shape (n_rows, n_components), and from what they decode to.

        ``inputs`` are the rows as the network sees them, where ``observed``.
        """
        codes = codes.double()
        away = codes - codes.mean(0)
        covariance = away.T @ away / len(codes)
        covariance += torch.eye(len(covariance)) * (RIDGE * covariance.diagonal().mean() + TINY)
        error = (decoded.double() - inputs).where(observed, 0.0).square().sum(0)
        noise = error / observed.sum(0).clamp(min=1)
        least = LEAST_NOISE * float(noise.mean()) + TINY
        return cls(codes.mean(0), covariance, noise.clamp(min=least))

    def rounded(self) -> CodeDistribution:
        """Return it as float32, as model files keep it."""
        return CodeDistribution(self.mean.float(), self.covariance.float(), self.noise.float())

    def mode(self, decode: Decoder, start: Tensor, inputs: Tensor, observed: Tensor) -> Tensor:
        """Return the most probable code of each row, by Gauss-Newton steps from a first guess.

        Bell & Cathey, "The iterated Kalman filter update as a Gauss-Newton method", IEEE
        Transactions on Automatic Control 38 (1993).

        Parameters
        ----------
        decode : callable
            Of codes, in float64; a code is decoded alike, whatever the others are.
        start : Tensor of shape (n_rows, n_components)
            The first guess.
        inputs : Tensor of shape (n_rows, n_outputs)
            Anything stands in cells that were not observed.
        observed : bool Tensor of shape (n_rows, n_outputs)
            True where a cell was measured.

        Returns
        -------
        Tensor of shape (n_rows, n_components)
            At least as probable as the first guess.
        """
        size = max(1, BLOCK_CELLS // (inputs.shape[1] * (start.shape[1] + 1)))
        parts = zip(start.split(size), inputs.split(size), observed.split(size), strict=True)
        return torch.cat([self._block_mode(decode, *part) for part in parts])

    def _block_mode(self, decode: Decoder, y: Tensor, inputs: Tensor, observed: Tensor) -> Tensor:
        mean, precision = self.mean.double(), torch.linalg.inv(self.covariance.double())
        weight = observed / self.noise.double()
        target = inputs.double().where(observed, 0.0)
        nudge = NUDGE * self.covariance.double().diagonal().sqrt()

        def cost(y: Tensor, decoded: Tensor) -> Tensor:
            error = (weight * (decoded - target).square()).sum(1)
            total: Tensor = error + (((y - mean) @ precision) * (y - mean)).sum(1)
            return total

        y = y.double()
        decoded = decode(y)
        now = cost(y, decoded)
        for _ in range(STEPS):
            slopes = _slopes(decode, y, decoded, nudge)
            weighted = weight[:, :, None] * slopes
            hessian = weighted.transpose(1, 2) @ slopes + precision
            gradient = (weighted * (decoded - target)[:, :, None]).sum(1) + (y - mean) @ precision
            step = torch.linalg.solve(hessian, gradient)
            for _ in range(HALVINGS):
                moved = y - step
                there = decode(moved)
                reached = cost(moved, there)
                better = reached < now
                y, now = y.where(~better[:, None], moved), now.where(~better, reached)
                decoded = decoded.where(~better[:, None], there)
                step = (step / 3).masked_fill(better[:, None], 0.0)
                if bool(better.all()):
                    break
        return y


def _slopes(decode: Decoder, y: Tensor, decoded: Tensor, nudge: Tensor) -> Tensor:
    """Return the derivatives of what codes decode to, shape (n_rows, n_outputs, n_components).

    Differences, as what decodes may be modules of a user's own.
    """
    slopes = decoded.new_empty((*decoded.shape, y.shape[1]))
    for i in range(y.shape[1]):
        moved = y.clone()
        moved[:, i] += nudge[i]
        slopes[:, :, i] = (decode(moved) - decoded) / nudge[i]
    return slopes
