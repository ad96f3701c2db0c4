"""Train on wide tables in the span of their rows.

With fewer rows than columns, all that gradients of a squared error can see are combinations of the
rows: the first layer's weights and the last layer's move in their span and nowhere else. So the
rows are described by coordinates in an orthonormal basis of it, which keeps all distances; a
network is trained on these, and the basis is multiplied into its first and last layer. What is kept
is an ordinary network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.architectures.block import AffineMap
from narrows.data.table import DenseTable, Table
from narrows.losses.pointwise import SquaredError
from narrows.network.network import Network
from narrows.network.objective import Objective
from narrows.training.phase import Trainable, TrainedObjective
from narrows.training.plan import TrainingPlan
from narrows.training.trainer import Outcome, Trial

WIDER = 2  # times as many columns as rows, from which it pays


@dataclass(frozen=True)
class Span:
    """Rows as coordinates, a network for them, and the network that it becomes.

    Parameters
    ----------
    network : Network
        Of as many columns as there are rows.
    table : DenseTable
        The coordinates.
    basis : Tensor of shape (n_columns, n_rows)
        Orthonormal.
    mean : Tensor of shape (n_columns,)
        Where the coordinates are 0.
    """

    network: Network
    table: DenseTable
    basis: Tensor
    mean: Tensor

    @classmethod
    def of(
        cls,
        network: Trainable,
        table: Table,
        objective: TrainedObjective,
        plan: TrainingPlan,
        make: Callable[[int], Network] | None,
    ) -> Span | None:
        """Return the span of a table's rows; None where training in it would be another one.

        Parameters
        ----------
        network : Trainable
            What is to be trained.
        table : Table
            Its rows.
        objective : TrainedObjective
            What is minimised.
        plan : TrainingPlan
            How.
        make : callable or None
            Returns a network, its weights drawn, for as many columns.
        """
        if make is None or reason(network, table, objective, plan) is not None:
            return None
        assert isinstance(table, DenseTable)
        mean = table.x[: table.n_rows].mean(0)
        # Rows for validation come last, so the first directions are those of the others alone.
        basis, coordinates = torch.linalg.qr((table.x - mean).T)
        rows = table.of_codes(coordinates.T.contiguous(), None, ())
        return cls(make(rows.n_features), rows, basis, mean)

    def unfold(self, small: Trainable, full: Network) -> Network:
        """Write a network of coordinates into one of the table's columns; return that."""
        assert isinstance(small, Network)
        first, last = _ends(small)
        first_full, last_full = _ends(full)
        own = dict(small.named_parameters())
        with torch.no_grad():
            for name, value in full.named_parameters():
                if value.shape == own[name].shape:
                    value.copy_(own[name])
            weight, bias = _weights(first_full)
            weight.copy_(_weights(first)[0] @ self.basis.T)
            bias.copy_(_weights(first)[1] - weight @ self.mean)
            weight, bias = _weights(last_full)
            weight.copy_(self.basis @ _weights(last)[0])
            bias.copy_(self.basis @ _weights(last)[1] + self.mean)
        return full

    def unfolded(self, outcome: Outcome, full: Network) -> Outcome:
        """Return the outcome of training on coordinates as one of training on the columns."""
        self.unfold(self.network, full)
        share = self.table.n_features / full.n_features
        for row in outcome.history:
            row["loss_per_feature"] *= share
        outcome.trials = [
            Trial(self.unfold(trial.network, copy.deepcopy(full)), trial.held_out)
            for trial in outcome.trials
        ]
        return outcome


def reason(
    network: Trainable, table: Table, objective: TrainedObjective, plan: TrainingPlan
) -> str | None:
    """Return why a network is not trained in the span of its rows; None if it is."""
    return _of_table(table) or _of_objective(objective, plan) or _of_network(network)


def _of_table(table: Table) -> str | None:
    if table.n_features < WIDER * (table.n_rows + len(table.validation)):
        return "there are not twice as many columns as rows"
    if not isinstance(table, DenseTable) or table.has_holes or table.numbers is not None:
        return "the table has holes, types or no cell for zeros"
    if len(table.views) > 1 or table.target is not None:
        return "there are views or classes"
    return None


def _of_objective(objective: TrainedObjective, plan: TrainingPlan) -> str | None:
    if plan.corruption is not None or objective.terms:
        return "there is a corruption or a penalty"
    plain = isinstance(objective, Objective) and type(objective.loss) is SquaredError
    if not plain or getattr(objective, "weights", None) is not None:
        return "the loss is no plain squared error"
    if plan.schedule.name != "joint" or plan.optimizer.full_batch:
        return "the layers are not trained together in steps"
    return None


def _of_network(network: Trainable) -> str | None:
    if not isinstance(network, Network) or not network.is_feedforward or network.critics:
        return "the network is more than its layers"
    if network.link.name != "linear":
        return f"the output is {network.link.name}"
    stages = [stage for part in network.stages() for stage in part]
    if any(stage is None for stage in stages):
        return "a layer is more than a matrix and a function"
    for stage in (stages[0], stages[-1]):
        assert stage is not None
        (part, *others) = stage.parts
        shared = part.weight is None or part.bias is None or part.transposed
        if others or shared or stage.order is not None:
            return "the first or the last layer is no matrix of its own"
    return None


def _ends(network: Network) -> tuple[AffineMap, AffineMap]:
    """Return the first and the last matrix of a network."""
    stages = [stage for part in network.stages() for stage in part]
    first, last = stages[0], stages[-1]
    assert first is not None
    assert last is not None
    return first.parts[0], last.parts[0]


def _weights(part: AffineMap) -> tuple[Tensor, Tensor]:
    assert part.weight is not None
    assert part.bias is not None
    return part.weight.data, part.bias.data
