"""Learning rates: how the optimizer's step size goes over the course of training."""

from __future__ import annotations

import math
import numbers
from typing import Any, Protocol, Self

from narrows.core import checks
from narrows.core.spec import Spec, unwritten

__all__ = ["Constant", "Cosine", "OneCycle", "Plateau"]


class RateSchedule(Protocol):
    """A learning rate under way: asked for its factor at every step, told of every epoch."""

    def factor(self, progress: float) -> float:
        """Return the factor of the rate at ``progress`` in [0, 1] through the phase's steps."""

    def after_epoch(self, objective: float) -> None:
        """Take note of an epoch's monitored objective."""


class LearningRate(Spec, axis="learning_rate"):
    """Base of the learning rates; ``rate=None`` takes the optimiser's own default."""

    rate: float | None

    def start(self) -> RateSchedule:
        """Return the course of one phase; the spec itself where it has no memory."""
        return self

    def factor(self, progress: float) -> float:
        """Return the factor of the rate at ``progress`` in [0, 1] through the phase's steps."""
        raise unwritten(self, "factor")

    def after_epoch(self, objective: float) -> None:
        """Most courses do not depend on what training achieves."""

    def check(self) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """
        if self.rate is not None:
            checks.number("learning_rate", self.rate, low=0, include_low=False)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return a spec for a spec, a name, or a number (which stays constant).

        Raises
        ------
        ParameterError
            If ``value`` is none of these.
        """
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            spec = Constant(value if isinstance(value, (int, float)) else float(value))
            assert isinstance(spec, cls)
            return spec
        return super().of(value)


class Constant(LearningRate):
    """The same rate at every step.

    Parameters
    ----------
    rate : float, optional
        The rate; by default the optimiser's own.

    Examples
    --------
    >>> from narrows import Constant
    >>> Constant(0.01).factor(0.5)
    1.0
    """

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate

    def factor(self, progress: float) -> float:
        """Return 1."""
        return 1.0


class OneCycle(LearningRate):
    """Up from rate / 25 to the rate along half a cosine, then down to nearly 0 along another.

    Parameters
    ----------
    rate : float, optional
        The peak; by default the optimiser's own rate.
    warm_up : float, default=0.3
        Share of the steps before the peak.

    References
    ----------
    Smith & Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018.

    Examples
    --------
    >>> from narrows import OneCycle
    >>> [round(OneCycle().factor(progress), 3) for progress in (0, 0.3, 1)]
    [0.04, 1.0, 0.0]
    """

    def __init__(self, rate: float | None = None, warm_up: float = 0.3) -> None:
        self.rate = rate
        self.warm_up = warm_up

    def check(self) -> None:
        """Refuse a share outside [0, 1)."""
        super().check()
        checks.number("learning_rate__warm_up", self.warm_up, low=0, high=1, include_high=False)

    def factor(self, progress: float) -> float:
        """Return the factor at ``progress`` in [0, 1]."""
        if progress < self.warm_up:
            return _half_cosine(1 / 25, 1.0, progress / self.warm_up)
        return _half_cosine(1.0, 1e-5, (progress - self.warm_up) / (1 - self.warm_up))


class Cosine(LearningRate):
    """Down from the rate to a fraction of it along half a cosine (Loshchilov & Hutter, 2017).

    Parameters
    ----------
    rate : float, optional
        Where it starts; by default the optimiser's own rate.
    final : float, default=0.0
        The last factor.

    Examples
    --------
    >>> from narrows import Cosine
    >>> [round(Cosine(final=0.1).factor(progress), 3) for progress in (0, 0.5, 1)]
    [1.0, 0.55, 0.1]
    """

    def __init__(self, rate: float | None = None, final: float = 0.0) -> None:
        self.rate = rate
        self.final = final

    def check(self) -> None:
        """Refuse a last factor outside [0, 1]."""
        super().check()
        checks.number("learning_rate__final", self.final, low=0, high=1)

    def factor(self, progress: float) -> float:
        """Return the factor at ``progress`` in [0, 1]."""
        return _half_cosine(1.0, self.final, progress)


class Plateau(LearningRate):
    """Shrinks the rate when the monitored objective has not fallen for some epochs.

    Parameters
    ----------
    rate : float, optional
        Where it starts; by default the optimiser's own rate.
    shrink : float, default=0.3
        Factor at each plateau.
    patience : int, default=5
        Epochs without a fall before it shrinks.

    Examples
    --------
    >>> from narrows import Plateau
    >>> course = Plateau(shrink=0.5, patience=1).start()
    >>> for objective in (3.0, 2.0, 2.0):
    ...     course.after_epoch(objective)
    >>> course.factor(0.9)
    0.5
    """

    def __init__(self, rate: float | None = None, shrink: float = 0.3, patience: int = 5) -> None:
        self.rate = rate
        self.shrink = shrink
        self.patience = patience

    def check(self) -> None:
        """Refuse a factor that does not shrink, or no patience."""
        super().check()
        checks.number(
            "learning_rate__shrink",
            self.shrink,
            low=0,
            high=1,
            include_low=False,
            include_high=False,
        )
        checks.integer("learning_rate__patience", self.patience, low=1)

    def start(self) -> RateSchedule:
        """Return a course that remembers the best objective of its phase."""
        return _PlateauCourse(self.shrink, self.patience)


class _PlateauCourse:
    def __init__(self, shrink: float, patience: int) -> None:
        self.shrink = shrink
        self.patience = patience
        self.current = 1.0
        self.best = math.inf
        self.waited = 0

    def factor(self, progress: float) -> float:
        return self.current

    def after_epoch(self, objective: float) -> None:
        if objective < self.best:
            self.best, self.waited = objective, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.current, self.waited = self.current * self.shrink, 0


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))
