"""A critic tells codes from draws of a prior, and the encoder learns to mislead it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.core import checks
from narrows.core.activations import glorot_uniform
from narrows.core.adam import move
from narrows.core.forward_pass import ForwardPass, NetworkView
from narrows.core.group import Pool
from narrows.core.randomness import undrawn
from narrows.core.types import Part
from narrows.errors import CompositionError, ParameterError
from narrows.penalties.penalty import Penalty
from narrows.priors import Prior, within

__all__ = ["Adversarial"]

BETAS = (0.5, 0.999)  # of the critic's Adam, as is usual beside a moving opponent


class Adam:
    """`torch.optim.Adam`, fused, without torch's compiler, which that imports.

    Parameters
    ----------
    parameters : list of nn.Parameter
        What is moved.
    rate : float
        The learning rate.
    """

    def __init__(self, parameters: list[nn.Parameter], rate: float) -> None:
        self.parameters, self.rate = parameters, rate
        self.means, self.squares = (
            [torch.zeros_like(own, requires_grad=False) for own in parameters] for _ in range(2)
        )
        self.steps = [torch.zeros((), device=own.device) for own in parameters]

    def step(self) -> None:
        """Move the parameters along their gradients."""
        move(self.parameters, self.means, self.squares, self.steps, rate=self.rate, betas=BETAS)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Return the running means, and the number of steps of each parameter."""
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Go on from others."""
        for name, own in self.state_dict().items():
            torch._foreach_copy_(own, state[name])


class Critic(nn.Module):
    """Dense layers from a code, and its class where classes are known, to one logit.

    Parameters
    ----------
    widths : list of int
        From the code over the hidden layers; the logit comes after the last.
    learning_rate : float
        Of the critic's own Adam.
    """

    def __init__(self, widths: list[int], learning_rate: float) -> None:
        super().__init__()
        pairs = zip(widths, [*widths[1:], 1], strict=True)
        self.layers = nn.ModuleList(undrawn(nn.Linear, a, b) for a, b in pairs)
        self.learning_rate = learning_rate
        self._optimizer: Adam | None = None

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for layer in self.layers:
            glorot_uniform(layer.weight.data, generator)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, code: Tensor) -> Tensor:
        """Return the logit of each code coming from the prior, shape (n_samples,)."""
        *hidden, last = self.layers
        for layer in hidden:
            code = F.leaky_relu(layer(code), 0.2)
        logit: Tensor = last(code)[:, 0]
        return logit

    def make_optimizer(self) -> None:
        """Make the optimiser, unless there is one."""
        if self._optimizer is None:
            self._optimizer = Adam(list(self.parameters()), self.learning_rate)

    def learn(self, loss: Tensor, pool: Pool | None = None) -> None:
        """Take one step down a loss: the mean of all parts of a batch, where there are others."""
        self.make_optimizer()
        assert self._optimizer is not None
        self.zero_grad()  # what the encoder's term left there
        loss.backward()
        if pool is not None:
            gradients = [p.grad for p in self.parameters() if p.grad is not None]
            joined = pool.mean(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            parts = joined.split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        self._optimizer.step()


class Adversarial(Penalty):
    """E -log D(f(x)), the critic D trained on E log D(y) + E log(1 - D(f(x))), y from a prior.

    After each backward pass the critic takes a step of its own, then the encoder moves; the
    encoder's term stands beside the reconstruction loss, so both are one step, with a weight
    between them, instead of two in turn.

    Parameters
    ----------
    weight : float, default=10.0
        Multiplies the encoder's term. The loss beside it is summed over features.
    prior : Prior or str, default="normal"
        What the codes are drawn towards: anything that can be drawn from.
    hidden : sequence of int, default=(64, 64)
        Widths of the critic's layers.
    learning_rate : float, default=1e-3
        Of the critic's Adam.
    n_classes : int, default=0
        Classes in the y that `fit` is given, -1 where it is not known. With them the critic sees
        codes beside their class, and draws of the prior's component of that class: the code is then
        laid out by class (semi-supervised, section 2.3 of the paper). 0 ignores y.

    Notes
    -----
    The history notes ``critic``, the critic's loss (log 4 when it cannot tell), and
    ``critic_accuracy``.

    References
    ----------
    Makhzani et al., "Adversarial autoencoders", arXiv:1511.05644 (2015). The step size and
    momentum of the critic: Radford et al., ICLR 2016.

    Examples
    --------
    >>> from narrows import Adversarial, Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=Adversarial(), max_epochs=3, random_state=0)
    >>> sorted(set(model.fit(load_iris().data).history_[-1]) & {"adversarial", "critic"})
    ['adversarial', 'critic']
    >>> model.sample(4, random_state=0).shape
    (4, 4)
    """

    per_layer = False
    needs_batches = True
    in_parts = True
    code_only = True
    weight_free = True

    def __init__(
        self,
        weight: float = 10.0,
        prior: Part = "normal",
        hidden: tuple[int, ...] = (64, 64),
        learning_rate: float = 1e-3,
        n_classes: int = 0,
    ) -> None:
        self.weight = weight
        self.prior = prior
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.n_classes = n_classes

    @property
    def supervised(self) -> bool:  # type: ignore[override]
        """Whether the critic sees classes."""
        return self.n_classes > 0

    def check(self, network: NetworkView) -> None:
        """Refuse impossible settings, and a prior that does not go with the code or the classes."""
        super().check(network)
        checks.number("penalty__learning_rate", self.learning_rate, low=0, include_low=False)
        if isinstance(self.hidden, str) or not isinstance(self.hidden, Sequence):
            raise ParameterError(
                f"penalty__hidden={self.hidden!r} must be a sequence of widths; write "
                "hidden=(64, 64)"
            )
        for number, width in enumerate(self.hidden):
            checks.integer(f"penalty__hidden[{number}]", width, low=1)
        n_classes = checks.integer("penalty__n_classes", self.n_classes, low=0)
        prior = Prior.of(self.prior)
        prior.check(network.n_components)
        if n_classes and prior.n_classes != n_classes:
            raise CompositionError(
                f"penalty__n_classes={n_classes} cannot go with prior={prior!r}, which has "
                f"{prior.n_classes}; choose Mixture({n_classes}), or n_classes=0"
            )

    def critic(self, network: NetworkView) -> Critic:
        """Return a critic for the network's code."""
        seen = network.n_components + (self.n_classes + 1 if self.n_classes else 0)
        return Critic([seen, *self.hidden], self.learning_rate)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the mean of -log D(code), a scalar."""
        logit = self._critic(forward)(self._with_class(forward.code, forward.target))
        return forward.mean(F.softplus(-logit))

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Let the critic take a step, and return its loss and accuracy."""
        critic, code, target = self._critic(forward), forward.code.detach(), forward.target
        drawn = Prior.of(self.prior).sample(
            len(code),
            code.shape[1],
            forward.generator,
            dtype=code.dtype,
            device=code.device,
            target=target if self.n_classes else None,
        )
        of_codes = critic(self._with_class(code, target))
        of_prior = critic(self._with_class(drawn, target))
        loss = forward.mean(F.softplus(of_codes)) + F.softplus(-of_prior).mean()
        critic.learn(loss, forward.pool)
        right = torch.cat([of_codes < 0, of_prior > 0]).to(loss.dtype).mean()
        noted = torch.stack([loss, right]).detach()
        loss, right = noted if forward.pool is None else forward.pool.mean(noted)
        return {"critic": loss, "critic_accuracy": right}

    def _critic(self, forward: ForwardPass) -> Critic:
        critic = forward.network.critics[self.name]
        assert isinstance(critic, Critic)
        return critic

    def _with_class(self, code: Tensor, target: Tensor | None) -> Tensor:
        """Return codes beside their class as zeros and a one, the last place for an unknown."""
        if not self.n_classes or target is None:
            return code
        known = within(target, self.n_classes)
        place = torch.where(known < 0, self.n_classes, known)
        return torch.cat([code, F.one_hot(place, self.n_classes + 1).to(code.dtype)], 1)
