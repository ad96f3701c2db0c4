"""A service under load: its rate beside an empty handler, batches, and what it withstands.

make bench-serve                     prints the tables, and writes them to docs/serving.md
make bench-serve ONLY="rate slow"    some of them
make bench-serve MINUTES=60          the bounded load for an hour
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows import Autoencoder
from pages import replace_part

PAGE = Path(__file__).parents[1] / "docs" / "serving.md"
CONNECTIONS = 32
ROUNDS = 5
TOKENS = 3000
SECONDS = 4.0
PAUSE = 0.08  # between the requests of the bounded load
SHORT: dict[str, Any] = {"max_epochs": 2, "random_state": 0}

EMPTY = """
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/v1/encode")
async def empty():
    return {}
@app.get("/ready")
async def ready():
    return {}
uvicorn.run(app, port=%d, log_level="warning", access_log=False)
"""


class Connection(asyncio.Protocol):
    """Sends one request after another, and writes down how long each answer takes."""

    def __init__(
        self,
        request: bytes,
        seconds: list[float],
        statuses: dict[int, int],
        pause: float = 0.0,
    ) -> None:
        self.request = request
        self.pause = pause
        self.seconds = seconds
        self.statuses = statuses
        self.rest = b""
        self.ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.send()

    def send(self) -> None:
        if self.ending:
            self.transport.close()
            return
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.rest += data
        head = self.rest.find(b"\r\n\r\n")
        if head < 0:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", self.rest[:head])
        if length is None or len(self.rest) < head + 4 + int(length[1]):
            return
        self.seconds.append(time.perf_counter() - self.started)
        status = int(self.rest[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.rest = b""
        if self.ending:
            self.transport.close()
        elif self.pause:
            asyncio.get_running_loop().call_later(self.pause, self.send)
        else:
            self.send()


def request_of(path: str, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(
    port: int, request: bytes, seconds: float, n: int, pause: float = 0.0
) -> tuple[float, list[float]]:
    """Return the requests per second of so many connections, and how long each took.

    A connection pauses for so many seconds between an answer and its next request.
    """
    times: list[float] = []
    statuses: dict[int, int] = {}
    loop = asyncio.get_running_loop()
    protocols = [
        (
            await loop.create_connection(
                lambda: Connection(request, times, statuses, pause), "127.0.0.1", port
            )
        )[1]
        for _ in range(n)
    ]
    await asyncio.sleep(seconds / 4)  # until all is warm
    times.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    took, kept = time.perf_counter() - started, list(times)
    for protocol in protocols:
        protocol.ending = True
    await asyncio.sleep(0.2 + pause)
    assert set(statuses) == {200}, statuses
    return len(kept) / took, kept


def run_load(
    port: int,
    request: bytes,
    seconds: float = SECONDS,
    n: int = CONNECTIONS,
    pause: float = 0.0,
) -> Any:
    """Run `load` in a loop like the server's."""
    import uvloop

    return uvloop.run(load(port, request, seconds, n, pause))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it is not needed."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def narrows(model: Path, port: int, *options: str) -> list[str]:
    return [str(Path(sys.executable).with_name("narrows")), "serve", str(model), "--port",
            str(port), "-q", *options]  # fmt: skip


def model_of(folder: Path, n_columns: int) -> tuple[Path, bytes]:
    """Return a saved model of random columns, and a request about one row."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(2000, 10)) @ rng.normal(size=(10, n_columns))).round(3)
    path = folder / f"model{n_columns}"
    Autoencoder(8 if n_columns < 100 else 32, **SHORT).fit(X).save(path)
    return path, request_of("/v1/encode", json.dumps({"rows": X[:1].tolist()}).encode())


def quantile(times: list[float], share: float) -> float:
    return float(np.quantile(times, share)) * 1e3


def side_by_side(
    commands: Sequence[Callable[[int], list[str]]], request: bytes
) -> list[list[tuple[float, list[float]]]]:
    """Return rounds of load of servers that run at the same time, one after the other."""
    with contextlib.ExitStack() as stack:
        ports = []
        for command in commands:
            ports.append(free_port())
            stack.enter_context(serving(command(ports[-1]), ports[-1]))
        return [[run_load(port, request) for port in ports] for _ in range(ROUNDS)]


def rates(rounds: list[list[tuple[float, list[float]]]]) -> tuple[float, float, float]:
    """Return the median requests per second of both servers, and the median ratio."""
    first, second = (statistics.median(r[i][0] for r in rounds) for i in (0, 1))
    return first, second, statistics.median(r[0][0] / r[1][0] for r in rounds)


def rate(folder: Path) -> list[str]:
    """Requests about one row of 50 columns, beside a handler that does nothing."""
    model, request = model_of(folder, 50)
    rounds = side_by_side(
        [lambda port: narrows(model, port), lambda port: [sys.executable, "-c", EMPTY % port]],
        request,
    )
    ours, empty, ratio = rates(rounds)
    times = [t for r in rounds for t in r[0][1]]
    middle, slow = quantile(times, 0.5), quantile(times, 0.99)
    return [
        "| one row of 50 columns, 32 connections | requests/s | p50 | p99 |",
        "|---|--:|--:|--:|",
        f"| `narrows serve`, `/v1/encode` | {ours:,.0f} | {middle:.1f} ms | {slow:.1f} ms |",
        f"| an empty FastAPI handler | {empty:,.0f} | | |",
        f"| ratio (target .6); p99 over p50 (target 4) | {ratio:.2f} | | {slow / middle:.1f} |",
    ]


def batches(folder: Path) -> list[str]:
    """Requests about one row of 784 columns, with and without micro-batches."""
    model, request = model_of(folder, 784)
    rounds = side_by_side(
        [
            lambda port: narrows(model, port),
            lambda port: narrows(model, port, "--batch-rows", "1"),
        ],
        request,
    )
    together, alone, ratio = rates(rounds)
    return [
        "| one row of 784 columns, 32 connections | requests/s |",
        "|---|--:|",
        f"| what waits goes to the model together | {together:,.0f} |",
        f"| one request at a time (`--batch-rows 1`) | {alone:,.0f} |",
        f"| ratio (target 2) | {ratio:.2f} |",
    ]


def slow(folder: Path) -> list[str]:
    """500 connections that send a byte a second, and how long /health takes meanwhile."""
    model, request = model_of(folder, 50)
    port = free_port()
    health = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"

    async def attack() -> tuple[list[float], int]:
        half = len(request) // 2
        writers = []
        for number in range(500):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request[: 10 if number % 2 else half])
            writers.append(writer)
        times: list[float] = []
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        while time.perf_counter() - started < 15:
            for writer in writers:
                if not writer.is_closing():
                    writer.write(b" ")
            own: list[float] = []
            _, protocol = await loop.create_connection(
                lambda own=own: Connection(health, own, {}), "127.0.0.1", port
            )
            await asyncio.sleep(0.1)
            protocol.ending = True
            times += own[:-1]
        closed = sum(writer.transport.is_closing() for writer in writers)
        return times, closed

    with serving(narrows(model, port), port):
        times, closed = asyncio.run(attack())
    return [
        "| 500 connections that send a byte every .1 s, for 15 s | |",
        "|---|--:|",
        f"| /health, of {len(times):,} requests: p50 | {quantile(times, 0.5):.2f} ms |",
        f"| p99 (target 1 s) | {quantile(times, 0.99):.2f} ms |",
        f"| slow connections that were closed by then | {closed} |",
    ]


def resident(pid: int) -> float:
    """Return what a process has in memory, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def body(folder: Path) -> list[str]:
    """A body of 1 GB, and what the process takes up meanwhile."""
    model, _ = model_of(folder, 50)
    port = free_port()
    chunk = b"x" * (1 << 20)
    with serving(narrows(model, port), port) as process:
        before = peak = resident(process.pid)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(request_of("/v1/encode", b"").replace(b"length: 0", b"length: %d" % (
                1024 * len(chunk)
            )))  # fmt: skip
            for _ in range(1024):
                client.sendall(chunk)
                peak = max(peak, resident(process.pid))
            status = client.recv(100)[9:12].decode()
    return [
        "| a body of 1 GB | |",
        "|---|--:|",
        f"| status | {status} |",
        f"| resident before, at most meanwhile | {before:.0f}, {peak:.0f} MB |",
    ]


def token(folder: Path) -> list[str]:
    """How long tokens take to be refused that begin like the right one, or do not."""
    model, _ = model_of(folder, 50)
    port = free_port()
    right = "0123456789abcdef" * 4
    (folder / "token").write_text(right)
    (folder / "token").chmod(0o600)
    wrong = {n: right[:n] + "x" * (len(right) - n) for n in (0, len(right) // 2, len(right) - 1)}
    times: dict[int, list[float]] = {n: [] for n in wrong}
    with serving(narrows(model, port, "--token-file", str(folder / "token")), port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(TOKENS):
            for n, text in wrong.items():  # in turn: what disturbs one disturbs all
                started = time.perf_counter()
                connection.request("POST", "/v1/encode", b"{}", {"authorization": f"Bearer {text}"})
                reply = connection.getresponse()
                reply.read()
                times[n].append(time.perf_counter() - started)
                assert reply.status == 401
    medians = {n: statistics.median(own) * 1e6 for n, own in times.items()}
    halves = [statistics.median(times[0][start::2]) * 1e6 for start in (0, 1)]
    return [
        f"| {TOKENS:,} wrong tokens of {len(right)} characters of each kind, in turn | |",
        "|---|--:|",
        *(f"| first {n} characters right: median | {own:.1f} µs |" for n, own in medians.items()),
        f"| largest difference | {max(medians.values()) - min(medians.values()):.1f} µs |",
        f"| between two halves of the first kind | {abs(halves[0] - halves[1]):.1f} µs |",
    ]


def load_of_minutes(folder: Path, minutes: float) -> list[str]:
    """Load for a while, and what the process takes up: first after a tenth, then at the end."""
    model, request = model_of(folder, 50)
    port = free_port()
    sizes, total = [], 0.0
    with serving(narrows(model, port), port) as process:
        slices = 10
        for _ in range(slices):
            seconds = 60 * minutes / slices
            per_second, _ = run_load(port, request, seconds / 1.25, 8, PAUSE)
            total += per_second * seconds
            sizes.append(resident(process.pid))
    growth = sizes[-1] / sizes[0] - 1
    return [
        f"| 8 connections that pause {PAUSE:g} s between requests, for {minutes:g} minutes | |",
        "|---|--:|",
        f"| requests | {total:,.0f} |",
        f"| resident after a tenth, at the end | {sizes[0]:.0f}, {sizes[-1]:.0f} MB |",
        f"| growth (target at most 5 %) | {growth:.1%} |",
    ]


PARTS: dict[str, Callable[[Path], list[str]]] = {
    "rate": rate,
    "batches": batches,
    "slow": slow,
    "body": body,
    "token": token,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "load"], default=[*PARTS, "load"])
    parser.add_argument("--minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parts = {**PARTS, "load": lambda folder: load_of_minutes(folder, arguments.minutes)}
    for part in arguments.only:
        with tempfile.TemporaryDirectory() as name:
            lines = parts[part](Path(name))
        print("\n".join(lines), flush=True)
        print()
        replace_part(PAGE, part, lines)


if __name__ == "__main__":
    main()
