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
from typing import Any

TARGET = Path(__file__).with_name("requirements.txt")
BUILD = ("hatchling", "editables")  # what an editable installation is built with


def installed() -> list[dict[str, Any]]:
    """Return what pip would install into an empty environment, beside narrows itself."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(  # noqa: S603 - the command is ours
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"),
                *("--ignore-installed", "--report", str(report)),
                *("-c", "constraints.txt", ".[dev]", *BUILD),
            ],
            check=True,
            cwd=TARGET.parents[1],
        )
        packages = json.loads(report.read_text())["install"]
    return [package for package in packages if "archive_info" in package["download_info"]]


def line(package: dict[str, Any]) -> str:
    """Return a requirement that one file fulfils."""
    about, origin = package["metadata"], package["download_info"]
    digest = origin["archive_info"]["hashes"]["sha256"]
    return f"{about['name'].lower()}=={about['version']} --hash=sha256:{digest}"


def main() -> None:
    """Write the file anew."""
    lines = sorted(map(line, installed()))
    system = f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}"
    head = f"# What `make lock` found on {system}; `make test LOCKED=1` installs these files alone."
    TARGET.write_text("\n".join([head, *lines]) + "\n")
    sys.stdout.write(f"{len(lines)} packages in {TARGET}\n")


if __name__ == "__main__":
    main()
