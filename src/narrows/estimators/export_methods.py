"""Writing a fitted estimator as a file that runs without narrows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from narrows.core.isolation import isolate_methods
from narrows.core.types import Json

if TYPE_CHECKING:
    from narrows.export.portable import Exportable


@isolate_methods
class ExportMethods:
    """What all estimators share; each says what of it can be exported."""

    def export_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        outputs: Sequence[str] | str | None = None,
        inputs: str = "table",
    ) -> Json:
        """Write the model as one ONNX file, which runs without narrows, torch or Python.

        Scaling, missing cells, views and types are inside; the number of rows is free. The file
        is run by onnxruntime on drawn rows, of 1, 2, 7 and 1,000, and left only if it says what the
        model says, to 1e-5 of a column's scale. Its metadata have columns, levels, settings and
        versions.

        Parameters
        ----------
        path : path
            The file.
        outputs : str or sequence of str, optional
            What it gives. Of an autoencoder some of "encode", "reconstruct", "score" (these by
            default) and "impute": what `transform`, `reconstruct`, `score_samples` or ``impute`` by
            ``method="network"`` give; or "decode", which takes codes and has a file of its own. Of
            a classifier or regressor "predict" (by default), "predict_proba" and "encode"; a class
            that is no whole number is given by its place in ``narrows.classes`` of the metadata. Of
            a detector "score" and "predict" (by default), and those of its autoencoder; of a
            marginalized one "encode", "reconstruct" and "score".
        inputs : {"table", "columns"}
            What it takes: one tensor ``rows`` of shape (n_rows, n_features), or one of shape
            (n_rows, 1) for each column, by name, text as text. In a table text is given by its
            number among the levels, which the metadata list. NaN, or "", is a cell that was not
            measured. float32, or float64 where the network is.

        Returns
        -------
        dict
            ``bytes``, and ``differences``: the largest of each output.

        Raises
        ------
        ExportError
            If the file would not say what the model says.
        MissingDependencyError
            If onnx, onnxscript and onnxruntime are not installed: ``pip install narrows[onnx]``.
        ParameterError
            If there is no such output.

        Examples
        --------
        >>> from narrows import Autoencoder
        >>> from sklearn.datasets import load_iris
        >>> model = Autoencoder(2, max_epochs=2, random_state=0).fit(load_iris().data)
        >>> model.export_onnx("iris.onnx")  # doctest: +SKIP
        """
        from narrows.export.onnx_file import export_onnx

        return export_onnx(self._exportable, path, outputs=outputs, inputs=inputs)

    def export_torch(
        self,
        path: str | os.PathLike[str],
        *,
        outputs: Sequence[str] | str | None = None,
    ) -> Json:
        """Write the model as a file of `torch.export`, which runs where torch is, without narrows.

        It takes and gives what `export_onnx` of a table does, and is held against the model alike;
        ``narrows.json`` inside the file describes it.

        Parameters
        ----------
        path : path
            The file; by convention it ends in ``.pt2``.
        outputs : str or sequence of str, optional
            As of `export_onnx`.

        Returns
        -------
        dict
            ``bytes``, and ``differences``: the largest of each output.

        Raises
        ------
        ExportError
            If the program would not say what the model says.
        ParameterError
            If there is no such output.

        Examples
        --------
        >>> import torch
        >>> from narrows import Autoencoder
        >>> from sklearn.datasets import load_iris
        >>> model = Autoencoder(2, max_epochs=2, random_state=0).fit(load_iris().data)
        >>> written = model.export_torch("iris.pt2", outputs="encode")
        >>> codes, = torch.export.load("iris.pt2").module()(torch.zeros(5, 4))
        >>> codes.shape
        torch.Size([5, 2])
        """
        from narrows.export.torch_file import export_torch

        return export_torch(self._exportable, path, outputs=outputs)

    @property
    def _exportable(self) -> Exportable:
        raise NotImplementedError
