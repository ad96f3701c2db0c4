"""An encoder, a latent and a decoder, wired to encode, decode and forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.architectures.block import AffineBlock, Block, Layers, LocalJacobian, sequence_forward
from narrows.core import activations
from narrows.core.forward_pass import CodeSlopes, ForwardPass, Posterior
from narrows.core.indexing import take
from narrows.errors import CompositionError
from narrows.fusions.experts import Experts
from narrows.latents import Latent, Point
from narrows.network.input_layer import InputLayer


def kept_buffers(network: Any) -> dict[str, Tensor]:
    """Return the statistics that layers gather beside their weights, by name.

    The running means of batch normalisation, for example. What are no floats counts something, or
    is made with the layer.
    """
    kept = network.state_dict()
    return {
        name: buffer
        for name, buffer in network.named_buffers()
        if name in kept and buffer.is_floating_point()
    }


class Network(nn.Module):
    """An encoder, a latent and a decoder.

    Parameters
    ----------
    layers : Layers
        The blocks, as an architecture lays them out.
    latent : Latent
        Turns the encoder's last layer into a posterior.
    link : Activation
        Activation from the raw output to the reconstruction.
    n_features, n_components : int
        Width of the table and of the code.
    experts : Experts, optional
        Where each view has a posterior of its own: how one is made of them.
    input_layer : InputLayer, optional
        Where columns are not plain numbers: how the blocks see them.
    covariates : sequence of int
        Which of the inputs the decoder is given. The blocks are laid out for a code that is longer
        by these: the last outputs of the encoder are not used, and in their places the decoder
        finds the covariates.

    Notes
    -----
    Weights are empty until `initialize` or until a saved model fills them.
    """

    _covariates: Tensor

    def __init__(
        self,
        layers: Layers,
        latent: Latent,
        link: activations.Activation,
        n_features: int,
        n_components: int,
        experts: Experts | None = None,
        input_layer: InputLayer | None = None,
        covariates: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.experts = experts
        self.n_covariates = len(covariates)
        self.register_buffer("_covariates", torch.tensor(covariates).long(), persistent=False)
        self.input_layer = input_layer
        *body, head = layers.encoder
        self.body = nn.ModuleList(body)
        # A distribution needs one more head for each parameter beyond the mean.
        spread = activations.ACTIVATIONS["linear"]
        twins = [head.copy_with(spread) for _ in range(latent.n_heads - 1)]
        self.heads = nn.ModuleList([head, *twins])
        self.decoder = nn.ModuleList(layers.decoder)
        self.critics = nn.ModuleDict()
        self.latent = latent
        self.link = link
        self.n_features = n_features
        self.n_components = n_components
        self._head = (head,)  # a tuple, so that it is not registered twice
        self._blocks: tuple[Block, ...] = (*layers.encoder, *twins, *layers.decoder)
        self.eval()  # but while it is trained

    @property
    def code_activation(self) -> activations.Activation:
        """The activation of the code's mean, whose range some penalties need."""
        return self.latent.code_activation(self.head_activation)

    @property
    def head_activation(self) -> activations.Activation:
        """The activation of the encoder's last block."""
        return self._head[0].activation

    @property
    def pairs(self) -> list[tuple[Block, Block]]:
        """Each block of the encoder with its mirror in the decoder, from the features inwards."""
        encoder = [*self.body, *self._head]
        return list(zip(encoder, reversed(self.decoder), strict=True))  # type: ignore[arg-type]

    @property
    def is_feedforward(self) -> bool:
        """Whether a training pass is the blocks in turn and then the link, with nothing between.

        What computes a pass in another way than `forward` rests on this. Whatever a network is
        given that takes part in its passes must be asked of here.
        """
        return self.hands_codes_on and self.input_layer is None

    @property
    def hands_codes_on(self) -> bool:
        """Whether the decoder is given what the encoder gives, and nothing else."""
        return self.latent.is_identity and self.experts is None and not self.n_covariates

    def single_layer(self, number: int) -> Network:
        """Return one pair of `pairs` as a shallow network, which shares its weights with this one.

        The outermost has the link, the innermost the latent if that has one head.
        """
        block, mirror = self.pairs[number]
        innermost = number == len(self.decoder) - 1
        if self.n_covariates:
            raise CompositionError(
                "schedule='layerwise' trains layers alone, and covariates are given to the decoder "
                "as a whole; set schedule='joint'"
            )
        experts = self.experts if innermost else None
        if number:
            block, mirror = block.single_layer(mirror=False), mirror.single_layer(mirror=True)
            if experts is not None:
                before, _ = self.pairs[number - 1]
                experts = experts._replace(views=tuple(map(tuple, before.views)))
        latent = self.latent if innermost and self.latent.n_heads == 1 else Point()
        link = self.link if number == 0 else activations.ACTIVATIONS["linear"]
        layers = Layers([block], [mirror])
        input_layer = self.input_layer if number == 0 else None
        width = self.n_components if innermost else block.n_out
        return Network(layers, latent, link, block.n_in, width, experts, input_layer)

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return what the objective trains: all parameters but those of the critics."""
        critics = {id(parameter) for parameter in self.critics.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in critics]

    def initialize(self, generator: torch.Generator) -> None:
        """Draw all weights from ``generator``; the global one is not touched."""
        for block in self._blocks:
            block.initialize(generator)
        if self.input_layer is not None:
            self.input_layer.initialize(generator)
        for critic in self.critics.values():
            critic.initialize(generator)  # type: ignore[operator]

    def weights(self) -> list[nn.Parameter]:
        """Return weights without biases, a tied one once."""
        weights = [weight for block in self._blocks for weight in block.weights()]
        return weights if self.input_layer is None else [*weights, *self.input_layer.weights()]

    def stages(self, *, unrolled: bool = False) -> tuple[list[AffineBlock | None], ...]:
        """Return body, heads and decoder as affine maps; None for blocks that are more.

        Where they may be ``unrolled``, their matrices may be made of fewer numbers.
        """
        return tuple(
            [block.unrolled() if unrolled else block.stage() for block in blocks]  # type: ignore[operator]
            for blocks in (self.body, self.heads, self.decoder)
        )

    def outline(self) -> tuple[object, ...]:
        """Return what must agree for one network's weights to serve another."""
        shapes = [(name, tuple(p.shape)) for name, p in self.named_parameters()]
        names = [block.activation.name for block in self._blocks]
        fusion = None if self.experts is None else self.experts.fusion.name
        return (*shapes, *names, self.link.name, type(self.latent).__name__, fusion)

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> Posterior:
        """Return what the encoder says about the code of x, shape (n_samples, n_features)."""
        return self.posterior_of(*self.to_inputs(x, observed), observed)

    def to_inputs(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return rows as the blocks see them, and which of it was measured.

        They are of shape (n_samples, n_features), or wider where columns are not plain numbers.
        """
        if self.input_layer is None:
            return x, observed
        return self.input_layer(x, observed), None if observed is None else self.input_layer.spread(
            observed
        )

    def posterior_of(
        self, seen: Tensor, measured: Tensor | None, observed: Tensor | None
    ) -> Posterior:
        """Return the posterior of rows already prepared by `to_inputs`."""
        hidden = sequence_forward(self.body, seen, measured)  # type: ignore[arg-type]
        heads = [sequence_forward([head], hidden, measured) for head in self.heads]  # type: ignore[list-item]
        # Under autocast they are bfloat16, too coarse for what terms compute of the code.
        return self.posterior_from([head.to(seen.dtype) for head in heads], observed)

    def posterior_from(self, heads: list[Tensor], observed: Tensor | None) -> Posterior:
        """Return the posterior for what the heads gave."""
        if self.n_covariates:
            heads = [head[:, : self.n_components] for head in heads]
        if self.experts is not None:
            return self.experts.posterior(self.latent, heads, observed)
        return self.latent.posterior(heads)

    @property
    def has_head_slopes(self) -> bool:
        """Whether `head_slopes` undoes `posterior_from`."""
        of_views = self.experts is None or self.experts.fusion.has_slopes
        return self.latent.has_slopes and of_views

    def head_slopes(
        self, posterior: Posterior, code: Tensor, slopes: CodeSlopes, observed: Tensor | None
    ) -> Tensor:
        """Return what slopes by what a posterior gave are by the heads, side by side.

        ``code`` was drawn from it; ``observed`` is what `posterior_from` was given.
        """
        if self.experts is not None:
            own = self.experts.head_slopes(self.latent, posterior, code, slopes, observed)
        else:
            closed = getattr(posterior, "head_slopes", None)
            if closed is None:
                raise CompositionError(
                    f"latent={self.latent!r} says has_slopes = True, but its posterior has no "
                    "head_slopes(code, slopes); define it, or set has_slopes = False"
                )
            own = closed(code, slopes)
        if self.n_covariates:
            own = [F.pad(slope, (0, self.n_covariates)) for slope in own]
        return own[0] if len(own) == 1 else torch.cat(own, 1)

    @property
    def has_local_jacobian(self) -> bool:
        """Whether the code's mean is what the encoder's blocks make of the inputs in turn."""
        return self.latent.mean_is_head and self.experts is None and not self.n_covariates

    def local_jacobian(
        self, x: Tensor, observed: Tensor | None = None
    ) -> list[LocalJacobian] | None:
        """Return the encoder's blocks near x, if each is a diagonal times a matrix there."""
        if not self.has_local_jacobian:
            return None
        jacobians: list[LocalJacobian] = []
        x = self.to_inputs(x, observed)[0]
        for block in (*self.body, *self._head):
            near = block.local_jacobian(x)
            if near is None:
                return None
            jacobians.append(near)
            x = near.value
        return jacobians

    def encode(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the code of x as `transform` gives it, shape (n_samples, n_components)."""
        return self.settled(self.posterior(x, observed).mean)

    def covariates(self, x: Tensor, observed: Tensor | None = None) -> Tensor | None:
        """Return what the decoder is given of rows, shape (n_samples, n_covariates), if anything.

        0, which is the mean, where it was not measured.
        """
        if not self.n_covariates:
            return None
        inputs, measured = self.to_inputs(x, observed)
        own = self.covariates_of(inputs)
        return own if measured is None else own * self.covariates_of(measured)

    def covariates_of(self, inputs: Tensor) -> Tensor:
        """Return the columns of inputs, as the blocks see them, that are covariates."""
        return take(inputs, self._covariates)

    def without_covariates(self, inputs: Tensor) -> Tensor:
        """Return inputs with 0 where the decoder is given them beside the code."""
        if not self.n_covariates:
            return inputs
        return inputs.index_fill(1, self._covariates, 0.0)

    def decoded_from(self, code: Tensor, covariates: Tensor | None) -> Tensor:
        """Return what the decoder sees for codes: beside them the covariates; their means if None.

        Shape (n_samples, n_components + n_covariates).
        """
        if not self.n_covariates:
            return code
        if covariates is None:
            covariates = code.new_zeros(code.shape[0], self.n_covariates)
        return torch.cat([code, covariates.to(code.dtype)], 1)

    def decode_raw(
        self, code: Tensor, observed: Tensor | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Return the output before the link, shape (n_samples, n_outputs)."""
        code = self.decoded_from(code, covariates)
        if self.input_layer is None:
            return sequence_forward(self.decoder, code, observed)  # type: ignore[arg-type]
        measured = None if observed is None else self.input_layer.spread(observed)
        return self.input_layer.outputs(sequence_forward(self.decoder, code, measured))  # type: ignore[arg-type]

    def decode(
        self, code: Tensor, observed: Tensor | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Return the reconstruction in scaled units, shape (n_samples, n_features)."""
        return self.link(self.decode_raw(code, observed, covariates))

    def reconstruct(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return rows encoded and decoded, in scaled units, shape (n_samples, n_features)."""
        code = self.encode(x, observed)
        return self.decode(code, observed, self.covariates(x, observed))

    def forward(
        self,
        x: Tensor,
        x_corrupted: Tensor | None = None,
        *,
        observed: Tensor | None = None,
        visible: Tensor | None = None,
        sample_weight: Tensor | None = None,
        target: Tensor | None = None,
        generator: torch.Generator | None = None,
        training: bool = True,
        progress: float = 1.0,
    ) -> ForwardPass:
        """Pass a batch through encoder and decoder.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            The clean, scaled input.
        x_corrupted : Tensor of shape (n_samples, n_features), optional
            What the encoder sees; x if None.
        observed : bool Tensor of shape (n_samples, n_features), optional
            True where a cell was measured.
        visible : bool Tensor of shape (n_samples, n_features), optional
            True where the encoder may look; ``observed`` if None.
        sample_weight : Tensor of shape (n_samples,), optional
            Weights with mean 1 over the training rows.
        target : int64 Tensor of shape (n_samples,), optional
            Class of each sample, -1 where it is not known.
        generator : torch.Generator, optional
            Where a distribution draws its code from.
        training : bool
            Whether the code is drawn (and soft); otherwise it is what `encode` returns.
        progress : float
            Share of the training that is done.

        Returns
        -------
        ForwardPass
        """
        seen = x if x_corrupted is None else x_corrupted
        posterior = self.posterior(seen, observed if visible is None else visible)
        code = posterior.rsample(generator) if training else self.settled(posterior.mean)
        covariates = self.covariates(x, observed)
        return ForwardPass(
            network=self,
            x=x,
            x_corrupted=seen,
            posterior=posterior,
            code=code,
            raw=self.decode_raw(code, observed, covariates),
            observed=observed,
            sample_weight=sample_weight,
            target=target,
            generator=generator,
            progress=progress,
            covariates=covariates,
        )

    def settled(self, mean: Tensor) -> Tensor:
        """Return the code for a posterior's mean: the mean, or hard where the code is binary."""
        harden = self.code_activation.harden
        return mean if harden is None else harden(mean)
