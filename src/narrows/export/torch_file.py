"""A fitted model as a file of `torch.export`, which runs where torch is, without narrows."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from narrows.core.files import replacing
from narrows.core.types import Json
from narrows.data.formats.files import check_place
from narrows.errors import ExportError
from narrows.export.onnx_file import SIZES, TOLERANCE, description, difference, quiet
from narrows.export.portable import Exportable, checked_outputs
from narrows.export.reference import rows_like_those_of_fit

DESCRIPTION = "narrows.json"  # beside the program, in the file


def export_torch(
    what: Exportable,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | str,
) -> Json:
    """Write a fitted estimator as a ``.pt2`` file; see `Autoencoder.export_torch`."""
    chosen = checked_outputs(outputs, what.choices)
    check_place(path)
    model, module = what.model, what.portable(chosen).eval()
    of_codes = chosen == ("decode",)
    width = module.n_components if of_codes else module.n_features
    with quiet(), torch.no_grad():
        program = torch.export.export(
            module,
            (torch.zeros(3, width, dtype=module.dtype),),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )
    run = program.module()
    worst = dict.fromkeys(chosen, 0.0)
    for size in SIZES:
        given = rows_like_those_of_fit(model, size, module.dtype, codes=of_codes)
        expected = what.answers(given, chosen)
        for name, answer in zip(chosen, run(torch.from_numpy(given)), strict=True):
            apart = difference(model, name, answer.detach().numpy(), expected[name])
            worst[name] = max(worst[name], apart)
    for name, apart in worst.items():
        if not apart <= TOLERANCE:
            raise ExportError(
                f"{name!r} of the exported program differs by {apart:.1e} from the model's own, "
                f"more than {TOLERANCE:g}, so no file was written; leave it out of outputs"
            )
    buffer = io.BytesIO()
    described = json.dumps(description(what, chosen))
    torch.export.save(program, buffer, extra_files={DESCRIPTION: described})
    with replacing(Path(path)) as stream:
        stream.write(buffer.getvalue())
    return {"bytes": buffer.getbuffer().nbytes, "differences": worst}
