"""Ask an ASGI application as a server would, without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    query: str = "",
    pause: float = 0.0,
) -> Reply:
    """Send a request, its body in parts where several are given, and return what came back."""
    parts = [body] if isinstance(body, bytes) else list(body)
    pairs = {"host": "localhost", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "state": {},
    }
    rest = list(parts)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not rest:
            return {"type": "http.disconnect"}
        if pause:
            await asyncio.sleep(pause)
        part = rest.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(rest)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    pairs = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return Reply(sent[0]["status"], pairs, content)


def rows(content: Any) -> bytes:
    """Return a body of JSON."""
    return json.dumps(content).encode()


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Let an application begin and end."""
    steps: asyncio.Queue[str] = asyncio.Queue()
    done: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": await steps.get()}

    async def send(message: Any) -> None:
        await done.put(message["type"])

    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, receive, send))
    await steps.put("lifespan.startup")
    assert await done.get() == "lifespan.startup.complete"
    try:
        yield
    finally:
        await steps.put("lifespan.shutdown")
        assert await done.get() == "lifespan.shutdown.complete"
        await task
