"""Laziness: nothing heavy is imported, and nothing else happens, before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "sklearn", "scipy", "numpy", "pandas", "polars", "pyarrow", "matplotlib"}

HELP = """
import contextlib, io, sys
from narrows.cli.main import cli
sys.argv = ["narrows", *{arguments!r}]
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
    cli()
assert {expected!r} in out.getvalue(), out.getvalue()
"""


def imported_by(code: str) -> set[str]:
    """Return the packages that a fresh process has imported after running code."""
    last = "\nimport json, sys\nprint(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    ran = subprocess.run([sys.executable, "-c", code + last], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_narrows_imports_nothing_heavy() -> None:
    assert not HEAVY & imported_by("import narrows; narrows.__version__")


def test_listing_the_names_of_narrows_imports_nothing_heavy() -> None:
    code = "import narrows; assert set(narrows.__all__) <= set(dir(narrows))"
    assert not HEAVY & imported_by(code)


def test_a_name_is_imported_when_it_is_used() -> None:
    assert imported_by("import narrows; narrows.Autoencoder") >= {"torch", "sklearn"}


def test_fitting_an_array_imports_nothing_for_pictures_or_other_tables() -> None:
    code = (
        "import narrows, numpy as np\n"
        "narrows.Autoencoder(2, max_epochs=1, random_state=0).fit(np.eye(20))"
    )
    # scikit-learn itself imports pandas where it is installed.
    assert not {"polars", "matplotlib", "jinja2"} & imported_by(code)


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import narrows
X = np.random.default_rng(0).random((40, 6))
model = narrows.Autoencoder(2, max_epochs=1, random_state=0).fit(X)
assert model.reconstruct(X).shape == X.shape
model.save({folder!r})
narrows.load({folder!r})
"""


def test_an_array_is_fitted_and_saved_without_what_tables_reports_and_commands_need(
    tmp_path: Path,
) -> None:
    """So that a machine that only has torch, scikit-learn and safetensors can train."""
    absent = {"click", "jinja2", "matplotlib", "pandas", "polars", "pyarrow", "rich"}
    imported_by(WITHOUT.format(absent=absent, folder=str(tmp_path / "model")))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Usage: narrows"),
        (["--version"], "narrows"),
        (["fit", "--help"], "Usage: narrows fit"),
        (["compare", "--help"], "Usage: narrows compare"),
    ],
    ids=["help", "version", "fit help", "compare help"],
)
def test_help_imports_nothing_heavy(arguments: list[str], expected: str) -> None:
    code = HELP.format(arguments=arguments, expected=expected)
    assert not HEAVY & imported_by(code)


def test_importing_narrows_opens_no_socket_and_starts_no_process() -> None:
    code = (
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event))\n"
        "import narrows; narrows.Autoencoder\n"
        "bad = {'socket.connect', 'socket.getaddrinfo', 'subprocess.Popen', 'os.system'}\n"
        "assert not bad.intersection(seen), bad.intersection(seen)"
    )
    imported_by(code)
