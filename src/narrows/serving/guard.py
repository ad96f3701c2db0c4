"""What a request passes before anything reads it: who asks, how much, and in what time."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from narrows.serving.limits import Limits
from narrows.serving.problem import Problem, busy

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the inner application finds what was received.
BODY, HEADERS = "narrows.body", "narrows.headers"
OPEN = ("/health", "/ready")  # for whoever watches over the process
# For programs, and for browsers, which do not read two of them in one line.
CHALLENGES = (("www-authenticate", "Bearer"), ("www-authenticate", 'Basic realm="narrows"'))
ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
LOCAL = (b"localhost", b"127.0.0.1", b"[::1]")


class Gone(Exception):  # noqa: N818 - no failure of ours
    """Whoever asked has closed the connection."""


class Guard:
    """An ASGI application around another, which gets requests whole, or not at all.

    Parameters
    ----------
    app : ASGI application
        Finds the body of a request in its scope.
    limits : Limits
        Of a body: its bytes, and the time it may take.
    token : str, optional
        What a client must know, as a bearer's token, or a browser as a password with any name.
        Without one, requests must be addressed to this machine by name, so that no page in a
        browser can send them on behalf of another host.
    """

    def __init__(self, app: App, limits: Limits, token: str | None) -> None:
        self.app = app
        self.limits = limits
        self.token = None if token is None else token.encode()
        self.n_held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            self._admit(scope["path"], headers)
            body = await self._body(receive, headers)
        except Problem as problem:  # what else comes on this connection may be its rest
            await refuse(send, problem, [(b"connection", b"close")])
            return
        except Gone:
            return
        scope[BODY], scope[HEADERS] = body, headers
        try:
            await self.app(scope, receive, send)
        except Problem as problem:
            await refuse(send, problem)
        finally:
            self.n_held -= len(body)

    def _admit(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Refuse who may not ask."""
        if path in OPEN:
            return
        if self.token is None:
            host = headers.get(b"host", b"localhost").rsplit(b":", 1)[0].lower()
            if host not in LOCAL and headers.get(b"host", b"").lower() not in LOCAL:
                raise Problem(
                    403, "without a token this service answers to localhost; address it so"
                )
            return
        if not hmac.compare_digest(_token_in(headers.get(b"authorization", b"")), self.token):
            raise Problem(
                401,
                "the token is missing or another one; send it as Authorization: Bearer TOKEN",
                headers=CHALLENGES,
            )

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytearray:
        """Return the body, counted while it comes."""
        declared = headers.get(b"content-length", b"0")
        too_long = not declared.isdigit() or int(declared[:20]) > self.limits.max_bytes
        if too_long and b"expect" in headers:  # its sender waits for a word before it sends
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.receive_seconds):
                more = True
                while more:
                    chunk, more = await _next(receive)
                    too_long = too_long or len(body) + len(chunk) > self.limits.max_bytes
                    # Of what is too long the rest is let go of, so that its sender can read why.
                    self._hold(body, b"" if too_long else chunk)
                    if too_long:
                        self._release(body)
        except TimeoutError:
            self._release(body)
            seconds = self.limits.receive_seconds
            late = Problem(408, f"the body was not there within {seconds:g} seconds")
            raise (self._too_large() if too_long else late) from None
        except BaseException:
            self._release(body)
            raise
        if too_long:
            raise self._too_large()
        return body

    def _hold(self, body: bytearray, chunk: bytes) -> None:
        """Add a part to a body, while there is room for all of them."""
        body += chunk
        self.n_held += len(chunk)
        if self.n_held > self.limits.max_held_bytes:
            raise busy()

    def _release(self, body: bytearray) -> None:
        self.n_held -= len(body)
        body.clear()

    def _too_large(self) -> Problem:
        return Problem(
            413, f"the body is larger than {self.limits.max_bytes:,} bytes; send fewer rows at once"
        )


def _token_in(authorization: bytes) -> bytes:
    """Return the token that a header holds; of a browser, which asks for a password, that."""
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether there is more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message.get("body", b""), message.get("more_body", False)


async def refuse(send: Send, problem: Problem, headers: Headers = ()) -> None:
    """Answer with a problem."""
    own = [(name.encode(), value.encode()) for name, value in problem.headers]
    content = json.dumps(problem.content).encode()
    await respond(send, problem.status, content, "application/json", [*own, *headers])


async def respond(
    send: Send, status: int, content: bytes, kind: str, headers: Headers = ()
) -> None:
    """Answer with a body."""
    pairs = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(content)).encode()),
        *ALWAYS,
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
