"""Text that may come from anybody, as it may be shown."""

from __future__ import annotations

import logging
import re

# What a terminal obeys instead of showing it, and what turns the direction of a line.
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""Return a text as a terminal may show it: what it would obey as ``\u001b``, as JSON has it.

    Names of columns, levels and files may come from anybody.
    """
    return COMMANDS.sub(_code, text)


class HarmlessFormatter(logging.Formatter):
    """Formats records of a log: each a line of its own, nothing in it that a terminal would obey.

    Whoever chooses a name could write lines of the log otherwise. A traceback keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line of a record."""
        return super().formatMessage(record).replace("\n", "\\u000a")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return harmless(super().format(record))


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
