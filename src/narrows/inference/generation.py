"""Generation: rows from codes that no row had, and how likely rows are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.core import checks
from narrows.core.randomness import seed
from narrows.data.scaling import Rows
from narrows.errors import CompositionError, DataError
from narrows.inference.fitted_model import Fitted
from narrows.network.network import Network
from narrows.priors import Prior

Matrix = NDArray[Any]


class Generation(Fitted):
    """What a fitted autoencoder can do with codes of its own; inherited by `Autoencoder`."""

    def sample(self, n_samples: int = 1, *, target: Any = None, random_state: Any = None) -> Any:
        """Return new rows: codes drawn from the prior, decoded.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        target : int or array of int of shape (n_samples,), optional
            Class that each row is drawn from, for priors with classes.
        random_state : int, RandomState or None, default=None
            Seed of the draw.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            In the units of the table; a frame where fit was given one with columns that are no
            plain numbers.

        Raises
        ------
        CompositionError
            If the model has no prior, or the prior no classes.
        """
        prior, generator = self._prior(), self._generator(random_state)
        count = checks.integer("n_samples", n_samples, low=1)
        classes = None
        if target is not None:
            wanted = np.broadcast_to(np.asarray(target, dtype=np.int64), (count,))
            classes = torch.from_numpy(wanted.copy()).to(self._weight.device)
        with torch.inference_mode():
            code = prior.sample(
                count,
                self.n_components_,
                generator,
                dtype=self._weight.dtype,
                device=self._weight.device,
                target=classes,
            )
        return self._typed(self._decoded(code.cpu().numpy()))

    def interpolate(self, start: Any, end: Any, n_steps: int = 8) -> Matrix:
        """Return what lies between rows: the straight line between their codes, decoded.

        Parameters
        ----------
        start, end : array or data frame of shape (n_samples, n_features)
            Where each line begins and ends.
        n_steps : int, default=8
            Rows on each line, both ends included.

        Returns
        -------
        ndarray of shape (n_samples, n_steps, n_features)
            In the units of the table.

        Raises
        ------
        DataError
            If there are not as many ends as starts.
        """
        check_is_fitted(self, "network_")
        count = checks.integer("n_steps", n_steps, low=2)
        first, last = np.asarray(self._encoded(start)), np.asarray(self._encoded(end))
        if first.shape != last.shape:
            raise DataError(
                f"start has {len(first)} rows but end {len(last)}; give one end for each start"
            )
        share = np.linspace(0, 1, count, dtype=first.dtype)[None, :, None]
        codes = first[:, None] * (1 - share) + last[:, None] * share
        rows = self._typed(self._decoded(codes.reshape(-1, self.n_components_)))
        return np.asarray(rows).reshape(len(first), count, -1)

    def latent_grid(
        self, n_steps: int = 10, low: float = -2.0, high: float = 2.0
    ) -> tuple[Matrix, Matrix]:
        """Return a grid over the plane of a two-component code, and the rows it stands for.

        Parameters
        ----------
        n_steps : int, default=10
            Places along each side.
        low, high : float, default=-2.0 and 2.0
            Where each side begins and ends; the defaults suit a standard normal prior.

        Returns
        -------
        codes : ndarray of shape (n_steps * n_steps, 2)
            As a picture is read: from the left, from above.
        rows : ndarray or data frame of shape (n_steps * n_steps, n_features)
            In the units of the table, as `sample` gives them.

        Raises
        ------
        CompositionError
            If the code is no plane.
        """
        check_is_fitted(self, "network_")
        if self.n_components_ != 2:
            raise CompositionError(
                f"n_components={self.n_components_} is no plane; fit a model with n_components=2"
            )
        count = checks.integer("n_steps", n_steps, low=2)
        checks.number("high", high, low=checks.number("low", low), include_low=False)
        side = np.linspace(low, high, count)
        x, y = np.meshgrid(side, side[::-1])
        codes = np.column_stack([x.ravel(), y.ravel()])
        return codes, self._typed(self._decoded(codes))

    def log_likelihood(self, X: Any, n_importance: int = 100, random_state: Any = None) -> Matrix:
        """Return log p(x) of rows by importance sampling (Burda et al., 2016).

        log 1/K sum_k p(x | y_k) p(y_k) / q(y_k | x), y_k ~ q(y | x): a lower bound in expectation,
        which grows towards log p(x) with K.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        n_importance : int, default=100
            K.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithms of the density in the units of the table. p(x | y) is what the loss
            is minus the logarithm of, up to a constant: normal with variance 1/2 (scaled) for
            `SquaredError`, Laplace for `AbsoluteError`; Bernoulli for `CrossEntropy`: a
            probability, exact where a column has two values. Levels and counts have probabilities,
            too, proportions the density of the continuous Bernoulli distribution.

        Raises
        ------
        CompositionError
            If the code is no distribution, there is no prior with a density, or the loss is no
            likelihood.
        """
        rows = self._rows(X)
        composition = self._composition
        if not composition.latent.is_distribution:
            raise CompositionError(
                f"latent={composition.latent!r} is no distribution, so rows have no likelihood; "
                "use recipes.variational, or score_samples for how well rows are reconstructed"
            )
        count = checks.integer("n_importance", n_importance, low=1)
        generator, prior, loss = self._generator(random_state), self._prior(), self._objective.loss

        def likelihood(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            terms = []
            for _ in range(count):
                forward = network(x, observed=observed, generator=generator)
                density = loss.log_density(forward)
                if observed is not None:
                    density = torch.where(observed, density, 0.0)
                code = forward.code
                ratio = prior.log_prob(code) - forward.posterior.log_prob(code)
                terms.append(density.sum(1) + ratio)
            mean = torch.stack(terms).double().logsumexp(0) - math.log(count)
            return mean[:, None]

        found: Matrix = self._map(rows, likelihood, 1)[:, 0]
        density: Matrix = found - self._log_volume(rows)
        return density

    def sample_contractive(
        self, X: Any, n_steps: int = 1, scale: float = 1.0, random_state: Any = None
    ) -> Any:
        """Return rows moved along the manifold that the encoder has learned (Rifai et al., 2012).

        Each step is x <- g(f(x) + J J^T e), e ~ N(0, scale^2), J = d f(x) / d x: noise in the row,
        seen through the directions that the encoder is sensitive to. Meant for encoders that were
        trained with `Contraction`.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Where the walks begin.
        n_steps : int, default=1
            How many steps each walk takes.
        scale : float, default=1.0
            Standard deviation of the noise.
        random_state : int, RandomState or None, default=None
            Seed of the noise.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Where the walks end, in the units of the table; a frame if X is one.

        Raises
        ------
        CompositionError
            If the code is binary, which no small step changes.
        """
        rows = self._rows(X)
        if self._composition.latent.is_binary:
            raise CompositionError("a binary code has no directions; choose latent='point'")
        steps = checks.integer("n_steps", n_steps, low=1)
        checks.number("scale", scale, low=0)
        generator = self._generator(random_state)

        def walked(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return walk(network, x, observed, steps, scale, generator)

        moved = self._map(rows, walked, self.n_features_in_, derivatives=True)
        return self._typed(self.encoding_.decode(moved), X)

    def hash(self, X: Any) -> NDArray[np.uint8]:
        """Return the bits of rows, eight to a byte, for `hamming_search`.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        uint8 ndarray of shape (n_samples, ceil(n_components / 8))

        Raises
        ------
        CompositionError
            If the code is not binary.
        """
        check_is_fitted(self, "network_")
        if self.network_.code_activation.harden is None:
            raise CompositionError(
                f"the code of latent={self._composition.latent!r} is not binary; choose "
                "latent='binary_code', or Dense(code_activation='binary')"
            )
        return np.packbits(np.asarray(self._encoded(X)) > 0.5, axis=1)

    def _prior(self) -> Prior:
        check_is_fitted(self, "network_")
        prior = self._objective.prior
        if prior is None:
            raise CompositionError(
                "this model has no prior to draw codes from; use recipes.variational or "
                "recipes.adversarial, or add penalty=MMD()"
            )
        return prior

    def _generator(self, random_state: Any) -> torch.Generator:
        check_is_fitted(self, "network_")
        return torch.Generator(self._weight.device).manual_seed(seed(random_state))

    def _log_volume(self, rows: Rows) -> Any:
        """Return by how much scaling has blown up the measured cells of each row, as a log."""
        if self.encoding_.scale is None:
            return 0.0
        logs = np.log(self.encoding_.scale)
        for side in self._composition.sides(self.layout_):
            if side.loss.is_probability:  # which no scaling changes
                logs[list(side.columns)] = 0
        if isinstance(rows, np.ndarray) and np.isnan(rows).any():
            return (~np.isnan(rows)) @ logs
        return logs.sum()


def walk(
    network: Network,
    x: Tensor,
    observed: Tensor | None,
    n_steps: int,
    scale: float,
    generator: torch.Generator,
) -> Tensor:
    """Return rows after steps x <- g(f(x) + J J^T e), e ~ N(0, scale^2), J = d f(x) / d x.

    Parameters
    ----------
    network : Network
        Its encoder is f, its decoder g.
    x : Tensor of shape (n_samples, n_features)
        Where the walks begin, in scaled units.
    observed : bool Tensor of shape (n_samples, n_features) or None
        True where a cell was measured.
    n_steps : int
        How many.
    scale : float
        Standard deviation of the noise.
    generator : torch.Generator
        Where the noise is drawn.
    """
    for _ in range(n_steps):
        code, move = _move(network, x, observed, scale, generator)
        x = network.decode(code + move, observed).detach()
    return x


def _move(
    network: Network,
    x: Tensor,
    observed: Tensor | None,
    scale: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the codes of rows and J J^T e."""
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        code = network.posterior(start, observed).mean
        noise = torch.empty_like(code).normal_(0.0, scale, generator=generator)
        probe = noise.detach().requires_grad_()
        # J^T e is one derivative; as it is linear in e, its own derivative there gives J.
        (along,) = torch.autograd.grad(code, start, probe, create_graph=True)
        (move,) = torch.autograd.grad(along, probe, along.detach())
    return code.detach(), move
