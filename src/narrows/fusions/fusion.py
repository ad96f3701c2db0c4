"""The base class of fusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from narrows.architectures.block import Architecture, Layers
from narrows.core.forward_pass import CodeSlopes, Posterior
from narrows.core.spec import Spec, unwritten
from narrows.fusions.parallel import Part
from narrows.latents import Latent

__all__ = ["Fusion"]

MOST_VIEWS = 8  # that all sets of them are looked at


class Fusion(Spec, axis="fusion"):
    """Base of the fusions: lays out the layers of several views.

    A fusion defines `build_layers`. ``has_experts`` says whether each view has a posterior of its
    own, which `fuse` makes one of; ``has_one_code`` whether every view is decoded from all of the
    code, so that covariates may be beside it. `narrows.testing.check_fusion` checks one.

    Examples
    --------
    >>> from narrows import Autoencoder, Fusion
    >>> from sklearn.datasets import load_iris
    >>> class AllTogether(Fusion):
    ...     def build_layers(self, parts, base, n_features, n_components):
    ...         return base.build(n_features, n_components)
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(2, views=views, fusion=AllTogether(), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    has_experts = False
    has_one_code = False
    has_slopes = False  # whether `head_slopes` undoes `fuse`
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {"fuse": ("has_slopes",)}

    def check(self, latent: Latent) -> None:
        """Refuse a latent that cannot be fused so.

        Raises
        ------
        CompositionError
            If it cannot.
        """

    def build_layers(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return the layers.

        Parameters
        ----------
        parts : sequence of Part
            The views.
        base : Architecture
            Of what lies between the views and the code.
        n_features, n_components : int
            Width of the table and of the code.
        """
        raise unwritten(self, "build_layers")

    def fuse(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Posterior:
        """Return one posterior of those of the views.

        Parameters
        ----------
        latent : Latent
            Whose posteriors they are.
        heads : list of Tensor of shape (n_samples, n_views, n_components)
            What the views' encoders say.
        present : bool Tensor of shape (n_samples, n_views)
            False where a sample has nothing of a view.
        """
        raise unwritten(self, "fuse")

    def head_slopes(
        self,
        latent: Latent,
        posterior: Posterior,
        code: Tensor,
        slopes: CodeSlopes,
        present: Tensor,
    ) -> list[Tensor]:
        """Return what slopes by what a fused posterior gave are by the heads of the views.

        Only of a fusion that ``has_slopes``, and for a latent that has them.

        Parameters
        ----------
        latent : Latent
            Whose posteriors the views have.
        posterior : Posterior
            What `fuse` returned.
        code : Tensor of shape (n_samples, n_components)
            Drawn from it.
        slopes : CodeSlopes
            The derivative by what it gave.
        present : bool Tensor of shape (n_samples, n_views)
            As `fuse` was given it.
        """
        raise unwritten(self, "head_slopes")
