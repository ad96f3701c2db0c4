"""The application: addresses, and what answers there."""

from __future__ import annotations

import contextlib
import logging
import time
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from typing import Any

from narrows.core.extras import required
from narrows.core.types import Json
from narrows.serving import openapi
from narrows.serving.guard import BODY, HEADERS, App, Guard, Receive, Scope, Send, respond
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem, failure
from narrows.serving.served import Served
from narrows.serving.service import Service, Watcher
from narrows.serving.tasks import TASKS

log = logging.getLogger("narrows.serving")


class Tasks:
    """An ASGI application that answers for the tasks of models, and leaves the rest to another.

    Parameters
    ----------
    service : Service
        Whose models they are.
    rest : ASGI application
        Answers at all other addresses.
    """

    def __init__(self, service: Service, rest: App) -> None:
        self.service = service
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        where = _task_at(scope["path"]) if scope["type"] == "http" else None
        if where is None:
            await self.rest(scope, receive, send)
            return
        if scope["method"] != "POST":
            raise Problem(405, "rows are sent by POST", headers=[("allow", "POST")])
        name, task = where
        await self._answer(name or self.service.default, task, scope, send)

    async def _answer(self, name: str, name_of_task: str, scope: Scope, send: Send) -> None:
        """Answer for one task, and count it."""
        service, begun = self.service, time.perf_counter()
        n_rows, status = 0, 500
        try:
            served, task = service.find(name, name_of_task)
            content_type = scope[HEADERS].get(b"content-type", b"").decode("latin-1")
            query = dict(urllib.parse.parse_qsl(scope["query_string"].decode("latin-1")))
            content, kind, n_rows = await service.ask(
                scope[BODY], content_type, query, served, task
            )
            status = 200
        except Problem as problem:
            status = problem.status
            raise
        except Exception as error:
            log.exception("%s failed", name_of_task)
            raise failure() from error
        finally:
            label = name if name in service.models else "unknown"
            seconds = time.perf_counter() - begun
            service.metrics.answered(label, name_of_task, str(status), n_rows, seconds)
        of_model = (b"x-narrows-model", f"{served.name} {served.version}".encode())
        await respond(send, status, content, kind, [of_model])


def _task_at(path: str) -> tuple[str, str] | None:
    """Return the model, if one is named, and the task that an address means; None of others."""
    model, _, task = path.removeprefix("/v1/").rpartition("/")
    if task not in TASKS or not path.startswith("/v1/"):
        return None
    if not model:
        return "", task
    front, _, name = model.partition("/")
    return (name, task) if front == "models" and name and "/" not in name else None


def make_app(
    models: Mapping[str, Any], *, limits: Limits | None = None, token: str | None = None
) -> App:
    """Return an ASGI application that serves fitted models.

    Parameters
    ----------
    models : mapping of str to estimator
        By the name that addresses have; requests that name none mean the first one.
    limits : Limits, optional
        What it takes.
    token : str, optional
        That clients must send as ``Authorization: Bearer TOKEN``. Without one, requests must be
        addressed to localhost.

    Raises
    ------
    MissingDependencyError
        If the extra ``serve`` is not installed.
    """
    served = {
        name: model if isinstance(model, Served) else Served(model, name)
        for name, model in models.items()
    }
    return app_of(Service(served, limits), token=token)


def app_of(service: Service, *, token: str | None = None, watcher: Watcher | None = None) -> App:
    """Return the application of a service, which a watcher may run beside."""
    offline = required("fastapi_offline", extra="serve", purpose="narrows serve")
    responses = required("starlette.responses", extra="serve", purpose="narrows serve")

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        service.start()
        if watcher is not None:
            watcher.start()
        yield
        if watcher is not None:
            watcher.stop()
        service.stop()

    app = offline.FastAPIOffline(
        redoc_url=None, title="narrows", version=version("narrows"), lifespan=lifespan
    )
    app.openapi = lambda: openapi.describe(service.models)
    _add_state(app, service, responses)
    _add_models(app, service, responses)
    _add_problems(app, responses)
    return Guard(Tasks(service, app), service.limits, token)


def _add_state(app: Any, service: Service, responses: Any) -> None:
    """Add what tells of the process."""

    @app.get("/health")  # type: ignore[untyped-decorator]
    async def health() -> Json:
        return {"status": "ok"}

    @app.get("/ready")  # type: ignore[untyped-decorator]
    async def ready() -> Any:
        content = {"status": "ready" if service.is_ready else "not ready"}
        return responses.JSONResponse(content, 200 if service.is_ready else 503)

    @app.get("/metrics")  # type: ignore[untyped-decorator]
    async def metrics() -> Any:
        kind = service.metrics.client.CONTENT_TYPE_LATEST
        return responses.Response(service.metrics.text(), media_type=kind)


def _add_models(app: Any, service: Service, responses: Any) -> None:
    """Add what tells of the models."""

    async def models(request: Any) -> Any:
        return responses.JSONResponse({"models": list(service.models), "default": service.default})

    def meant(request: Any) -> Served:
        return service.model(request.path_params.get("model", service.default))

    async def model(request: Any) -> Any:
        return responses.JSONResponse(openapi.model_in_words(meant(request)))

    async def drift(request: Any) -> Any:
        served = meant(request)
        if served.drift is None:
            raise Problem(
                404, "the model keeps no scores of its training; fit it again with this version"
            )
        return responses.JSONResponse({"model": served.name, **served.drift.summary()})

    for path, endpoint in (
        ("/v1/models", models),
        ("/v1/model", model),
        ("/v1/drift", drift),
        ("/v1/models/{model}", model),
        ("/v1/models/{model}/drift", drift),
    ):
        app.add_route(path, endpoint, methods=["GET"])


def _add_problems(app: Any, responses: Any) -> None:
    """Answer with what is wrong, and with as little as can be where that is with us."""

    async def problem(request: Any, error: Problem) -> Any:
        return responses.JSONResponse(error.content, error.status, headers=dict(error.headers))

    async def unexpected(request: Any, error: Exception) -> Any:
        return await problem(request, failure())

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(Exception, unexpected)
