"""Generate rows from codes, and estimate how likely rows are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.core import checks
from narrows.core.types import Matrix, RandomState, TableLike, TargetLike
from narrows.data.column_statistics import Rows
from narrows.errors import CompositionError, DataError
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network
from narrows.priors import Prior


def sample(
    model: FittedModel,
    n_samples: int = 1,
    *,
    target: TargetLike = None,
    random_state: RandomState = None,
) -> TableLike:
    """Return new rows: codes drawn from the prior, decoded; see `Autoencoder.sample`."""
    prior, generator = _prior(model), model.generator(random_state)
    count = checks.integer("n_samples", n_samples, low=1)
    classes = None
    if target is not None:
        wanted = np.broadcast_to(np.asarray(target, dtype=np.int64), (count,))
        classes = torch.from_numpy(wanted.copy()).to(model.device)
    with torch.inference_mode():
        code = prior.sample(
            count,
            model.n_components,
            generator,
            dtype=model.dtype,
            device=model.device,
            target=classes,
        )
    return model.as_table(model.decode(code.cpu().numpy()))


def interpolate(model: FittedModel, start: TableLike, end: TableLike, n_steps: int = 8) -> Matrix:
    """Return what lies between rows, decoded; see `Autoencoder.interpolate`."""
    count = checks.integer("n_steps", n_steps, low=2)
    first, last = (np.asarray(model.encode(model.read(rows))) for rows in (start, end))
    if first.shape != last.shape:
        raise DataError(
            f"start has {len(first)} rows but end {len(last)}; give one end for each start"
        )
    share = np.linspace(0, 1, count, dtype=first.dtype)[None, :, None]
    codes = first[:, None] * (1 - share) + last[:, None] * share
    rows = np.asarray(model.as_table(model.decode(codes.reshape(-1, model.n_components))))
    return rows.reshape(len(first), count, *rows.shape[1:])


def latent_grid(
    model: FittedModel, n_steps: int = 10, low: float = -2.0, high: float = 2.0
) -> tuple[Matrix, Any]:
    """Return a grid of codes, and the rows it stands for; see `Autoencoder.latent_grid`."""
    if model.n_components != 2:
        raise CompositionError(
            f"latent_grid needs a code of 2 components, but the model has {model.n_components}; "
            "fit one with n_components=2"
        )
    count = checks.integer("n_steps", n_steps, low=2)
    checks.number("high", high, low=checks.number("low", low), include_low=False)
    group = np.linspace(low, high, count)
    x, y = np.meshgrid(group, group[::-1])
    codes = np.column_stack([x.ravel(), y.ravel()])
    return codes, model.as_table(model.decode(codes))


def log_likelihood(
    model: FittedModel, X: TableLike, n_importance: int = 100, random_state: RandomState = None
) -> Matrix:
    """Return log p(x) of rows by importance sampling; see `Autoencoder.log_likelihood`."""
    rows, latent = model.read(X), model.composition.latent
    if not latent.is_distribution:
        raise CompositionError(
            f"latent={latent!r} is no distribution, so rows have no likelihood; "
            "use recipes.variational, or score_samples for how well rows are reconstructed"
        )
    count = checks.integer("n_importance", n_importance, low=1)
    generator, prior, loss = model.generator(random_state), _prior(model), model.objective.loss

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

    scaled: Matrix = model.map(rows, likelihood, 1)[:, 0]
    density: Matrix = scaled - _log_volume(model, rows)
    return density


def sample_contractive(
    model: FittedModel,
    X: TableLike,
    n_steps: int = 1,
    scale: float = 1.0,
    random_state: RandomState = None,
) -> TableLike:
    """Return rows moved along the manifold; see `Autoencoder.sample_contractive`."""
    rows = model.read(X)
    if model.composition.latent.is_binary:
        raise CompositionError("a binary code has no directions; choose latent='point'")
    steps = checks.integer("n_steps", n_steps, low=1)
    checks.number("scale", scale, low=0)
    generator = model.generator(random_state)

    def walked(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        return walk(network, x, observed, steps, scale, generator)

    moved = model.map(rows, walked, model.n_features, gradients=True)
    return model.as_table(model.scaling.decode(moved), X)


def hash_bits(model: FittedModel, X: TableLike) -> NDArray[np.uint8]:
    """Return the bits of rows, eight to a byte; see `Autoencoder.hash`."""
    if model.network.code_activation.harden is None:
        raise CompositionError(
            f"the code of latent={model.composition.latent!r} is not binary; choose "
            "latent='binary_code', or Dense(code_activation='binary')"
        )
    return np.packbits(np.asarray(model.encode(model.read(X))) > 0.5, axis=1)


def _prior(model: FittedModel) -> Prior:
    prior = model.objective.prior
    if prior is None:
        raise CompositionError(
            "this model has no prior to draw codes from; use recipes.variational or "
            "recipes.adversarial, or add penalty=MMD()"
        )
    return prior


def _log_volume(model: FittedModel, rows: Rows) -> Any:
    """Return by how much scaling has blown up the measured cells of each row, as a log."""
    if model.scaling.scale is None:
        return 0.0
    logs = np.log(model.scaling.scale)
    for group in model.composition.column_groups(model.layout):
        if group.loss.is_probability:  # which no scaling changes
            logs[list(group.columns)] = 0
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
        covariates = network.covariates(x, observed)
        x = network.decode(code + move, observed, covariates).detach()
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
