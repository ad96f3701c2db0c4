"""Text from anybody, where people read it."""

from __future__ import annotations

import io
import logging

import pytest

from narrows.core.harmless import HarmlessFormatter, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 漢字\tand\nlines", "plain, größer, 漢字\tand\nlines"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b2J\x7f\r", "\\u009b2J\\u007f\\u000d"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    """Return a log, and what it writes to."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HarmlessFormatter())
    own = logging.Logger("one")
    own.addHandler(handler)
    return own, stream


def test_a_record_of_a_log_is_one_line_whatever_it_quotes(
    log: tuple[logging.Logger, io.StringIO],
) -> None:
    log[0].error("model %s stays", "a\nmodel b is now version 2\x1b[2J")
    assert log[1].getvalue() == "model a\\u000amodel b is now version 2\\u001b[2J stays\n"


def test_a_traceback_keeps_its_lines(log: tuple[logging.Logger, io.StringIO]) -> None:
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        log[0].exception("failed")
    first, *_, last, end = log[1].getvalue().split("\n")
    assert (first, last, end) == ("failed", "ValueError: \\u001b[2J", "")
