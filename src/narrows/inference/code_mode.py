"""The most probable code of a row with holes: what its cells say through the decoder.

An encoder sees the mean where a cell is missing, and answers for that row. The decoder knows more:
which codes give the cells that were measured. Of these, the mode of the code's distribution given
them weighs how usual a code is against how far off what it decodes to is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

STEPS = 4  # of Gauss and Newton
HALVINGS = 4  # of a step that would lead farther away
NEAR = 1e-2  # variances of what a row leaves open: no further step after one so short
NUDGE = 1e-4  # standard deviations of a code, in differences that stand for derivatives
LEAST_NOISE = 1e-3  # of the mean over columns, as some may be decoded without any error
RIDGE = 1e-6  # of the mean variance of codes, as some components may never vary
TINY = 1e-12  # in place of a variance or a noise of 0
BLOCK_CELLS = 1 << 18  # derivatives at a time: they stay in the cache

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

    @torch.inference_mode()
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
        modes = y.double().clone()
        search = _Search(self, decode, modes.clone(), inputs, observed)
        rows = torch.arange(len(y))  # of which the mode is sought still
        for _ in range(STEPS):
            is_done = search.step()
            modes[rows] = search.codes
            rows, search = rows[~is_done], search.of(~is_done)
            if not len(rows):
                break
        return modes


class _Search:
    """The codes of some rows on the way to their modes."""

    def __init__(
        self,
        distribution: CodeDistribution,
        decode: Decoder,
        codes: Tensor,
        inputs: Tensor,
        observed: Tensor,
    ) -> None:
        self.decode, self.mean = decode, distribution.mean.double()
        covariance = distribution.covariance.double()
        self.precision = torch.linalg.inv(covariance)
        self.nudges = torch.diag(NUDGE * covariance.diagonal().sqrt())
        self.weight = observed / distribution.noise.double()
        self.target = inputs.double().where(observed, 0.0)
        self.codes, self.decoded = codes, decode(codes)
        self.cost = self._cost(codes, self.decoded)

    def of(self, rows: Tensor) -> Self:
        """Return the search of some of the rows alone."""
        part = copy.copy(self)
        for name in ("weight", "target", "codes", "decoded", "cost"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def step(self) -> Tensor:
        """Make a step of Gauss and Newton with each row; return which rows need no other one."""
        slopes = self._slopes()
        weighted = self.weight[:, None] * slopes
        hessian = weighted @ slopes.transpose(1, 2) + self.precision
        away = (self.codes - self.mean) @ self.precision
        gradient = (weighted @ (self.decoded - self.target)[:, :, None])[:, :, 0] + away
        step = torch.linalg.solve(hessian, gradient)
        rows = torch.arange(len(step))  # that have not found a better code yet
        for shorter in range(HALVINGS):
            codes = self.codes[rows] - step[rows] / 3**shorter
            decoded = self.decode(codes)
            cost = self._cost(codes, decoded, rows)
            better = cost < self.cost[rows]
            moved, rows = rows[better], rows[~better]
            self.codes[moved], self.decoded[moved] = codes[better], decoded[better]
            self.cost[moved] = cost[better]
            if not len(rows):
                break
        is_done: Tensor = (gradient * step).sum(1) < NEAR
        is_done[rows] = True  # the next step would be the same
        return is_done

    def _cost(self, codes: Tensor, decoded: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """Return minus twice the logarithm of how probable codes are, but for a constant."""
        error = (self.weight[rows] * (decoded - self.target[rows]).square()).sum(1)
        away = codes - self.mean
        total: Tensor = error + ((away @ self.precision) * away).sum(1)
        return total

    def _slopes(self) -> Tensor:
        """Return the derivatives of what is decoded, shape (n_rows, n_components, n_outputs).

        Differences, as what decodes may be modules of a user's own.
        """
        nudged = self.codes[:, None] + self.nudges
        decoded = self.decode(nudged.flatten(0, 1)).unflatten(0, nudged.shape[:2])
        slopes: Tensor = (decoded - self.decoded[:, None]) / self.nudges.diagonal()[:, None]
        return slopes
