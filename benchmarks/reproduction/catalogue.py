"""Catalogue: the experiments in the order of the page; a new one is a file, and a line here."""

from __future__ import annotations

from reproduction.contractive import CONTRACTIVE
from reproduction.deep import DEEP
from reproduction.first_digits import R2
from reproduction.generators import GENERATORS
from reproduction.k_sparse import K_SPARSE
from reproduction.marginalised import MARGINALISED
from reproduction.moving_digits import MOVING_DIGITS
from reproduction.optimisers import R1
from reproduction.record import Experiment
from reproduction.stacked import STACKED
from reproduction.variants import R3
from reproduction.wdbc import R4

EXPERIMENTS: dict[str, Experiment] = {
    experiment.key: experiment
    for experiment in (
        R1,
        R2,
        R3,
        R4,
        CONTRACTIVE,
        DEEP,
        K_SPARSE,
        STACKED,
        GENERATORS,
        MOVING_DIGITS,
        MARGINALISED,
    )
}
