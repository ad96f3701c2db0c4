"""Write down which file of each package make installs here, by its hash: .ci/requirements.txt.

``make lock`` runs it on the platform that the tests run on; ``make ... LOCKED=1`` installs that set
and nothing else, and refuses a file with another hash.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).with_name("requirements.txt")
BUILD = ("hatchling", "editables")  # what an editable installation is built with


def installed() -> list[dict[str, object]]:
    """Return what pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"),
                *("--ignore-installed", "--report", str(report)),
                *("-c", "constraints.txt", ".[dev]", *BUILD),
            ],
            check=True,
            cwd=TARGET.parents[1],
        )
        packages: list[dict[str, object]] = json.loads(report.read_text())["install"]
    return packages


def line(package: dict[str, object]) -> str:
    """Return a requirement that one file fulfils."""
    about, origin = package["metadata"], package["download_info"]
    assert isinstance(about, dict)
    assert isinstance(origin, dict)
    name = about["name"].lower().replace("_", "-")
    return f"{name}=={about['version']} --hash=sha256:{origin['archive_info']['hashes']['sha256']}"


def main() -> None:
    """Write the file anew."""
    lines = sorted(
        line(package) for package in installed() if "dir_info" not in package["download_info"]
    )  # type: ignore[operator]
    system = f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}"
    head = f"# What `make lock` found on {system}; `make test LOCKED=1` installs these files alone."
    TARGET.write_text("\n".join([head, *lines]) + "\n")
    sys.stdout.write(f"{len(lines)} packages in {TARGET}\n")


if __name__ == "__main__":
    main()
