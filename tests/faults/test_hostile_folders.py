"""Mutated model folders: loaded or refused as a model file, never anything else, and soon."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

import narrows
from narrows import Autoencoder, Dense, Masking, WeightDecay
from narrows.errors import ModelFileError
from narrows.persistence.files import CONFIG, TENSORS

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 10**40, 1e-300, 1e300, "", "evil", "relu",
    "os/system", "torch/Adam", "loss/huber", "1.0", "2.0", "\ud800", [], [1], [[]], [-1, 2],
    ["a"] * 5, [10**9, 10**9], {}, {"part": "x"}, {"part": "loss/huber"}, {"part": "torch/Adam"},
    {"part": "penalty/sum", "penalties": []}, {"part": 1}, {"__class__": "os"},
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a model that uses every kind of part."""
    model = Autoencoder(
        2,
        architecture=Dense((4,), activation="tanh"),
        penalty=WeightDecay() + WeightDecay(),
        corruption=Masking(),
        max_epochs=2,
        random_state=0,
    ).fit(load_iris(as_frame=True).data)
    folder = tmp_path_factory.mktemp("models") / "model"
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def places(data: Any) -> list[tuple[Any, Any]]:
    """Return every container in plain data with each of its keys."""
    if not isinstance(data, (dict, list)):
        return []
    keys = list(data) if isinstance(data, dict) else list(range(len(data)))
    return [(data, key) for key in keys] + [found for key in keys for found in places(data[key])]


def mutate_data(data: Any, generator: random.Random) -> None:
    container, key = generator.choice(places(data))
    action = generator.randrange(3)
    if action == 0:
        del container[key]
    elif action == 1 and isinstance(container, dict):
        name = generator.choice(["part", "evil", "hidden"])
        container[name] = copy.deepcopy(generator.choice(VALUES))  # the next change may be in it
    else:
        container[key] = copy.deepcopy(generator.choice(VALUES))


def mutate_bytes(content: bytes, generator: random.Random) -> bytes:
    altered = bytearray(content)
    start = generator.randrange(len(altered))
    action = generator.randrange(4)
    if action == 0:
        altered[start] ^= 1 << generator.randrange(8)
    elif action == 1:
        del altered[start:]
    elif action == 2:
        del altered[start : start + generator.randrange(1, 20)]
    else:
        altered[start:start] = generator.randbytes(generator.randrange(1, 20))
    return bytes(altered)


def with_config_data(files: dict[str, bytes], generator: random.Random) -> None:
    config = json.loads(files[CONFIG])
    for _ in range(generator.randrange(1, 3)):
        mutate_data(config, generator)
    files[CONFIG] = json.dumps(config).encode()


def with_config_bytes(files: dict[str, bytes], generator: random.Random) -> None:
    files[CONFIG] = mutate_bytes(files[CONFIG], generator)


def with_tensor_bytes(files: dict[str, bytes], generator: random.Random) -> None:
    _sign(files, mutate_bytes(files[TENSORS], generator))


def with_tensor_header(files: dict[str, bytes], generator: random.Random) -> None:
    payload = files[TENSORS]
    (size,) = struct.unpack_from("<Q", payload)
    header = json.loads(payload[8 : 8 + size])
    mutate_data(header, generator)
    text = json.dumps(header).encode()
    _sign(files, struct.pack("<Q", len(text)) + text + payload[8 + size :])


def _sign(files: dict[str, bytes], payload: bytes) -> None:
    """Put tensors in with the checksum that belongs to them, as an attacker would."""
    config = json.loads(files[CONFIG])
    config["sha256"] = {TENSORS: hashlib.sha256(payload).hexdigest()}
    files[TENSORS] = payload
    files[CONFIG] = json.dumps(config).encode()


MUTATIONS: tuple[Callable[[dict[str, bytes], random.Random], None], ...] = (
    with_config_data,
    with_config_bytes,
    with_tensor_bytes,
    with_tensor_header,
)


def check_mutations(files: dict[str, bytes], folder: Path, count: int) -> None:
    folder.mkdir()
    refused = 0
    for seed in range(count):
        mutated, generator = dict(files), random.Random(seed)
        MUTATIONS[seed % len(MUTATIONS)](mutated, generator)
        for name, content in mutated.items():
            (folder / name).write_bytes(content)
        start = time.perf_counter()
        try:
            narrows.load(folder)
        except ModelFileError:
            refused += 1
        except Exception as error:
            error.add_note(f"mutation with seed {seed}")
            raise
        assert time.perf_counter() - start < 5, seed
    assert refused > count / 2


def test_400_mutated_folders_are_loaded_or_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    check_mutations(files, tmp_path / "model", 400)


@pytest.mark.slow
def test_100000_mutated_folders_are_loaded_or_refused(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    check_mutations(files, tmp_path / "model", 100_000)
