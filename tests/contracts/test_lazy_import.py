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


def test_names_and_modules_are_imported_when_they_are_used() -> None:
    code = (
        "import narrows, sys; narrows.Autoencoder\n"
        "assert not {'sklearn.decomposition', 'sklearn.linear_model'} & set(sys.modules)\n"
        "assert narrows.recipes.tied.__name__ == 'tied'\n"
        "assert narrows.metrics.continuity.__name__ == 'continuity'"
    )
    assert imported_by(code) >= {"torch", "sklearn"}


@pytest.mark.slow
def test_fitting_an_array_imports_nothing_for_pictures_or_other_tables() -> None:
    code = (
        "import narrows, numpy as np\n"
        "narrows.Autoencoder(2, max_epochs=1, random_state=0).fit(np.eye(20))"
    )
    # scikit-learn itself imports pandas where it is installed.
    assert not {"polars", "matplotlib", "jinja2"} & imported_by(code)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    ["", "penalty='adversarial', ", "architecture=narrows.Recurrent('signal', hidden=(4,)), "],
)
def test_training_imports_no_compiler_and_no_other_methods(settings: str) -> None:
    code = (
        "import narrows, numpy as np, sys\n"
        f"narrows.Autoencoder(2, {settings}max_epochs=1, random_state=0).fit(np.eye(20))\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules)\n"
        "assert not {'sklearn.decomposition', 'sklearn.neighbors'} & set(sys.modules)"
    )
    imported_by(code)


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


@pytest.mark.slow
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


WATCHED = """
import os, sys
events, opened = set(), []

def hook(event, arguments):
    events.add(event)
    if event == "open" and isinstance(arguments[0], str):
        opened.append((os.path.realpath(arguments[0]), arguments[1], arguments[2]))

sys.addaudithook(hook)
import narrows
import narrows.cli.main
for name in narrows.__all__:
    getattr(narrows, name)
bad = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system",
       "os.fork", "os.posix_spawn", "os.exec", "os.mkdir", "os.remove", "os.rename"} & events
assert not bad, bad
libraries = [sys.prefix, sys.base_prefix, *(path for path in sys.path if path)]
system = ["/proc", "/sys", "/dev", "/usr/share/zoneinfo"]  # what libraries ask of it
ours = tuple(os.path.realpath(path) + os.sep for path in [*libraries, *system])
assert len(opened) > 100  # modules: the hook is at work
elsewhere = [path for path, _, _ in opened if not path.startswith(ours)]
assert not elsewhere, elsewhere
written = [path for path, mode, flags in opened
           if set(mode or "") & set("wxa+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)]
assert not written, written
"""


def test_importing_narrows_reads_nothing_else_writes_nothing_and_calls_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    imported_by(WATCHED)
    assert not list(tmp_path.iterdir())
