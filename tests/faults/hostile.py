"""Model folders as an attacker would write them: loaded within bounds, or refused; run as a script.

``python tests/faults/hostile.py FIRST COUNT EVERY`` reads so many mutated folders, every EVERY-th
named attack, and prints JSON: how many were tried, how many were loaded, and what broke a promise.
The folders are read by children that were forked from a process which has loaded and used models
before, so that anything that is imported, compiled, started or opened for writing is the file's
doing.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import json
import os
import random
import reprlib
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_iris

import narrows
from narrows import (
    Adversarial,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Contraction,
    Convolutional,
    Dense,
    Independence,
    MarginalizedDenoisingAutoencoder,
    Masking,
    Mixture,
    Ordinal,
    Recurrent,
    View,
    WeightDecay,
)
from narrows.errors import ModelFileError, NarrowsError
from narrows.persistence.files import CONFIG, TENSORS

Files = dict[str, bytes]

SECONDS = 5.0  # that a load may take, and as much again for what is done with the model
MEGABYTES = 100.0  # that a load may take beyond twice the files
CAP = 2 << 30  # bytes of a child: a bomb ends there, and not with the machine
BATCH = 200  # folders that a child reads
BIG = 10**5  # entries of a list that is blown up

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 10**40, 1e-300, 1e300, "", "evil", "relu",
    "os/system", "torch/Adam", "loss/huber", "1.0", "2.0", "\ud800", [], [1], [[]], [-1, 2],
    ["a"] * 5, [10**9, 10**9], {}, {"part": "x"}, {"part": "loss/huber"}, {"part": "torch/Adam"},
    {"part": "penalty/sum", "penalties": []}, {"part": 1}, {"__class__": "os"},
    10**6, 10**7, 10**8, 10**9, 10**10, 10**18, 4, 64, 0.5, "float64", "random", "gaussian",
)  # fmt: skip


def fitted() -> Iterator[tuple[str, Any]]:
    """Yield models of every kind of file, and what they are called."""
    short: dict[str, Any] = {"max_epochs": 2, "random_state": 0}
    iris = load_iris(as_frame=True)
    X, y = iris.data, iris.target
    mixed = X.assign(kind=iris.target_names[y], size=np.where(X.iloc[:, 0] > 6, "big", "small"))
    yield (
        "every part",
        Autoencoder(
            2,
            architecture=Dense((4,), activation="tanh"),
            penalty=WeightDecay() + Contraction(),
            corruption=Masking(),
            **short,
        ).fit(X),
    )
    yield "plain", Autoencoder(2, random_state=0, max_epochs=5).fit(X)
    yield (
        "columns of types",
        Autoencoder(2, types={"size": Ordinal(["small", "big"])}, **short).fit(mixed),
    )
    yield (
        "views",
        Autoencoder(
            2,
            views={"a": View([0, 1], architecture=(4,)), "b": [2, 3]},
            fusion="product_of_experts",
            latent="gaussian",
            penalty="kl",
            **short,
        ).fit(X.to_numpy()),
    )
    beside = mixed.drop(columns="size")
    yield (
        "covariates",
        Autoencoder(2, covariates=["kind"], penalty=Independence(), **short).fit(beside),
    )
    critic = Adversarial(prior=Mixture(3), hidden=(4,))
    yield "critic", Autoencoder(2, penalty=critic, architecture=(8,), **short).fit(X.to_numpy())
    images = np.random.default_rng(0).random((60, 6, 6))
    yield (
        "images",
        Autoencoder(3, architecture=Convolutional(channels=(2,)), **short).fit(images),
    )
    yield "sequences", Autoencoder(2, architecture=Recurrent(hidden=(4,)), **short).fit(images)
    holes = X.mask(np.random.default_rng(1).random(X.shape) < 0.2)
    yield "holes", Autoencoder(2, add_indicator=True, **short).fit(holes)
    yield "classifier", AutoencoderClassifier(Autoencoder(2, **short), max_epochs=2).fit(X, y)
    yield "regressor", AutoencoderRegressor(Autoencoder(2, **short), max_epochs=2).fit(X, y)
    yield "detector", AnomalyDetector(Autoencoder(2, **short)).fit(X)
    yield "marginalized", MarginalizedDenoisingAutoencoder(n_layers=2).fit(X)


def models() -> list[tuple[str, Files]]:
    """Return the files of `fitted`."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = []
        for number, (name, model) in enumerate(fitted()):
            folder = Path(place) / str(number)
            model.save(folder)
            found.append((name, {path.name: path.read_bytes() for path in folder.iterdir()}))
    return found


# Mutations


def places(data: Any) -> list[tuple[Any, Any]]:
    """Return every container in plain data with each of its keys."""
    found: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting:
        own = waiting.pop()
        if isinstance(own, (dict, list)):
            keys = list(own) if isinstance(own, dict) else list(range(len(own)))
            found += [(own, key) for key in keys]
            waiting += [own[key] for key in keys]
    return found


def mutate_data(data: Any, generator: random.Random) -> None:
    """Remove, add, replace or blow up something inside plain data."""
    container, key = generator.choice(places(data))
    action = generator.randrange(5)
    if action == 0:
        del container[key]
    elif action == 1 and isinstance(container, dict):
        name = generator.choice(["part", "evil", "hidden", "n_features_in", "estimator"])
        container[name] = copy.deepcopy(generator.choice(VALUES))  # the next change may be in it
    elif action == 2:
        container[key] = blown_up(container[key], generator)
    elif action == 3:
        other, place = generator.choice(places(data))
        container[key] = copy.deepcopy(other[place])
    else:
        container[key] = copy.deepcopy(generator.choice(VALUES))


def blown_up(value: Any, generator: random.Random) -> Any:
    """Return much more of the same."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return value * 10 ** generator.randrange(1, 12)
    if isinstance(value, str):
        return value * generator.choice([2, 1000])
    if isinstance(value, dict):
        inner = {f"{key}{number}": own for number in range(50) for key, own in value.items()}
        return {**value, **inner}
    return list(value) * generator.choice([2, 100, BIG // max(1, len(value) * 10)])


def mutate_bytes(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut, remove or add bytes."""
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


def with_config_data(files: Files, generator: random.Random) -> None:
    config = json.loads(files[CONFIG])
    for _ in range(generator.randrange(1, 3)):
        mutate_data(config, generator)
    files[CONFIG] = json.dumps(config).encode()


def with_config_bytes(files: Files, generator: random.Random) -> None:
    files[CONFIG] = mutate_bytes(files[CONFIG], generator)


def with_tensor_bytes(files: Files, generator: random.Random) -> None:
    sign(files, mutate_bytes(files[TENSORS], generator))


def with_tensor_values(files: Files, generator: random.Random) -> None:
    payload = bytearray(files[TENSORS])
    (size,) = struct.unpack_from("<Q", payload)
    start = 8 + size + 4 * generator.randrange(max(1, (len(payload) - 8 - size) // 4))
    value = generator.choice([0.0, -1.0, 1e30, -1e30, 1e-30, float("inf"), float("nan")])
    payload[start : start + 4] = struct.pack("<f", value)
    sign(files, bytes(payload))


def with_tensor_header(files: Files, generator: random.Random) -> None:
    payload = files[TENSORS]
    (size,) = struct.unpack_from("<Q", payload)
    header = json.loads(payload[8 : 8 + size])
    mutate_data(header, generator)
    text = json.dumps(header).encode()
    sign(files, struct.pack("<Q", len(text)) + text + payload[8 + size :])


def with_both(files: Files, generator: random.Random) -> None:
    with_config_data(files, generator)
    try:
        generator.choice([with_tensor_header, with_tensor_values])(files, generator)
    except (TypeError, ValueError):  # nothing is left to sign
        return


def sign(files: Files, payload: bytes) -> None:
    """Put tensors in with the checksum that belongs to them, as an attacker would."""
    config = json.loads(files[CONFIG])
    config["sha256"] = {TENSORS: hashlib.sha256(payload).hexdigest()}
    files[TENSORS] = payload
    files[CONFIG] = json.dumps(config).encode()


MUTATIONS: tuple[Callable[[Files, random.Random], None], ...] = (
    with_config_data,
    with_config_data,
    with_config_bytes,
    with_tensor_bytes,
    with_tensor_values,
    with_tensor_header,
    with_both,
)


def mutated(all_files: list[tuple[str, Files]], seed: int) -> Files:
    """Return the files of a model with something wrong, the same for a seed."""
    generator = random.Random(seed)
    files = dict(all_files[seed % len(all_files)][1])
    MUTATIONS[seed // len(all_files) % len(MUTATIONS)](files, generator)
    return files


# What is done with a folder


def use(model: Any) -> None:
    """Do what a user would first do with a model, and let it say what is wrong."""
    n_columns = int(model.n_features_in_)
    names = getattr(model, "feature_names_in_", None)
    X: Any = np.random.default_rng(0).random((5, n_columns))
    if names is not None and all(map(_is_text, names)):
        import pandas as pd

        X = pd.DataFrame(X, columns=names)
    methods = ("transform", "predict", "reconstruct", "score_samples", "impute", "predict_proba")
    done: list[Callable[[], Any]] = [
        lambda name=name: getattr(model, name)(X) for name in methods if hasattr(model, name)
    ]
    done.append(lambda: repr(model))
    if hasattr(model, "sample"):
        done.append(lambda: model.sample(3, random_state=0))
    if hasattr(model, "inverse_transform") and hasattr(model, "n_components_"):
        done.append(lambda: model.inverse_transform(np.zeros((2, int(model.n_components_)))))
    for call in done:
        with contextlib.suppress(NarrowsError):
            call()


def _is_text(name: Any) -> bool:
    """Return whether a frame of pandas may call a column so."""
    return bool(str(name).encode(errors="replace").decode() == name)


FORBIDDEN = (
    "exec",
    "compile",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "import",
)
SIGNATURE = "b'def foo("  # of a class without __init__, which inspect compiles
LISTENING = {"on": False}
HEARD: list[str] = []


def listen(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what no file may cause."""
    if not LISTENING["on"]:
        return
    if event == "open":
        path, mode, flags = (*arguments, None, None, None)[:3]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes:
            HEARD.append(f"open {path!r} for writing ({mode})")
    elif event == "compile" and str(arguments[0]).startswith(SIGNATURE):
        return
    elif event in FORBIDDEN or event.startswith("socket."):
        HEARD.append(f"{event} {str(arguments)[:200]}")


def attempt(folder: Path) -> tuple[bool, str | None]:
    """Load a folder and use the model; return whether it was loaded, and what broke a promise."""
    HEARD.clear()
    start = time.perf_counter()
    LISTENING["on"] = True
    model, wrong = None, None
    try:
        model = narrows.load(folder)
    except ModelFileError:
        pass
    except Exception as error:  # noqa: BLE001 - it is what the test reports
        wrong = f"load: {type(error).__name__}: {str(error)[:200]} {_where(error)}"
    LISTENING["on"] = False
    if HEARD:
        wrong = f"load caused {HEARD[0]}"
    seconds = time.perf_counter() - start
    if seconds > SECONDS:
        wrong = f"load took {seconds:.1f} s"
    if model is not None and wrong is None:
        start = time.perf_counter()
        try:
            use(model)
        except Exception as error:  # noqa: BLE001 - it is what the test reports
            wrong = f"use: {type(error).__name__}: {str(error)[:200]} {_where(error)}"
        if time.perf_counter() - start > SECONDS:
            wrong = f"use took {time.perf_counter() - start:.1f} s"
    return model is not None, wrong


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "narrows" in frame.filename] or list(frames)
    return f"({Path(own[-1].filename).name}:{own[-1].lineno})"


def read_in_child(folders: list[tuple[str, Files]]) -> tuple[int, list[str]]:
    """Return how many of some folders a child loaded, and what broke a promise."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            result = _read_all(folders)
        except Exception as error:  # noqa: BLE001 - it is what the test reports
            result = {"loaded": 0, "wrong": [f"the child: {type(error).__name__}: {error}"]}
        with os.fdopen(writer, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        return 0, [f"{folders[0][0]}: the child ended with status {status}"]
    result = json.loads(answer)
    return result["loaded"], result["wrong"]


def _read_all(folders: list[tuple[str, Files]]) -> dict[str, Any]:
    resource.setrlimit(resource.RLIMIT_AS, (_virtual() + CAP, resource.RLIM_INFINITY))
    loaded, wrong = 0, []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, files in folders:
            for path in folder.iterdir():
                path.unlink()
            for path, content in files.items():
                (folder / path).write_bytes(content)
            before = _peak()
            done, why = attempt(folder)
            grown, size = _peak() - before, sum(map(len, files.values())) / 1e6
            if why is None and grown > 2 * size + MEGABYTES:
                why = f"took {grown:.0f} MB for {size:.1f} MB of files"
            loaded += done
            if why is not None:
                wrong.append(f"{name}: {why}")
    return {"loaded": loaded, "wrong": wrong}


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


# Named attacks


Attack = tuple[str, Callable[[], Files]]


class Attacks:
    """Folders that ask for much, made of those of honest models when they are asked for."""

    def __init__(self, all_files: list[tuple[str, Files]]) -> None:
        self.files = dict(all_files)

    def __iter__(self) -> Iterator[Attack]:
        for size in (10**6, 10**7, 10**8, 10**9, 10**12, 2**62):
            yield from self.numbers(size)
        yield from self.layers(BIG)
        for size in (1000, BIG // 5):
            yield from self.views(size)
        for size in (BIG, 10 * BIG):
            yield from self.lists(size)
            yield from self.levels(size)
        yield from self.bytes(10 * BIG)
        yield from self.dtypes()
        for depth in (10, 100, 300):
            yield from self.depths(depth)

    def put(self, model: str, path: str, value: Any) -> Attack:
        """Return a model with another value at a path such as ``fitted/n_outputs``."""

        def change(config: Any) -> None:
            *front, last = (int(key) if key.isdigit() else key for key in path.split("/"))
            for key in front:
                config = config[key]
            config[last] = value

        return f"{path} = {reprlib.repr(value)} of {model}", self.changed(model, change)

    def changed(self, model: str, change: Callable[[Any], None]) -> Callable[[], Files]:
        def files() -> Files:
            config = json.loads(self.files[model][CONFIG])
            change(config)
            return {**self.files[model], CONFIG: json.dumps(config).encode()}

        return files

    def numbers(self, size: int) -> Iterator[Attack]:
        for model in ("plain", "views", "marginalized", "classifier", "detector", "images"):
            yield self.put(model, "fitted/n_features_in", size)
        settings = "settings/architecture"
        yield self.put("plain", "settings/n_components", size)
        yield self.put("plain", "fitted/n_components", size)
        yield self.put("plain", settings, {"part": "architecture/dense", "hidden": [size]})
        yield self.put("views", "settings/views/a/architecture", [size])
        yield self.put("marginalized", "settings/n_layers", size)
        yield self.put("classifier", "fitted/n_outputs", size)
        yield self.put("sequences", f"{settings}/n_future", size)
        yield self.put("images", f"{settings}/input_shape", [size, size])
        yield self.put("images", f"{settings}/kernel_size", size)
        yield self.put("images", "fitted/row_shape", {"shape": [size, size]})
        yield self.put("columns of types", "fitted/schema/columns/4/type/embedding", size)
        yield self.put("critic", "settings/penalty/prior/n_classes", size)
        yield self.put("plain", "fitted/fingerprint/n_marks", size)
        yield self.put("plain", "fitted/stack", {"n_factors": size, "code_mode": True})
        yield self.put("plain", "fitted/n_features_in", size**200)

    def layers(self, many: int) -> Iterator[Attack]:
        dense = {"part": "architecture/dense", "hidden": [1] * many}
        decay = {"part": "penalty/weight_decay", "weight": 1.0}
        critic = json.loads(self.files["critic"][CONFIG])["settings"]["penalty"]
        yield self.put("plain", "settings/architecture", dense)
        yield self.put("plain", "settings/architecture", [1] * many)
        yield self.put("views", "settings/views/a/architecture", dense)
        for term, number in ((decay, many), (critic, many // 10)):
            several = {"part": "penalty/sum", "penalties": [term] * number}
            yield self.put("critic", "settings/penalty", several)
        yield self.put("critic", "settings/penalty/hidden", [1] * many)
        yield self.put("classifier", "settings/hidden", [1] * many)

    def views(self, size: int) -> Iterator[Attack]:
        own = {f"v{n}": {"part": "view/view", "columns": [n]} for n in range(size)}
        for fusion in ("early", "intermediate", "product_of_experts"):

            def change(config: Any, fusion: str = fusion) -> None:
                config["settings"] |= {"views": own, "fusion": fusion}
                config["fitted"]["n_features_in"] = size

            yield f"{size} views, {fusion}", self.changed("views", change)

    def lists(self, size: int) -> Iterator[Attack]:
        full = {"epoch": 1, "loss": 0.5, "phase": "x"}
        for key in ("history", "trials", "lengths"):
            yield self.put("plain", f"fitted/{key}", [{}] * size)
            yield self.put("plain", f"fitted/{key}", [full] * size)
        classes = {"dtype": "<i8", "values": list(range(size))}
        yield self.put("classifier", "fitted/classes", classes)
        names = [str(number) for number in range(size)]
        yield self.put("plain", "fitted/feature_names_in", names)
        yield self.put("plain", "fitted/scaling_rules", ["standard"] * size)
        yield self.put("plain", "settings/verbose", [[]] * size)
        yield self.put("plain", "evil", [{"a": 1}] * size)

    def levels(self, size: int) -> Iterator[Attack]:
        levels = [str(number) for number in range(size)]
        for place in (4, 5):
            column = f"fitted/schema/columns/{place}"
            yield self.put("columns of types", f"{column}/categories", levels)

            def change(config: Any, place: int = place) -> None:
                own = config["fitted"]["schema"]["columns"][place]
                own |= {"levels": levels, "shares": [0.5] * size}

            yield f"{size} levels of {column}", self.changed("columns of types", change)

    def bytes(self, n_tensors: int) -> Iterator[Attack]:
        front = b'{"schema_version": "1.0", "x": ['
        for what, count in ((b"[],", 21 << 20), (b'{"a":1},', 7 << 20)):

            def long(what: bytes = what, count: int = count) -> Files:
                return {**self.files["plain"], CONFIG: front + what * count + b"[]]}"}

            yield f"much of {what!r}", long

        def many() -> Files:
            entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
            header = ",".join(f'"t{number}":{entry}' for number in range(n_tensors))
            text = ("{" + header + "}").encode()
            files = dict(self.files["plain"])
            sign(files, struct.pack("<Q", len(text)) + text)
            return files

        yield "many empty tensors", many

    def dtypes(self) -> Iterator[Attack]:
        for dtype in ("1" * 5000 + ",f4", "(1000000,1000000)f8", "U1000000000", "O", "V8", "f8,f8"):
            yield self.put("classifier", "fitted/classes/dtype", dtype)

    def depths(self, depth: int) -> Iterator[Attack]:
        def estimators(config: Any) -> None:
            inner = config["parts"]["encoder"]["settings"]
            for _ in range(depth):
                inner = {"autoencoder": {"estimator": "AutoencoderClassifier", "settings": inner}}
            config["settings"] = inner

        def parts(config: Any) -> None:
            own = copy.deepcopy(config)
            for _ in range(depth):
                own = {**config, "parts": {"encoder": own}}
            config["parts"] = {"encoder": own}

        yield f"estimators {depth} deep", self.changed("classifier", estimators)
        yield f"parts {depth} deep", self.changed("classifier", parts)
        lists: Any = 1
        for _ in range(3 * depth):
            lists = [lists]
        yield self.put("plain", "settings/types", lists)


def run(arguments: list[str]) -> dict[str, Any]:
    """Read mutated or named folders; return what came of it."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sys.addaudithook(listen)
    all_files = models()
    with tempfile.TemporaryDirectory() as place:
        for number, (name, files) in enumerate(all_files):
            folder = Path(place) / str(number)
            folder.mkdir()
            for path, content in files.items():
                (folder / path).write_bytes(content)
            for _ in range(2):  # what is imported late is imported by the first
                done, why = attempt(folder)
            assert done, name
            assert why is None, (name, why)
    first, count, every = map(int, arguments)
    attacks = itertools.islice(Attacks(all_files), 0, None, every)
    seeds = range(first, first + count)
    batches = (seeds[begin : begin + BATCH] for begin in range(0, count, BATCH))
    return {
        "named": came_of([(name, files())] for name, files in attacks),
        "mutated": came_of(
            [(f"seed {seed}", mutated(all_files, seed)) for seed in batch] for batch in batches
        ),
    }


def came_of(batches: Iterable[list[tuple[str, Files]]]) -> dict[str, Any]:
    """Read folders, each batch in a child; return how many there were, and what came of them."""
    start = time.perf_counter()
    tried, loaded, wrong = 0, 0, []
    for batch in batches:
        done, why = read_in_child(batch)
        tried, loaded, wrong = tried + len(batch), loaded + done, wrong + why
    seconds = time.perf_counter() - start
    return {"tried": tried, "loaded": loaded, "seconds": round(seconds, 1), "wrong": wrong}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1:])) + "\n")
