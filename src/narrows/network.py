"""Network: the blocks, their mirrors and the latent, wired to encode, decode and forward."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows import activations
from narrows.architectures.block import Architecture, Block, sequence_forward
from narrows.forward import ForwardPass, Posterior
from narrows.latents import Latent


class Network(nn.Module):
    """An encoder, a latent and a decoder.

    Parameters
    ----------
    architecture : Architecture
        Lays out the blocks.
    latent : Latent
        Turns the encoder's last layer into a posterior.
    link : str
        Activation from the raw output to the reconstruction.
    n_features, n_components : int
        Width of the table and of the code.

    Notes
    -----
    Weights are empty until `initialise` or until a saved model fills them.
    """

    def __init__(
        self,
        architecture: Architecture,
        latent: Latent,
        link: str,
        n_features: int,
        n_components: int,
    ) -> None:
        super().__init__()
        layers = architecture.build(n_features, n_components)
        *body, head = layers.encoder
        self.body = nn.ModuleList(body)
        # A distribution needs one more head for each parameter beyond the mean.
        spread = activations.ACTIVATIONS["linear"]
        twins = [head.twin(spread) for _ in range(latent.n_heads - 1)]
        self.heads = nn.ModuleList([head, *twins])
        self.decoder = nn.ModuleList(layers.decoder)
        self.latent = latent
        self.link = activations.find("output_activation", link)
        self.n_features = n_features
        self.n_components = n_components
        self._head = (head,)  # a tuple, so that it is not registered twice
        self._blocks: tuple[Block, ...] = (*layers.encoder, *twins, *layers.decoder)

    @property
    def code_activation(self) -> activations.Activation:
        """The activation of the code's mean, whose range some penalties need."""
        return self._head[0].activation

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from ``generator``; the global one is not touched."""
        for block in self._blocks:
            block.initialise(generator)

    def weights(self) -> list[nn.Parameter]:
        """Return weights without biases, a tied one once."""
        return [weight for block in self._blocks for weight in block.weights()]

    def outline(self) -> tuple[object, ...]:
        """Return what must agree for one network's weights to serve another."""
        shapes = [(name, tuple(p.shape)) for name, p in self.named_parameters()]
        names = [block.activation.name for block in self._blocks]
        return (*shapes, *names, self.link.name, type(self.latent).__name__)

    def posterior(self, x: Tensor) -> Posterior:
        """Return what the encoder says about the code of x, shape (n_samples, n_features)."""
        hidden = sequence_forward(self.body, x)  # type: ignore[arg-type]
        return self.latent.posterior([head(hidden) for head in self.heads])

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of x as `transform` gives it, shape (n_samples, n_components)."""
        return self._settled(self.posterior(x).mean)

    def decode_raw(self, code: Tensor) -> Tensor:
        """Return the output before the link, shape (n_samples, n_features)."""
        return sequence_forward(self.decoder, code)  # type: ignore[arg-type]

    def decode(self, code: Tensor) -> Tensor:
        """Return the reconstruction in scaled units, shape (n_samples, n_features)."""
        return self.link(self.decode_raw(code))

    def forward(
        self,
        x: Tensor,
        x_corrupted: Tensor | None = None,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        generator: torch.Generator | None = None,
        training: bool = True,
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
        sample_weight : Tensor of shape (n_samples,), optional
            Weights with mean 1 over the training rows.
        generator : torch.Generator, optional
            Where a distribution draws its code from.
        training : bool
            Whether the code is drawn (and soft); otherwise it is what `encode` returns.

        Returns
        -------
        ForwardPass
        """
        seen = x if x_corrupted is None else x_corrupted
        posterior = self.posterior(seen)
        code = posterior.rsample(generator) if training else self._settled(posterior.mean)
        return ForwardPass(
            network=self,
            x=x,
            x_corrupted=seen,
            posterior=posterior,
            code=code,
            raw=self.decode_raw(code),
            observed=observed,
            sample_weight=sample_weight,
            generator=generator,
        )

    def _settled(self, mean: Tensor) -> Tensor:
        harden = self.code_activation.harden
        return mean if harden is None else harden(mean)
