"""Install each file of dist/ elsewhere and use it there, and list what it needs: `make dist`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
USE = """
import sys
import narrows
from sklearn.datasets import load_breast_cancer

assert "site-packages" in narrows.__file__, narrows.__file__
X = load_breast_cancer(as_frame=False).data
model = narrows.Autoencoder(2, max_epochs=5, random_state=0).fit(X)
model.save("model")
again = narrows.load("model")
assert (again.transform(X) == model.transform(X)).all()
model.report("page.html", X)
print(f"narrows {narrows.__version__}: {model.score(X):.3f}")
"""


def run(command: list[str], folder: Path) -> str:
    """Return what a command prints, outside the checkout; it must not fail."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def list_parts(python: Path, wheel: Path, folder: Path) -> str:
    """Write which packages an installed wheel brings along, as CycloneDX; return how many."""
    bill = wheel.with_name(f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json")
    options = ["--output-reproducible", "--of", "JSON", "-o", str(bill), str(python)]
    run([sys.executable, "-m", "cyclonedx_py", "environment", *options], folder)
    parts = {part["name"] for part in json.loads(bill.read_text())["components"]}
    if not {"narrows", "torch", "numpy", "scikit-learn"} <= parts:
        sys.exit(f"{bill} lacks what narrows needs: {sorted(parts)}")
    return f"{bill.name} with {len(parts)} packages"


def main() -> None:
    """Try the wheel and the source distribution."""
    files = sorted((ROOT / "dist").glob("narrows-*"))
    if {path.suffix for path in files} != {".whl", ".gz"}:
        sys.exit(f"dist/ must have a wheel and a source distribution, but has {files}")
    for path in files:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            run([sys.executable, "-m", "venv", "own"], folder)
            own = folder / "own" / "bin"
            constraints = str(ROOT / "constraints.txt")
            run([str(own / "pip"), "install", "-q", "-c", constraints, str(path)], folder)
            said = [
                run([str(own / "narrows"), "--version"], folder),
                run([str(own / "python"), "-W", "ignore", "-c", USE], folder),
            ]
            run([str(own / "narrows"), "inspect", "model"], folder)
            if path.suffix == ".whl":
                said.append(list_parts(own / "python", path, folder))
        sys.stdout.write(f"{path.name}: {'; '.join(said)} ({time.perf_counter() - began:.0f} s)\n")


if __name__ == "__main__":
    main()
