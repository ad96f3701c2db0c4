"""A service under requests that nobody means well with, and for a long time."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows import Autoencoder

pytest.importorskip("fastapi_offline", reason="needs the extra serve")

pytestmark = pytest.mark.promise(id="R11")

RECEIVE_SECONDS = 2.0
MOST_GROWTH = 0.05


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The process number and the port of a service of two models."""
    folder = tmp_path_factory.mktemp("serving")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["site"], frame["sick"] = np.where(X[:, 0] > 0, "north", "south"), X[:, 1] > 0
    short = {"max_epochs": 2, "random_state": 0}
    Autoencoder(2, **short).fit(frame).save(folder / "mixed")
    views = {"left": [0, 1], "right": [2, 3]}
    Autoencoder(2, views=views, **short).fit(X).save(folder / "views")
    command = [sys.executable, "-m", "narrows", "serve", "--port", "0"]
    for name in ("mixed", "views"):
        command += ["--model", f"{name}={folder / name}"]
    command += ["--receive-seconds", str(RECEIVE_SECONDS)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(narrows.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
    }
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log, env=environment)
        try:
            yield process.pid, port_of(folder / "log")
        finally:
            process.terminate()
            assert process.wait(60) == 0
        text = (folder / "log").read_text()
    assert "Traceback" not in text
    assert "northern" not in text  # nothing of a body


def port_of(log: Path) -> int:
    for _ in range(600):
        ready = re.search(r"at http://127.0.0.1:(\d+);", log.read_text())
        if ready:
            return int(ready[1])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def resident(process: int) -> int:
    """Return what a process has in memory, in kB."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    assert found is not None
    return int(found[1])


def status_of(port: int, path: str, body: bytes | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


def send_endlessly(port: int, megabytes: int) -> int:
    """Send a body that long, and return the status of the answer."""
    chunk = b"x" * (1 << 20)
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(
            b"POST /v1/encode HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % (megabytes * len(chunk))
        )
        for _ in range(megabytes):
            client.sendall(chunk)
        return int(client.recv(100)[9:12])


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_large_body_is_let_go_of(service: tuple[int, int], megabytes: int) -> None:
    process, port = service
    assert status_of(port, "/health") == 200
    before = resident(process)
    assert send_endlessly(port, megabytes) == 413
    assert resident(process) < before + 30_000  # 8 MB may be held


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_slow_clients_hold_nobody_up(
    service: tuple[int, int], count: int, tried: Callable[[int], None]
) -> None:
    port = service[1]
    head = b"POST /v1/encode HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            client.sendall(head if number % 2 else head[:20])
            clients.append(client)
        seconds = []
        for _ in range(100):
            began = time.perf_counter()
            assert status_of(port, "/health") == 200
            seconds.append(time.perf_counter() - began)
        assert np.quantile(seconds, 0.99) < 1
        began = time.perf_counter()
        ends = [client.recv(100) for client in clients]
        assert time.perf_counter() - began < 5 * RECEIVE_SECONDS
    assert {end[9:12] for end in ends} == {b"", b"408"}
    tried(count)


def send_headers(client: socket.socket, count: int) -> None:
    for number in range(count):
        client.sendall(b"x-%d: %s\r\n" % (number, b"y" * 10_000))


def test_headers_without_end_are_not_kept(service: tuple[int, int]) -> None:
    process, port = service
    assert status_of(port, "/health") == 200
    before = resident(process)
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"POST /v1/encode HTTP/1.1\r\nhost: localhost\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_headers(client, 10_000)
    assert resident(process) < before + 30_000
    assert status_of(port, "/health") == 200


def test_requests_of_all_shapes_are_answered(service: tuple[int, int]) -> None:
    """In parts, in chunks, several at once, of an older HTTP: none hangs, none is a failure."""
    port = service[1]
    body = b'{"rows": [[1, 2, 3, 4, "north", true]]}'
    path = b"/v1/models/mixed/encode"
    head = b"host: localhost\r\ncontent-type: application/json\r\n"
    whole = b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (path, head, len(body), body)
    chunked = b"POST %s HTTP/1.1\r\n%stransfer-encoding: chunked\r\n\r\n" % (path, head)
    chunked += b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    older = whole.replace(b"HTTP/1.1", b"HTTP/1.0")
    for request, count in ((whole * 3, 3), (chunked, 1), (older, 1), (b"nonsense\r\n\r\n", 1)):
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            for place in range(0, len(request), 50):
                client.sendall(request[place : place + 50])
            said = b""
            while said.count(b"HTTP/1.1 ") < count or not said.endswith((b"}", b".")):
                part = client.recv(65536)
                if not part:
                    break
                said += part
        statuses = re.findall(rb"HTTP/1.1 (\d+)", said)
        wanted = b"400" if b"nonsense" in request else b"200"
        assert statuses == [wanted] * count, said


def test_a_body_that_says_it_is_long_is_refused_before_it_is_sent(
    service: tuple[int, int],
) -> None:
    with socket.create_connection(("127.0.0.1", service[1]), 30) as client:
        client.sendall(
            b"POST /v1/encode HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
            b"content-length: 999999999999\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("seconds", [3, pytest.param(300, marks=pytest.mark.slow)])
def test_load_does_not_grow(service: tuple[int, int], seconds: int) -> None:
    process, port = service
    bodies = [
        b'{"rows": [[1, 2, 3, 4, "north", true]]}',
        b'{"rows": [[1, null, 3, 4, "northern", null]]}',
        b'{"rows": [[1, 2, 3, 4, 5, 6]]}',
        b"{",
    ]
    paths = [f"/v1/models/mixed/{task}" for task in ("encode", "score", "impute", "explain")]
    ends = time.monotonic() + seconds
    sizes: list[int] = []

    def load(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        turn = number
        while time.monotonic() < ends:
            body, path = bodies[turn % len(bodies)], paths[turn // 7 % len(paths)]
            connection.request("POST", path, body, {"content-type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            assert reply.status < 500
            turn += 1
        connection.close()

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    sizes.append(resident(process))
    for thread in threads:
        thread.join()
    sizes.append(resident(process))
    assert sizes[1] < sizes[0] * (1 + MOST_GROWTH)
    tasks = len(list(Path(f"/proc/{process}/task").iterdir()))
    assert tasks < 20


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_requests_that_a_machine_makes_up_never_break_it(
    service: tuple[int, int], count: int, tmp_path: Path, tried: Callable[[int], None]
) -> None:
    """By schemathesis, from the service's own description."""
    pytest.importorskip("schemathesis", reason="needs schemathesis")
    port = service[1]
    asked = requests_of(port)
    for seed in range(100):
        command = [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("run", f"http://127.0.0.1:{port}/openapi.json", "--seed", str(seed)),
            *("--checks", "not_a_server_error", "--generation-database", "none"),
            *("--max-examples", "10" if count < 1000 else "300"),
            *("--phases", "examples,coverage,fuzzing" if seed else "fuzzing"),
        ]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stdout[-3000:]
        if requests_of(port) - asked >= count:
            break
    assert requests_of(port) - asked >= count
    tried(int(requests_of(port) - asked))
    assert 'status="500"' not in metrics_of(port)


def metrics_of(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def requests_of(port: int) -> float:
    """Return how many requests about rows a service has answered."""
    counts = re.findall(r"(?m)^narrows_requests_total\{.*\} (\S+)$", metrics_of(port))
    return sum(map(float, counts))
