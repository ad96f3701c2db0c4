"""A converter for skl2onnx, so that a pipeline with an autoencoder becomes one ONNX file."""

from __future__ import annotations

from typing import Any

from narrows.errors import CompositionError
from narrows.estimators.autoencoder import Autoencoder
from narrows.export.extra import required
from narrows.export.onnx_file import graph_of
from narrows.export.portable import Portable

__all__ = ["register_skl2onnx"]

ALIAS = "NarrowsAutoencoder"
DEFAULT_DOMAIN = ""


def register_skl2onnx() -> None:
    """Teach skl2onnx to convert `Autoencoder`, alone or as a step of a pipeline.

    The step gives codes, as `transform` does. Columns of text are for ``export_onnx``.

    Raises
    ------
    MissingDependencyError
        If skl2onnx is not installed: ``pip install narrows[onnx]``.

    Examples
    --------
    >>> from narrows import Autoencoder, register_skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> pipeline = make_pipeline(StandardScaler(), Autoencoder(2, max_epochs=2, random_state=0))
    >>> pipeline = pipeline.fit(load_iris().data.astype("float32"))
    >>> register_skl2onnx()  # doctest: +SKIP
    >>> skl2onnx.to_onnx(pipeline, load_iris().data[:1].astype("float32"))  # doctest: +SKIP
    """
    skl2onnx = required("skl2onnx")
    skl2onnx.update_registered_converter(Autoencoder, ALIAS, _shapes, _convert)


def _shapes(operator: Any) -> None:
    kind = type(operator.inputs[0].type)
    n_components = operator.raw_operator.n_components_
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension(), n_components])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of an autoencoder to that of a pipeline, under names of its own."""
    model = operator.raw_operator._model
    if model.layout.schema is not None and model.layout.schema.library is not None:
        raise CompositionError(
            "the autoencoder was fitted to a data frame with columns of levels, which a pipeline "
            "of arrays does not give it; write model.export_onnx(path, inputs='columns')"
        )
    module = Portable(model, ("encode",)).eval()
    proto = graph_of(module, ("encode",), opset=container.target_opset_any_domain(DEFAULT_DOMAIN))
    names: dict[str, str] = {proto.graph.input[0].name: operator.inputs[0].full_name}
    names[proto.graph.output[0].name] = operator.outputs[0].full_name

    def named(name: str) -> str:
        if name and name not in names:
            names[name] = str(scope.get_unique_variable_name(f"narrows_{name}"))
        return names.get(name, "")

    for tensor in proto.graph.initializer:
        tensor.name = named(tensor.name)
        container.initializers.append(tensor)
    for node in proto.graph.node:
        node.name = scope.get_unique_operator_name(f"narrows_{node.name}")
        for side in (node.input, node.output):
            side[:] = [named(name) for name in side]
        container.nodes.append(node)
    for opset in proto.opset_import:
        container.node_domain_version_pair_sets.add((opset.domain, opset.version))
