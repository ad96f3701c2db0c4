"""``python -m narrows`` is the ``narrows`` command."""

from __future__ import annotations

from narrows.cli.main import main

main()
