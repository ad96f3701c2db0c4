"""``narrows serve``: models in, answers over HTTP out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from narrows.cli import options
from narrows.cli import output as out
from narrows.cli.verb import verb
from narrows.serving.limits import Limits

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

BOUNDS = {  # of `Limits`, which has their defaults
    "max_bytes": "Of the body of a request.",
    "max_rows": "Of a request.",
    "max_waiting": "Requests that may wait for a model; the next ones are sent away (503).",
    "receive_seconds": "Within which a request must be there.",
    "batch_rows": "That a model is given at once, of requests that wait.",
}


def bounds(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each bound."""
    for name, text in reversed(BOUNDS.items()):
        default = getattr(Limits, name)
        kind = click.IntRange(1) if isinstance(default, int) else click.FloatRange(0, min_open=True)
        flag = f"--{name.replace('_', '-')}"
        option = click.option(flag, type=kind, default=default, show_default=True, help=text)
        function = option(function)
    return function


@verb(name="serve")
@click.argument("model", metavar="[MODEL]", type=click.Path(), required=False)
@click.option(
    "--model",
    "named",
    metavar="NAME=FOLDER",
    multiple=True,
    help="A model of several, by the name that addresses have (may be repeated).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Where to listen; 0 takes one that is free.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(),
    help="What clients must know, in its first line; needed beyond this machine.",
)
@click.option("--watch", is_flag=True, help="Put a model in place when its folder holds another.")
@bounds
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Of a model, for one batch.",
)
@click.option("--access-log", is_flag=True, help="Write a line for each request.")
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str | None,
    named: tuple[str, ...],
    host: str,
    port: int,
    token_file: str | None,
    watch: bool,
    threads: int,
    access_log: bool,
    quiet: bool,
    **sizes: Any,
) -> None:
    """Answer requests about MODEL over HTTP, until SIGTERM or Ctrl-C.

    POST rows to /v1/encode, /v1/score, /v1/impute and others: /docs lists them, with an example of
    the model's own columns.

    \b
    narrows serve model
    narrows serve model --host 0.0.0.0 --port 8080 --token-file token --watch
    narrows serve --model north=north_model --model south=south_model
    """
    import torch

    from narrows.cli import models
    from narrows.errors import ParameterError
    from narrows.serving import server
    from narrows.serving.app import app_of
    from narrows.serving.served import Served
    from narrows.serving.service import Service, Watcher

    folders = _folders(model, named)
    if token_file is None and not server.is_loopback(host):
        raise ParameterError(
            f"--host {host} can be reached from other machines; give a --token-file (make one: "
            "openssl rand -hex 32 > token), or listen on 127.0.0.1"
        )
    token = None if token_file is None else server.read_token(token_file)
    if token_file is not None and server.is_open(token_file):
        out.warning(f"everybody on this machine can read {token_file}; chmod 600 {token_file}")
    limits = Limits(**sizes)
    torch.set_num_threads(threads)
    loaded = {name: Served.load(folder, name, load=models.load) for name, folder in folders.items()}
    service = Service(loaded, limits)
    watcher = Watcher(service, folders) if watch else None
    app = app_of(service, token=token, watcher=watcher)
    listener = server.bind(host, port)
    address = f"[{host}]" if ":" in host else host
    where = f"http://{address}:{listener.getsockname()[1]}"

    def ready() -> None:
        listed = ", ".join(f"{name} ({served.version})" for name, served in service.models.items())
        out.message(f"serving {listed} at {where}; the tasks: {where}/docs", quiet=quiet)

    server.run(app, listener, limits, access_log=access_log, ready=ready)
    out.message("all requests were answered; the end", quiet=quiet)


def _folders(model: str | None, named: tuple[str, ...]) -> dict[str, Path]:
    """Return the folders of models by name."""
    from narrows.errors import ParameterError

    if (model is None) == (not named):
        raise ParameterError(
            "give one MODEL, or several as --model NAME=FOLDER; not both, and not neither"
        )
    if model is not None:
        return {"model": Path(model)}
    folders: dict[str, Path] = {}
    for text in named:
        name, sign, folder = text.partition("=")
        if not (sign and folder and NAME.fullmatch(name)):
            raise ParameterError(
                f"--model {text} must be NAME=FOLDER, the name of letters, digits, '.', '-', '_'"
            )
        if name in folders:
            raise ParameterError(f"--model {name} is there twice; choose another name")
        folders[name] = Path(folder)
    return folders
