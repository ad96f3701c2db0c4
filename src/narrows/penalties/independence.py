"""Keep the code independent of the covariates that the decoder is given."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor

from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
from narrows.core.pairs import distance_slopes, squared_distances
from narrows.core.training_rows import TrainingRows
from narrows.errors import CompositionError
from narrows.penalties.penalty import Penalty

__all__ = ["Independence"]

FEWEST = 4  # rows that an unbiased estimate needs
MOST = 1024  # rows of a batch that are compared with each other
SOME = 2048  # rows whose variance is the unit
TINY = 1e-12  # instead of 0, where something is divided by it


class Independence(Penalty):
    """The dependence of the code on the covariates, as their normalised HSIC.

    HSIC is the covariance of two similarities over pairs of rows, and 0 only if the two are
    independent (the Hilbert-Schmidt independence criterion, with Gaussian kernels as wide as the
    pairs of a batch are apart). Divided by the root of both variances it is a kind of correlation:
    0 where nothing of the covariates is in the code, 1 where they are the same. That is multiplied
    by the variance of the rows, so that it stands beside the reconstruction loss in one unit.

    Parameters
    ----------
    weight : float, default=1.0
        Multiplies the term.

    Notes
    -----
    The estimate is the unbiased one of Song et al. over the rows of a batch, so it may be a little
    below 0. Rows with a covariate that was not measured count as rows at its mean; weights of rows
    count nothing here.

    References
    ----------
    Gretton et al., "Measuring statistical dependence with Hilbert-Schmidt norms", ALT 2005. Song et
    al., "Feature selection via dependence maximization", JMLR 13 (2012). In an autoencoder: Lopez
    et al., "Information constraints on auto-encoding variational Bayes", NeurIPS 2018.

    Examples
    --------
    >>> from narrows import Autoencoder, Independence
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = Autoencoder(2, covariates=[3], penalty=Independence(), max_epochs=3, random_state=0)
    >>> "independence" in model.fit(X).history_[-1]
    True
    """

    per_layer = False
    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    _unit = 1.0  # the rows' variance

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def check(self, network: NetworkView) -> None:
        """Refuse a network whose decoder is given nothing."""
        super().check(network)
        if not network.n_covariates:
            raise CompositionError(
                "Independence is that of the code from covariates, and there are none; set "
                "covariates= to some columns"
            )

    def for_rows(self, rows: TrainingRows) -> Self:
        """Return this term in the unit of the rows."""
        n_rows = len(rows.numbers)
        n_taken = min(SOME, n_rows)
        numbers = rows.numbers.cpu()[torch.arange(n_taken) * n_rows // n_taken]
        own = copy.copy(self)
        own._unit = float(rows.inputs(numbers).var(0, correction=0).sum())
        return own

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the normalised HSIC of code and covariates times the rows' variance, a scalar."""
        code, beside, _ = self._rows(forward)
        if len(code) < FEWEST:
            return code.sum() * 0.0
        of_code, of_covariates = _kernel(_squares(code)), _kernel(_squares(beside))
        both = _hsic(of_code, of_covariates)
        scale = _hsic(of_code, of_code) * _hsic(of_covariates, of_covariates)
        return self._unit * both / scale.clamp(min=TINY).sqrt()

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, and weight x its derivative by the mean of the posterior."""
        code, beside, taken = self._rows(forward)
        if len(code) < FEWEST:
            return code.sum() * 0.0, CodeSlopes()
        squares = _squares(code)
        of_code, of_covariates = _kernel(squares), _kernel(_squares(beside))
        both, own = _hsic(of_code, of_covariates), _hsic(of_code, of_code)
        scale = own * _hsic(of_covariates, of_covariates)
        root = scale.clamp(min=TINY).sqrt()
        value = self._unit * both / root
        slopes = _hsic_slopes(of_covariates) / root
        if scale >= TINY:
            slopes -= _hsic_slopes(of_code) * (both / root / own)
        by_squares = _kernel_slopes(slopes, of_code, squares).mul_(weight * self._unit)
        by_code = distance_slopes(by_squares + by_squares.T, code, code)
        if taken is not None:
            by_code = code.new_zeros(taken[1], code.shape[1]).index_copy_(0, taken[0], by_code)
        return value, CodeSlopes(mean=forward.own_slopes(by_code))

    @staticmethod
    def _rows(forward: ForwardPass) -> tuple[Tensor, Tensor, tuple[Tensor, int] | None]:
        """Return codes and covariates, and which of how many they are where there are more."""
        code = forward.gathered(forward.posterior.mean)
        assert forward.covariates is not None
        beside = forward.gathered(forward.covariates.to(code.dtype))
        if len(code) <= MOST:
            return code, beside, None
        some = torch.arange(MOST, device=code.device) * len(code) // MOST
        return code[some], beside[some], (some, len(code))


def _squares(rows: Tensor) -> Tensor:
    return squared_distances(rows, rows)


def _kernel(squares: Tensor) -> Tensor:
    """Return exp(-d^2 / m) for all pairs of rows, m the mean of d^2, and 0 on the diagonal."""
    kernel = torch.exp(-squares / squares.mean().clamp(min=TINY))
    return kernel - torch.diag(kernel.diagonal())


def _kernel_slopes(slopes: Tensor, kernel: Tensor, squares: Tensor) -> Tensor:
    """Return a derivative by squared distances, given that by their kernel."""
    mean = squares.mean()
    own = slopes * kernel
    by_mean = (own * squares).sum() / (mean.square() * squares.numel()) if mean >= TINY else 0.0
    return by_mean - own / mean.clamp(min=TINY)


def _hsic(one: Tensor, other: Tensor) -> Tensor:
    """Return the unbiased estimate from two kernels without their diagonals (Song et al., (5))."""
    n = len(one)
    products = (one * other).sum()
    sums = one.sum() * other.sum() / ((n - 1) * (n - 2))
    rows = (one.sum(0) * other.sum(0)).sum() * 2 / (n - 2)
    return (products + sums - rows) / (n * (n - 3))


def _hsic_slopes(other: Tensor) -> Tensor:
    """Return the derivative of `_hsic` by the first kernel: half of it where both are the same."""
    n = len(other)
    sums = other.sum() / ((n - 1) * (n - 2))
    return (other + sums - other.sum(0) * (2 / (n - 2))) / (n * (n - 3))
