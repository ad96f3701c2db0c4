"""Models that are put in place while requests are answered."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_calls import ask, rows, running

from narrows import Autoencoder, load
from narrows.serving.app import app_of
from narrows.serving.served import Served
from narrows.serving.service import Service, Watcher, signature

pytest.importorskip("fastapi_offline", reason="needs the extra serve")

X = np.random.default_rng(0).normal(size=(60, 4))


def model(seed: int) -> Autoencoder:
    return Autoencoder(2, max_epochs=1, random_state=seed).fit(X)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model(0).save(tmp_path / "model")
    return tmp_path / "model"


def test_a_new_model_is_put_in_place(folder: Path) -> None:
    service = Service({"model": Served.load(folder)})
    watcher = Watcher(service, {"model": folder}, seconds=0.01)
    other = model(1)

    async def run() -> list[Any]:
        app = app_of(service, watcher=watcher)
        body = rows({"rows": X[:1].tolist()})
        async with running(app):
            replies = [await ask(app, "/v1/encode", body)]
            other.save(folder)
            for _ in range(500):
                replies.append(await ask(app, "/v1/encode", body))
                if replies[-1].headers != replies[0].headers:
                    break
                await asyncio.sleep(0.01)
            return replies

    replies = asyncio.run(run())
    assert {reply.status for reply in replies} == {200}
    np.testing.assert_allclose(replies[-1].json["codes"], other.transform(X[:1]), rtol=1e-9)
    assert b'narrows_reloads_total{model="model",outcome="replaced"} 1.0' in service.metrics.text()


def test_a_model_that_cannot_be_trusted_is_not(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service({"model": Served.load(folder)})
    watcher = Watcher(service, {"model": folder})
    before = service.models["model"]
    tensors = folder / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-8])
    config = folder / "config.json"
    config.write_text(config.read_text() + " ")
    watcher.look("model")
    watcher.look("model")
    assert service.models["model"] is before
    assert caplog.text.count("model model stays as it is") == 1
    text = service.metrics.text()
    assert b'narrows_reloads_total{model="model",outcome="refused"} 1.0' in text


def test_a_model_that_is_saved_while_the_old_one_is_loaded_is_not_missed(folder: Path) -> None:
    def slow(path: str | Path) -> Any:
        loaded = load(path)
        other.save(folder)
        return loaded

    other = model(1)
    service = Service({"model": Served.load(folder, load=slow)})
    Watcher(service, {"model": folder}).look("model")
    codes = service.models["model"].estimator.transform(X)
    np.testing.assert_array_equal(codes, other.transform(X))


def test_what_is_served_already_is_not_loaded_again(folder: Path) -> None:
    service = Service({"model": Served.load(folder)})
    before = service.models["model"]
    Watcher(service, {"model": folder}).look("model")
    assert service.models["model"] is before


def test_a_folder_that_is_away_is_waited_for(folder: Path) -> None:
    service = Service({"model": Served.load(folder)})
    watcher = Watcher(service, {"model": folder})
    before = service.models["model"]
    shutil.rmtree(folder)
    watcher.look("model")
    assert signature(folder) is None
    assert service.models["model"] is before
    model(1).save(folder)
    watcher.look("model")
    assert service.models["model"].version != before.version


def test_questions_of_two_versions_are_not_mixed(folder: Path) -> None:
    """Rows that waited when the model changed are answered by the one they were asked of."""
    first = Served.load(folder)
    service = Service({"model": first})
    other = Served(model(1), "model", "v2")

    async def run() -> list[Any]:
        app = app_of(service)
        body = rows({"rows": X[:1].tolist()})
        async with running(app):
            old = [asyncio.create_task(ask(app, "/v1/encode", body)) for _ in range(5)]
            await asyncio.sleep(0)
            service.replace("model", other)
            new = [asyncio.create_task(ask(app, "/v1/encode", body)) for _ in range(5)]
            return list(await asyncio.gather(*old, *new))

    replies = asyncio.run(run())
    for reply in replies[:5]:
        np.testing.assert_allclose(reply.json["codes"], first.estimator.transform(X[:1]), rtol=1e-9)
        assert reply.headers["x-narrows-model"].endswith(first.version)
    for reply in replies[5:]:
        np.testing.assert_allclose(reply.json["codes"], other.estimator.transform(X[:1]), rtol=1e-9)
