"""Run a service: a socket, uvicorn, and an end that answers what was asked before."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from narrows.core.extras import required
from narrows.core.harmless import HarmlessFormatter
from narrows.errors import ParameterError
from narrows.serving.guard import App
from narrows.serving.limits import Limits

DRAIN_SECONDS = 30  # that requests have to end after SIGTERM
KEEP_ALIVE_SECONDS = 30  # that a connection may be silent between two requests
MOST_HEAD_BYTES = 65_536  # of a request: its line and its headers
SHORTEST_TOKEN = 16
MOST_TOKEN_BYTES = 4096


def read_token(path: str | Path) -> str:
    """Return the token that a file holds in its first line.

    Raises
    ------
    ParameterError
        If the file cannot be read, or the token is short or no plain text.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_TOKEN_BYTES)
    except OSError as error:
        raise ParameterError(f"--token-file {path} cannot be read: {error.strerror}") from error
    token = content.split(b"\n", 1)[0].strip()
    if len(token) < SHORTEST_TOKEN or not all(32 < byte < 127 for byte in token):
        raise ParameterError(
            f"--token-file {path} must hold at least {SHORTEST_TOKEN} characters of ASCII without "
            "spaces in its first line; make one: openssl rand -hex 32"
        )
    return token.decode()


def is_open(path: str | Path) -> bool:
    """Return whether everybody on this machine can read a file."""
    return bool(Path(path).stat().st_mode & stat.S_IROTH)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    ParameterError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ParameterError(
            f"--host {host} --port {port} cannot be listened on: {error.strerror}; choose another "
            "port, or end what has it"
        ) from error
    return listener


def run(
    app: App,
    listener: socket.socket,
    limits: Limits,
    *,
    access_log: bool = False,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; what was asked by then is answered.

    Parameters
    ----------
    app : ASGI application
        What answers.
    listener : socket
        Where.
    limits : Limits
        Within which time the head of a request must be there.
    access_log : bool
        Whether to write a line for each request.
    ready : callable, optional
        Told that requests are answered now.
    """
    uvicorn = required("uvicorn", extra="serve", purpose="narrows serve")
    config = uvicorn.Config(
        app,
        http=patient_protocol(limits.receive_seconds),
        ws="none",
        lifespan="on",
        access_log=access_log,
        log_level="info" if access_log else "warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if ready is not None and self.started:
                ready()

    with _log_on_stderr(), _ending_well():
        Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _ending_well() -> Iterator[None]:
    """Let a signal that uvicorn has ended for, and sends again, end nothing else."""
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: None) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _log_on_stderr() -> Iterator[None]:
    """Write what narrows says to the log on stderr; names in it cannot pass for lines of it."""
    log, handler = logging.getLogger("narrows"), logging.StreamHandler()
    handler.setFormatter(HarmlessFormatter())
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Patience:
    """An end to the patience of uvicorn's protocol, which this goes before: for heads of requests.

    uvicorn waits for ever for the first request of a connection, and for the rest of a head, and
    keeps all that comes of it, so that whoever sends a byte a minute holds a connection at no cost,
    and whoever sends headers without end the memory.
    """

    seconds: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport | None
    _deadline: asyncio.TimerHandle | None = None
    _n_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a first request."""
        super().connection_made(transport)  # type: ignore[misc]
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._relax()
        super().connection_lost(exc)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """Take what has come, as long as it is no head without end."""
        super().data_received(data)  # type: ignore[misc]
        if self._deadline is None:  # of a body, which the guard counts
            return
        self._n_bytes += len(data)
        if self._n_bytes > MOST_HEAD_BYTES:
            self._relax()
            self._close()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()  # type: ignore[misc]
        self._expect()

    def on_headers_complete(self) -> None:
        """Leave the body to the guard."""
        self._relax()
        super().on_headers_complete()  # type: ignore[misc]

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self._close)

    def _relax(self) -> None:
        self._n_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def patient_protocol(seconds: float) -> type[Any]:
    """Return the protocol of uvicorn that closes where a head is not there in so many seconds."""
    module = required(
        "uvicorn.protocols.http.httptools_impl", extra="serve", purpose="narrows serve"
    )
    return type("PatientProtocol", (Patience, module.HttpToolsProtocol), {"seconds": seconds})
