"""Input that is led by which lines of ours it reaches, with atheris; run as a script.

``python tests/faults/guided.py WHAT SECONDS``, WHAT being one of `TARGETS`: any error that is not
ours ends it, with the input in a file ``crash-...``. `make fuzz` runs all of them.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["narrows"]):
    import narrows
    from narrows.cli import settings
    from narrows.core import notation
    from narrows.data.formats import delimited, files
    from narrows.errors import ModelFileError, ParameterError, SourceError
    from narrows.persistence.files import CONFIG

import numpy as np

FOLDER = Path(tempfile.mkdtemp())
MODEL = FOLDER / "model"


def config(data: bytes) -> None:
    """Read a model whose config is as drawn, or has a drawn piece in its middle."""
    whole = WHOLE[0]
    place = int.from_bytes(data[:3], "big") % len(whole)
    length = data[3] if len(data) > 3 else 0
    piece = data[4:]
    content = piece if piece[:1] == b"{" else whole[:place] + piece + whole[place + length :]
    (MODEL / CONFIG).write_bytes(content)
    with contextlib.suppress(ModelFileError):
        narrows.load(MODEL)


def table(data: bytes) -> None:
    """Read a delimited file."""
    with contextlib.suppress(SourceError):
        delimited.parse(data, "t.csv")


def stored(data: bytes) -> None:
    """Read a Parquet file, and one that is packed."""
    for name in ("t.parquet", "t.csv.gz"):
        (FOLDER / name).write_bytes(data)
        with contextlib.suppress(SourceError):
            files.read_table(FOLDER / name)


def text(data: bytes) -> None:
    """Read a setting of the command line, and a file of settings."""
    line = data.decode(errors="replace")
    with contextlib.suppress(ParameterError):
        notation.parse(line)
    with contextlib.suppress(ParameterError):
        settings.apply(narrows.Autoencoder(), settings.from_assignments([line]))
    place = FOLDER / "settings.toml"
    place.write_text(line, encoding="utf-8")
    with contextlib.suppress(ParameterError):
        settings.apply(narrows.Autoencoder(), settings.from_toml(str(place)))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "config": config,
    "table": table,
    "stored": stored,
    "text": text,
}
WHOLE: list[bytes] = []


def main() -> None:
    """Run one target for some seconds."""
    what, seconds = sys.argv[1:3]
    X = np.random.default_rng(0).normal(size=(30, 4))
    narrows.Autoencoder(2, penalty="kl", latent="gaussian", max_epochs=1, random_state=0).fit(
        X
    ).save(MODEL)
    content = json.dumps(json.loads((MODEL / CONFIG).read_text())).encode()
    WHOLE.append(content)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", "-rss_limit_mb=3000"],
        TARGETS[what],
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
