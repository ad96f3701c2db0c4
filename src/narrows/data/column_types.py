"""Column types: what the values of a column mean, and so how they are seen and judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from narrows.core import checks
from narrows.core.spec import Spec

__all__ = ["Binary", "Categorical", "Count", "Numeric", "Ordinal", "Proportion"]

ONE_HOT = 32  # places up to which a category has a column each


class ColumnType(Spec, axis="type"):
    """Base of the column types.

    ``has_levels`` says whether values are names of levels, ``ranked`` whether these have an order.
    """

    has_levels = False
    ranked = False

    def check(self) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """

    def width(self, n_places: int) -> int:
        """Return how many columns the network sees of one of the table."""
        return 1

    def raw_width(self, n_places: int) -> int:
        """Return how many outputs of the network say what one column of the table is."""
        return self.width(n_places)


class Numeric(ColumnType):
    """A number, scaled as the estimator's ``scaling`` says and judged by its ``loss``.

    Examples
    --------
    >>> from narrows import Numeric
    >>> Numeric()
    Numeric()
    """


class Binary(ColumnType):
    """One of two levels; judged by the cross-entropy of the probability of the second.

    Examples
    --------
    >>> from narrows import Binary
    >>> Binary()
    Binary()
    """

    has_levels = True


class Categorical(ColumnType):
    """One of several levels without an order; judged by -log of the probability of the right one.

    Parameters
    ----------
    min_count : int, default=2
        Levels that fewer rows of fit have share one place, which levels unknown to fit get, too.
    embedding : int or "auto", default="auto"
        Length of the learned vector that stands for a level; 0 gives each level a column of its
        own. "auto" is 0 up to 32 levels, then min(50, round(1.6 n^0.56)) for n levels.

    References
    ----------
    The rule for the length is that of fastai: Howard & Gugger, "fastai: a layered API for deep
    learning", Information 11 (2020).

    Examples
    --------
    >>> from narrows import Categorical
    >>> Categorical(min_count=5)
    Categorical(min_count=5)
    """

    has_levels = True

    def __init__(self, min_count: int = 2, embedding: int | str = "auto") -> None:
        self.min_count = min_count
        self.embedding = embedding

    def check(self) -> None:
        """Refuse a count below 1 and a length below 0."""
        checks.integer("types: min_count", self.min_count, low=1)
        if self.embedding != "auto":
            checks.integer("types: embedding", self.embedding, low=0, remedy="or leave it 'auto'")

    def length(self, n_places: int) -> int:
        """Return how long the vector of a level is; 0 if each has a column."""
        if self.embedding != "auto":
            return int(self.embedding)
        return 0 if n_places <= ONE_HOT else min(50, round(1.6 * n_places**0.56))

    def width(self, n_places: int) -> int:
        """Return how many columns the network sees of one of the table."""
        return self.length(n_places) or max(1, n_places)

    def raw_width(self, n_places: int) -> int:
        """Return how many outputs of the network say what one column of the table is."""
        return max(1, n_places)


class Ordinal(ColumnType):
    """One of several levels in an order; judged by -log of the probability of the right one.

    The network says, level by level, how probably the value lies beyond it once it has come so far.

    Parameters
    ----------
    levels : sequence, optional
        In their order. Not needed for numbers, nor for ordered categories of a data frame.

    References
    ----------
    Tutz, "Regression for categorical data", 2012, section 9.2 (sequential models).

    Examples
    --------
    >>> from narrows import Ordinal
    >>> Ordinal(["mild", "moderate", "severe"])
    Ordinal(levels=['mild', 'moderate', 'severe'])
    """

    has_levels = True
    ranked = True

    def __init__(self, levels: Sequence[Any] | None = None) -> None:
        self.levels = levels

    def width(self, n_places: int) -> int:
        """Return how many columns the network sees of one of the table."""
        return max(1, n_places - 1)


class Count(ColumnType):
    """How often something happened, 0, 1, 2, ...; seen as log(1 + count), given back whole.

    Parameters
    ----------
    distribution : {"poisson", "negative_binomial"}, default="poisson"
        What the value is judged by. The second has a variance of its own, for counts that spread
        wider than their mean, such as sequencing reads.

    References
    ----------
    Eraslan et al., "Single-cell RNA-seq denoising using a deep count autoencoder", Nature
    Communications 10 (2019), for the second.

    Examples
    --------
    >>> from narrows import Count
    >>> Count("negative_binomial")
    Count(distribution='negative_binomial')
    """

    def __init__(self, distribution: str = "poisson") -> None:
        self.distribution = distribution

    def check(self) -> None:
        """Refuse an unknown distribution."""
        checks.choice("types: distribution", self.distribution, ("poisson", "negative_binomial"))

    @property
    def dispersed(self) -> bool:
        """Whether the variance is the network's to say."""
        return self.distribution == "negative_binomial"

    def width(self, n_places: int) -> int:
        """Return how many columns the network sees of one of the table."""
        return 2 if self.dispersed else 1


class Proportion(ColumnType):
    """A share from 0 to 1; judged by the cross-entropy, as `CrossEntropy` does.

    Examples
    --------
    >>> from narrows import Proportion
    >>> Proportion()
    Proportion()
    """
