"""Write how a fit goes, and codes for the projector, as TensorBoard reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from narrows.core.extras import required
from narrows.core.fit_settings import settings_in_words
from narrows.core.types import Estimator, TableLike, TargetLike
from narrows.observers.observer import Observer
from narrows.training.history import Row

__all__ = ["TensorBoard"]


class TensorBoard(Observer):
    """Writes every fit it watches into a folder that TensorBoard shows.

    Each stretch of training becomes a run of its own, ``1-joint``, ``2-joint``, ...: trials on
    held-out rows lie beside what is kept. Objective, its parts and the learning rate are its
    scalars; the settings are its text. Of a fit that ended well, codes come under ``Projector``.

    Parameters
    ----------
    folder : path
        Where the runs go: ``tensorboard --logdir FOLDER``. It may hold others.
    rows : table, optional
        Whose codes the projector gets when fit has ended.
    labels : array of shape (n_samples,), optional
        What the projector calls these rows, and colours them by.

    Notes
    -----
    Needs the extra ``tensorboard``.

    Examples
    --------
    >>> import tempfile
    >>> from narrows import Autoencoder, TensorBoard
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> board = TensorBoard(tempfile.mkdtemp(), rows=X, labels=y)  # doctest: +SKIP
    >>> Autoencoder(2).set_callbacks(board).fit(X)  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        rows: TableLike = None,
        labels: TargetLike = None,
    ) -> None:
        self.folder = folder
        self.rows = rows
        self.labels = labels
        self._writer: Any = None

    def setup(self, estimator: Estimator, context: Any) -> None:
        """See that the package is there before anything is trained."""
        self._tools()

    def on_phase_begin(self, estimator: Estimator, phase: str, n_epochs: int, n_rows: int) -> None:
        """Open a run."""
        self._close()
        folder = Path(self.folder)
        number = 1 + sum(entry.is_dir() for entry in folder.iterdir()) if folder.is_dir() else 1
        name = "".join(letter if letter.isalnum() else "-" for letter in phase)
        self._writer = self._tools().SummaryWriter(str(folder / f"{number}-{name}"))
        settings = settings_in_words(estimator)
        table = "\n".join(f"| {name} | `{value}` |" for name, value in settings.items())
        about = f"{n_rows:,} rows, at most {n_epochs} epochs"
        self._writer.add_text("settings", f"{about}\n\n| setting | value |\n|---|---|\n{table}")

    def on_epoch_end(self, estimator: Estimator, row: Row) -> None:
        """Write the numbers of an epoch."""
        for name, value in row.items():
            if isinstance(value, float):
                self._writer.add_scalar(name, value, row["epoch"])

    def on_fit_end(self, estimator: Estimator) -> None:
        """Write codes for the projector."""
        if self.rows is None:
            return
        if self._writer is None:  # nothing was trained: the PCA stayed
            self.on_phase_begin(estimator, "start", 0, 0)
        codes = estimator.transform(self.rows)
        labels = None if self.labels is None else [str(label) for label in self.labels]
        self._writer.add_embedding(codes, metadata=labels, tag="codes")

    def teardown(self, estimator: Estimator, context: Any) -> None:
        """Close the last run."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    @staticmethod
    def _tools() -> Any:
        required("tensorboard", extra="tensorboard", purpose="TensorBoard")
        return required(
            "torch.utils.tensorboard",
            extra="tensorboard",
            purpose="TensorBoard",
            package="tensorboard",
        )
