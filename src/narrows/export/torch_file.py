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
from narrows.export.description import description
from narrows.export.portable import Exportable, checked_outputs
from narrows.export.quiet import quiet
from narrows.export.reference import largest_differences

DESCRIPTION = "narrows.json"  # beside the program, in the file


def export_torch(
    what: Exportable,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | str | None,
) -> Json:
    """Write a fitted estimator as a ``.pt2`` file; see `Autoencoder.export_torch`."""
    chosen = checked_outputs(what.default if outputs is None else outputs, what.choices)
    check_place(path)
    module = what.portable(chosen).eval()
    with quiet(), torch.no_grad():
        program = torch.export.export(
            module,
            (module.example(),),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )
    run = program.module()
    worst = largest_differences(
        what,
        module,
        lambda cells: [answer.numpy() for answer in run(torch.from_numpy(cells))],
        "torch.export",
    )
    buffer = io.BytesIO()
    described = json.dumps(description(what, chosen))
    torch.export.save(program, buffer, extra_files={DESCRIPTION: described})
    with replacing(Path(path)) as stream:
        stream.write(buffer.getvalue())
    return {"bytes": buffer.getbuffer().nbytes, "differences": worst}
