"""EncoderDecay: the weight decay of the tutorial's own code, which leaves the decoder alone."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core.forward_pass import ForwardPass
from narrows.penalties.penalty import Penalty


class EncoderDecay(Penalty):
    """Sum of w^2 over the encoder's weights.

    Parameters
    ----------
    weight : float, default=1e-4
        Multiplies the sum. The loss beside it is summed over features and averaged over samples.
    """

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the sum of squared weights, a scalar."""
        blocks = (*forward.network.body, *forward.network.heads)
        squares = [weight.square().sum() for block in blocks for weight in block.weights()]
        return torch.stack(squares).sum()
