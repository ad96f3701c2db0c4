"""Sockets, tokens and patience."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from narrows.errors import ParameterError
from narrows.serving import server
from narrows.serving.server import Patience, bind, is_loopback, is_open, read_token

GOOD = "0123456789abcdef"


def token_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_names_cannot_pass_for_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with server._log_on_stderr():
        logging.getLogger("narrows.serving").error("model %s stays", "a\nmodel b is new\x1b[2J")
    assert capsys.readouterr().err == "model a\\u000amodel b is new\\u001b[2J stays\n"


def test_the_first_line_is_the_token(tmp_path: Path) -> None:
    assert read_token(token_file(tmp_path, f" {GOOD}\t\nmore\n".encode())) == GOOD


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "at least 16 characters"),
        (b"short\n" + GOOD.encode(), "at least 16 characters"),
        ("0123456789abcdeé".encode(), "ASCII"),
        (b"0123456789 abcdef", "without spaces"),
    ],
    ids=["none", "short", "accent", "space"],
)
def test_tokens_that_are_none(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason) as caught:
        read_token(token_file(tmp_path, content))
    assert "0123" not in str(caught.value)
    with pytest.raises(ParameterError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_files_that_everybody_can_read_are_known(tmp_path: Path) -> None:
    assert is_open(token_file(tmp_path, b"", 0o644))
    assert not is_open(token_file(tmp_path, b"", 0o640))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("example.org", False),
    ],
)
def test_which_hosts_are_this_machine_alone(host: str, local: bool) -> None:
    assert is_loopback(host) == local


def test_a_port_that_is_taken_is_named() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ParameterError, match=f"--port {port} cannot be listened on"):
            bind("127.0.0.1", port)
    with pytest.raises(ParameterError, match="cannot be listened on"):
        bind("no.such.host.invalid", 0)


class Silent:
    """A protocol of uvicorn, but for all that it does."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        pass

    def on_message_begin(self) -> None:
        pass

    def on_headers_complete(self) -> None:
        pass


class Impatient(Patience, Silent):
    seconds = 0.05


class Transport:
    def __init__(self) -> None:
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_head_that_does_not_come_ends_the_connection() -> None:
    async def run() -> list[bool]:
        silent, slow, good, idle = (Transport() for _ in range(4))
        protocols = [Impatient() for _ in range(4)]
        for protocol, transport in zip(protocols, (silent, slow, good, idle), strict=True):
            protocol.connection_made(transport)
        for protocol in protocols[1:]:
            protocol.on_message_begin()
        for protocol in protocols[2:]:
            protocol.on_headers_complete()
        protocols[3].on_message_begin()  # the head of a second request
        await asyncio.sleep(0.2)
        for protocol in protocols:
            protocol.connection_lost(None)
        return [transport.closed for transport in (silent, slow, good, idle)]

    assert asyncio.run(run()) == [True, True, False, True]


def test_a_head_without_end_ends_the_connection() -> None:
    async def run() -> list[bool]:
        endless, good = Transport(), Transport()
        for transport in (endless, good):
            protocol = Impatient()
            protocol.connection_made(transport)
            protocol.on_message_begin()
            for _ in range(70):
                protocol.data_received(b"x" * 1000)
                if transport is good:
                    protocol.on_headers_complete()  # what comes now is a body
            protocol.connection_lost(None)
        return [endless.closed, good.closed]

    assert asyncio.run(run()) == [True, False]


def test_families_of_addresses() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.family == socket.AF_INET
