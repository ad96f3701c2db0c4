"""Reporting: a fitted autoencoder's report, one file to open and to send."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from narrows.core import checks
from narrows.data import containers
from narrows.data.fingerprint import Seen
from narrows.errors import DataError, ParameterError
from narrows.inference.explanation import Explanation

Columns = NDArray[np.int64]
TITLE = "What the code keeps"


class Reporting(Explanation):
    """What a fitted autoencoder shows of itself; inherited by `Autoencoder`."""

    def report(
        self,
        path: str | os.PathLike[str],
        X: Any,
        *,
        y: Any = None,
        train: Any = None,
        ids: Any = None,
        comparison: Any = None,
        image_shape: Sequence[int] | None = None,
        sequence_shape: Sequence[int] | None = None,
        title: str = TITLE,
    ) -> None:
        """Write a report about the model and rows: an HTML file for people, JSON beside it.

        The file needs no network, opens in any browser and holds cells of the rows it shows: it is
        as confidential as they are.

        Parameters
        ----------
        path : path
            Of the page; it ends in .html, and its data go beside it in a file ending in .json.
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows to report on, best ones that fit did not see.
        y : array of shape (n_samples,), optional
            A class or a number for each row, to colour by.
        train : array, CSR array or data frame, optional
            The rows of fit, for a PCA beside the code and for what errors are usual.
        ids : array of shape (n_samples,), optional
            What the rows are called; by default their numbers, from 0.
        comparison : Comparison, mapping or path, optional
            How other methods do on the same data.
        image_shape : tuple of int, optional
            (height, width) or (channels, height, width), where a row is an image; by default what
            the architecture says.
        sequence_shape : tuple of int, optional
            (n_steps,) or (n_steps, n_channels), where a row is a sequence; by default what the
            architecture says.
        title : str, default="What the code keeps"
            The heading.

        Raises
        ------
        ParameterError
            If a shape does not fit the columns, the path does not end in .html, or the comparison
            is none.
        DataError
            If X cannot be used as it is, or y or ids have another length.
        SourceError
            If the file cannot be written.
        """
        write(
            self,
            path,
            X,
            y=y,
            train=train,
            ids=ids,
            comparison=comparison,
            image_shape=image_shape,
            sequence_shape=sequence_shape,
            title=title,
        )

    def _subject(self, X: Any, y: Any, train: Any, ids: Any, shape: Columns | None) -> Any:
        from narrows.report.subject import Subject, known_rows

        X, train = _table(X), None if train is None else _table(train)
        rows = self._rows(X)
        if train is not None:
            self._rows(train)
        seen = self._seen_in_fit(rows)
        names = self._names or [f"x{number}" for number in range(self.n_features_in_)]
        known = None if train is None else known_rows(X, train, names)
        if known is not None and (not seen.n_told or known.mean() > seen.share):
            seen = Seen(len(known), len(known), int(known.sum()))
        y, ids = (
            _one_per_row(name, values, rows.shape[0]) for name, values in (("y", y), ("ids", ids))
        )
        return Subject(self, X, y=y, train=train, ids=ids, seen=seen, known=known, shape=shape)

    def _drawn(self, image: Any, sequence: Any) -> Columns | None:
        """Return the columns' numbers as they lie in what a row holds; None for plain rows."""
        n_features = int(self.n_features_in_)
        if image is not None and sequence is not None:
            raise ParameterError(
                f"image_shape={image!r} and sequence_shape={sequence!r} cannot both be; give one"
            )
        if image is not None:
            return _laid_out("image_shape", image, n_features, (2, 3))
        if sequence is not None:
            found = _laid_out("sequence_shape", sequence, n_features, (1, 2))
            return found.reshape(len(found), -1).T
        if len(self.layout_.views) > 1 or self.layout_.schema is not None:
            return None
        return self._composition.architecture.drawn(n_features)


def write(
    model: Reporting,
    path: str | os.PathLike[str],
    X: Any,
    *,
    y: Any = None,
    train: Any = None,
    ids: Any = None,
    comparison: Any = None,
    image_shape: Sequence[int] | None = None,
    sequence_shape: Sequence[int] | None = None,
    title: str | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Write a report as `Reporting.report` does, and return its data.

    ``command`` is the command line that asked for it, if one did.
    """
    from narrows.report import page, sections  # jinja2 is for those who want a report

    check_is_fitted(model, "network_")
    target = page.check_path(path)
    data = sections.gathered(
        model._subject(X, y, train, ids, model._drawn(image_shape, sequence_shape)),
        title=TITLE if title is None else str(title),
        call=_call(path, y, train, ids, comparison, image_shape, sequence_shape),
        command=command,
        compared=comparison,
    )
    page.write(data, target)
    return data


def _laid_out(name: str, shape: Any, n_features: int, axes: tuple[int, ...]) -> Columns:
    sizes = checks.widths(name, shape)
    if len(sizes) not in axes or int(np.prod(sizes)) != n_features:
        raise ParameterError(
            f"{name}={tuple(sizes)!r} must have {axes[0]} or {axes[1]} numbers whose product is "
            f"the {n_features} columns"
        )
    found = np.arange(n_features).reshape(sizes)
    return found[None] if name == "image_shape" and len(sizes) == 2 else found


def _table(X: Any) -> Any:
    """Return a table whose rows can be taken by number."""
    return containers.sliceable(X)


def _one_per_row(name: str, values: Any, n_rows: int) -> Any:
    if values is None:
        return None
    found = column_or_1d(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if len(found) != n_rows:
        raise DataError(f"{name} has {len(found)} values for {n_rows} rows of X; give one for each")
    return found


def _call(path: Any, *given: Any) -> str:
    names = ("y", "train", "ids", "comparison", "image_shape", "sequence_shape")
    written = [f"{os.fspath(path)!r}", "X"]
    for name, value in zip(names, given, strict=True):
        if value is not None:
            written.append(f"{name}={value!r}" if name.endswith("_shape") else f"{name}={name}")
    return f"model.report({', '.join(written)})"
