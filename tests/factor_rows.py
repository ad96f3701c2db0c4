"""Rows whose covariance is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def factor_rows(
    n_rows: int, n_columns: int, seed: int = 0, n_hidden: int = 3
) -> tuple[Tensor, Tensor]:
    """Return rows of a factor model and its covariance."""
    mix = np.random.default_rng(0).normal(size=(n_hidden, n_columns))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_hidden)) @ mix + 0.5 * rng.normal(size=(n_rows, n_columns))
    return torch.from_numpy(rows + 2), torch.from_numpy(mix.T @ mix + 0.25 * np.eye(n_columns))
