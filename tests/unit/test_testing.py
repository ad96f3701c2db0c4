"""The checks of parts: each is passed by a part with its formula alone, and names what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from narrows import (
    Architecture,
    Block,
    Categorical,
    CodeSlopes,
    ColumnType,
    Corruption,
    Latent,
    Layers,
    Loss,
    Penalty,
    ProductOfExperts,
)
from narrows.core.activations import ACTIVATIONS, Activation
from narrows.data.column import Column, LikeColumns
from narrows.latents import PointPosterior
from narrows.testing import (
    check_architecture,
    check_column_type,
    check_corruption,
    check_fusion,
    check_latent,
    check_loss,
    check_penalty,
)


def parts() -> dict[str, Any]:  # noqa: C901 - classes, and no branches
    """Define parts, of which the first six are right; the register forgets them after each test."""

    class Length(Penalty):
        def __call__(self, forward: Any) -> Tensor:
            return forward.mean(forward.code.square().sum(1))

    class Sloping(Length):
        code_only = has_slopes = True

        def value_and_slopes(self, forward: Any, weight: float) -> tuple[Tensor, CodeSlopes]:
            slope = 2 * weight * forward.code * forward.shares
            return self(forward), CodeSlopes(code=slope)

    class Halved(Length):
        code_only = has_slopes = True

        def value_and_slopes(self, forward: Any, weight: float) -> tuple[Tensor, CodeSlopes]:
            return self(forward), CodeSlopes(code=weight * forward.code * forward.shares)

    class Quartic(Loss):
        def cells(self, forward: Any) -> Tensor:
            return (forward.reconstruction - forward.x) ** 4

    class Fading(Corruption):
        perturbs_values = True

        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return x * torch.rand(len(x), 1, generator=generator, device=x.device, dtype=x.dtype)

    class Sine(Latent):
        def posterior(self, heads: list[Tensor]) -> PointPosterior:
            return PointPosterior(torch.sin(heads[0]))

    class Wave(Block):
        def __init__(self, n_in: int, n_out: int) -> None:
            super().__init__()
            self.n_in, self.n_out, self.activation = n_in, n_out, ACTIVATIONS["linear"]
            self.weight = nn.Parameter(torch.empty(n_out, n_in))

        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x @ self.weight.T)

    class Waves(Architecture):
        block: type[Wave] = Wave

        def build(self, n_features: int, n_components: int) -> Layers:
            return Layers(
                [self.block(n_features, n_components)], [self.block(n_components, n_features)]
            )

    class Rough(ColumnType):
        def statistics(self, column: Column, values: Any, weight: Any) -> Column:
            center = float(weight @ values)
            spread = float(weight @ abs(values - center))
            return replace(column, center=center, scale=spread)

        def cells(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
            return (raw - x).abs()

        def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
            return raw

    class Changing(Length):
        def __call__(self, forward: Any) -> Tensor:
            value = super().__call__(forward)
            forward.x.mul_(0.5)
            return value

    class Detached(Length):
        def __call__(self, forward: Any) -> Tensor:
            code = forward.code.detach() + 0 * forward.code
            return forward.mean(code.square().sum(1))

    class Narrow(Length):
        def __call__(self, forward: Any) -> Tensor:
            return super().__call__(forward).float()

    class Claiming(Length):
        weights_only = True

        def __call__(self, forward: Any) -> Tensor:
            return sum((w.square().sum() for w in forward.network.weights()), torch.zeros(()))

        def add_gradient(self, network: Any, weight: float) -> Tensor:
            for parameter in network.weights():
                parameter.grad += weight * parameter  # the half of it
            return sum((w.square().sum() for w in network.weights()), torch.zeros(()))

    class Parted(Length):
        in_parts = True

        def __call__(self, forward: Any) -> Tensor:
            return super().__call__(forward) + forward.mean_rows(forward.code).square().sum()

    class Looking(Length):
        code_only = True

        def __call__(self, forward: Any) -> Tensor:
            return super().__call__(forward) + forward.mean(forward.raw.square().sum(1))

    class Weighing(Length):
        weight_free = True

        def __call__(self, forward: Any) -> Tensor:
            weights = sum((w.square().sum() for w in forward.network.weights()), torch.zeros(()))
            return super().__call__(forward) + weights

    class Together(Length):
        in_parts = True

        def __call__(self, forward: Any) -> Tensor:
            return forward.code.var(0).sum()

    class Stateful(Length):
        def __init__(self, weight: float = 1.0) -> None:
            self.weight = 2 * weight

    class Closed(Quartic):
        has_closed_form = True

        def error_gradient(
            self, error: Tensor, weights: Any, scale: float
        ) -> tuple[Tensor, Tensor]:
            return (error**4).sum() * scale, 3 * error**3 * scale

    class Bounded(Quartic):
        low, high = 0.0, 1.0

        def cells(self, forward: Any) -> Tensor:
            return -forward.x.log() * (forward.reconstruction - forward.x) ** 2

    class InPlace(Fading):
        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return x.mul_(0.5)

    class Global(Fading):
        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return x + 0.1 * torch.rand_like(x)

    class Moving(Fading):
        perturbs_values = False

    class Hiding(Fading):
        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return torch.full_like(x, torch.nan)

    class Fetching(Fading):
        graph_capturable = True

        def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
            return super().corrupt(x, columns, generator) * float(x.abs().max() > 0)

    class Plainly(Sine):
        is_identity = True

    class Passing(Sine):
        mean_is_head = True

    class Steeply(Sine):
        has_slopes = True  # which the posterior of a point has not for a sine

    class OneSided(ProductOfExperts):
        has_slopes = True

        def fuse(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Any:
            return super().fuse(latent, [2 * head for head in heads], present)

    class Unsaid(ProductOfExperts):
        def fuse_distributions(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Any:
            return super().fuse_distributions(latent, [head.tanh() for head in heads], present)

    class Deaf(Sine):
        def posterior(self, heads: list[Tensor]) -> PointPosterior:
            return PointPosterior(torch.sign(heads[0].detach()) + 0 * heads[0].detach())

    class Drawing(Wave):
        def initialize(self, generator: torch.Generator) -> None:
            nn.init.normal_(self.weight)

    class Drawings(Waves):
        block = Drawing

    class Sharing(Wave):
        def copy_with(self, activation: Activation) -> Block:
            return self

    class Sharings(Waves):
        block = Sharing

    class Crooked(Waves):
        def build(self, n_features: int, n_components: int) -> Layers:
            encoder = [Wave(n_features, 3), Wave(4, n_components)]
            return Layers(encoder, [Wave(n_components, n_features)])

    class Steep(Rough):
        has_slopes = True

        def cells_and_slopes(
            self, columns: LikeColumns, x: Tensor, raw: Tensor
        ) -> tuple[Tensor, Tensor]:
            return self.cells(columns, x, raw), torch.ones_like(raw)

    class Ragged(Categorical):
        takes_ragged = True

        def cells_and_slopes(
            self, columns: LikeColumns, x: Tensor, raw: Tensor
        ) -> tuple[Tensor, Tensor]:
            cells, slopes = super().cells_and_slopes(columns, x, raw)
            return cells, slopes.roll(1, 1) if len(columns) > 1 else slopes

    class Silent(Rough):
        def cells(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
            return 2 * super().cells(columns, x, raw)

    class Lossy(Rough):
        def restore(self, column: Column, values: Any) -> Any:
            return values + 1

    return locals()


@pytest.mark.parametrize(
    ("check", "part"),
    [
        (check_penalty, "Length"),
        (check_penalty, "Parted"),
        (check_penalty, "Sloping"),
        (check_loss, "Quartic"),
        (check_corruption, "Fading"),
        (check_latent, "Sine"),
        (check_architecture, "Waves"),
        (check_column_type, "Rough"),
    ],
)
def test_the_formula_alone_is_enough(check: Callable[..., None], part: str) -> None:
    check(parts()[part]())


@pytest.mark.parametrize(
    ("check", "part", "message"),
    [
        (check_penalty, "Changing", "changes the rows it looks at"),
        (check_penalty, "Detached", "autograd says 0, finite differences"),
        (check_penalty, "Narrow", "gives torch.float32 for float64 rows"),
        (check_penalty, "Together", "says in_parts = True, but over two parts of a batch"),
        (check_penalty, "Looking", "says code_only = True, but is"),
        (check_penalty, "Weighing", "says weight_free = True, but is"),
        (check_penalty, "Claiming", "closed form of the gradient is not what the plain formula"),
        (check_penalty, "Halved", "closed form of the slopes is not what the plain formula"),
        (check_loss, "Closed", "closed form of the derivative is not what the plain formula"),
        (check_loss, "Bounded", "is not finite for rows of 0"),
        (check_corruption, "InPlace", "changes the rows it is given"),
        (check_corruption, "Global", "draws from the global generator"),
        (check_corruption, "Moving", "moves numbers of levels"),
        (check_corruption, "Hiding", "set masks_cells = True"),
        (check_corruption, "Fetching", "says graph_capturable, but aten._local_scalar_dense"),
        (check_latent, "Plainly", "says is_identity, but its draw"),
        (check_latent, "Passing", "says mean_is_head, but its mean"),
        (check_latent, "Steeply", "head_slopes of code is not what the plain formula"),
        (check_latent, "Deaf", "lets no derivative through"),
        (check_fusion, "OneSided", "head_slopes of code is not what the plain formula"),
        (check_architecture, "Drawings", "weights differ for generators of one seed"),
        (check_architecture, "Sharings", "a twin shares weights"),
        (check_architecture, "Crooked", "do not lead from 6 to 2"),
        (
            check_column_type,
            "Steep",
            "what cells_and_slopes gives for slopes is not what",
        ),
        (check_column_type, "Ragged", "of columns that differ in levels, what there is of slopes"),
        (check_column_type, "Silent", "which loses 1, not 2"),
        (check_column_type, "Lossy", "values that are encoded and restored are others"),
    ],
)
def test_what_is_wrong_is_named(check: Callable[..., None], part: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check(parts()[part]())
    assert part in str(caught.value)


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")
def test_a_fusion_of_ones_own_says_no_slopes_of_its_parent() -> None:
    own = parts()["Unsaid"]()
    assert not own.has_slopes
    check_fusion(own, latent="gaussian", penalty="kl")


def test_settings_that_do_not_stay_are_named() -> None:
    with pytest.raises((AssertionError, RuntimeError), match=r"Stateful|Cannot clone"):
        check_penalty(parts()["Stateful"]())
    with pytest.raises(AssertionError, match="is no Loss"):
        check_loss(parts()["Length"]())

    class _Hidden(parts()["Length"]):  # type: ignore[misc]
        pass

    with pytest.raises(AssertionError, match="_Hidden is not known by its name"):
        check_penalty(_Hidden())
