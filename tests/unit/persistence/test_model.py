"""Model folders: loaded as saved, bit for bit; what cannot be trusted is refused."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from numpy.typing import NDArray

import narrows
from narrows import Adam, Autoencoder, Contraction, Dense, Masking, WeightDecay
from narrows.errors import (
    CorruptFileError,
    MissingTensorError,
    ModelFileError,
    NonFiniteTensorError,
    SchemaVersionError,
    TensorShapeError,
    UnknownNameError,
)
from narrows.persistence import files

TESTS = Path(__file__).parents[2]
GOLDEN = TESTS / "data" / "golden"
SOURCES = sorted((TESTS.parent / "src").rglob("*.py"))
PICKLING = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
RUNNING = {"torch.load", "torch.save", "eval", "exec", "__import__"}
Change = Callable[[dict[str, Any]], Any]
BIAS = "network.decoder.0.bias"

MODELS = {
    "default": {},
    "tied": {"architecture": Dense((8,), activation="tanh", tied=True)},
    "deep": {"architecture": (12, 8, 6), "loss": "huber"},
    "float64": {"precision": "float64"},
    "bfloat16": {"precision": "bfloat16"},
    "standard": {"scaling": "standard"},
    "minmax": {"scaling": "minmax", "loss": "cross_entropy"},
    "robust": {"scaling": "robust"},
    "none": {"scaling": "none"},
    "without scaling": {"scaling": None},
    "one component": {"n_components": 1},
    "binary": {"architecture": Dense((8,), code_activation="binary")},
    "parts": {
        "penalty": WeightDecay(1e-4) + WeightDecay(1e-3),
        "corruption": Masking(0.2),
        "optimizer": Adam(betas=(0.8, 0.99)),
    },
}


def fitted(X: Any, **settings: Any) -> Autoencoder:
    return Autoencoder(**{"n_components": 2, "max_epochs": 2, "random_state": 0, **settings}).fit(X)


@pytest.fixture(scope="module")
def rows(breast_cancer: NDArray[np.float64]) -> NDArray[np.float64]:
    return breast_cancer[:64, :10]


@pytest.fixture(scope="module")
def model(rows: NDArray[np.float64]) -> Autoencoder:
    return fitted(pd.DataFrame(rows, columns=[f"column {i}" for i in range(10)]))


@pytest.fixture
def folder(model: Autoencoder, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def change_config(folder: Path, change: Change) -> None:
    path = folder / files.CONFIG
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def put_tensors(folder: Path, payload: bytes) -> None:
    """Write a tensor file as an attacker would: with the checksum that belongs to it."""
    (folder / files.TENSORS).write_bytes(payload)
    digest = hashlib.sha256(payload).hexdigest()
    change_config(folder, lambda config: config["sha256"].update({files.TENSORS: digest}))


def change_tensors(folder: Path, change: Change) -> None:
    tensors = dict(safetensors.numpy.load_file(folder / files.TENSORS))
    change(tensors)
    put_tensors(folder, safetensors.numpy.save(tensors))


def change_header(folder: Path, change: Change) -> None:
    payload = (folder / files.TENSORS).read_bytes()
    (size,) = struct.unpack_from("<Q", payload)
    header = json.loads(payload[8 : 8 + size])
    text = change(header)
    encoded = text if isinstance(text, bytes) else json.dumps(header).encode()
    put_tensors(folder, struct.pack("<Q", len(encoded)) + encoded + payload[8 + size :])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_gives_the_same_results_bit_for_bit(
    name: str, dtype: str, rows: NDArray[np.float64], tmp_path: Path
) -> None:
    X = rows.astype(dtype)
    before = fitted(X, **MODELS[name])
    before.save(tmp_path / "model")
    after = narrows.load(tmp_path / "model")
    code = before.transform(X)
    np.testing.assert_array_equal(after.transform(X), code)
    np.testing.assert_array_equal(after.inverse_transform(code), before.inverse_transform(code))
    np.testing.assert_array_equal(after.reconstruct(X), before.reconstruct(X))
    np.testing.assert_array_equal(after.score_samples(X), before.score_samples(X))
    assert repr(after) == repr(before) or name == "deep"  # a list of widths becomes a tuple
    for learned in ("history_", "n_iter_", "stop_reason_", "n_components_", "n_parameters_"):
        assert getattr(after, learned) == getattr(before, learned), learned


def test_a_loaded_model_knows_its_columns(model: Autoencoder, folder: Path) -> None:
    after = narrows.load(folder)
    np.testing.assert_array_equal(after.feature_names_in_, model.feature_names_in_)
    with pytest.raises(ValueError, match="feature names"):
        after.transform(pd.DataFrame(np.zeros((2, 10)), columns=list("abcdefghij")))


def test_a_loaded_model_can_be_saved_again_and_is_the_same(folder: Path, tmp_path: Path) -> None:
    narrows.load(folder).save(tmp_path / "again")
    for name in (files.CONFIG, files.TENSORS, files.CARD):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_loaded_model_goes_on_learning(folder: Path, rows: NDArray[np.float64]) -> None:
    table = pd.DataFrame(rows, columns=[f"column {i}" for i in range(10)])
    assert len(narrows.load(folder).partial_fit(table).history_) == 3


def test_an_epoch_without_a_number_survives(model: Autoencoder, tmp_path: Path) -> None:
    diverged = narrows.load(saved(model, tmp_path / "a"))
    diverged.history_[-1]["objective"] = float("nan")
    assert np.isnan(narrows.load(saved(diverged, tmp_path / "b")).history_[-1]["objective"])


def saved(model: Autoencoder, folder: Path) -> Path:
    model.save(folder)
    return folder


def test_a_seed_of_numpy_is_kept(rows: NDArray[np.float64], tmp_path: Path) -> None:
    folder = saved(fitted(rows, random_state=np.int64(7)), tmp_path / "model")
    assert narrows.load(folder).random_state == 7


def test_a_setting_that_json_lacks_is_refused_before_anything_is_written(
    rows: NDArray[np.float64], tmp_path: Path
) -> None:
    model = fitted(rows)
    model._fit_settings["max_grad_norm"] = np.inf  # which fit itself would refuse
    with pytest.raises(ModelFileError, match="NaN or infinity"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("*-*.*/")), ids=lambda path: path.name)
def test_a_golden_model_still_loads_and_says_the_same(folder: Path) -> None:
    model = narrows.load(folder)
    with np.load(GOLDEN / f"{folder.name}.npz") as expected:
        table = pd.DataFrame(expected["rows"], columns=model.feature_names_in_)
        found = {
            "transform": model.transform(table),
            "inverse_transform": model.inverse_transform(expected["transform"]),
            "reconstruct": model.reconstruct(table),
            "score_samples": model.score_samples(table),
        }
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-12)


def test_there_is_a_golden_model_of_this_schema() -> None:
    versions = [
        json.loads(path.read_text())["schema_version"] for path in GOLDEN.glob("*/config.json")
    ]
    assert ".".join(map(str, files.SCHEMA)) in versions


def test_a_newer_minor_schema_is_read_and_what_it_added_ignored(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config.update(schema_version="1.99", future={"a": [1]})
        config["fitted"]["future"] = 1

    change_config(folder, change)
    assert narrows.load(folder).n_components_ == 2


def test_a_setting_the_file_does_not_know_is_at_its_default(folder: Path) -> None:
    change_config(folder, lambda config: config["settings"].pop("corruption"))
    assert narrows.load(folder).corruption == "auto"


CONFIG_ATTACKS: dict[str, tuple[type[ModelFileError], str, Change]] = {
    "newer major schema": (
        SchemaVersionError, "upgrade narrows", lambda c: c.update(schema_version="2.0"),
    ),
    "schema of other digits": (
        CorruptFileError, "schema_version", lambda c: c.update(schema_version="\u0661.0"),
    ),
    "schema as a number": (
        CorruptFileError, "schema_version", lambda c: c.update(schema_version=1.0),
    ),
    "very long schema": (
        CorruptFileError, "schema_version", lambda c: c.update(schema_version="9" * 5000 + ".0"),
    ),
    "no schema": (CorruptFileError, "schema_version", lambda c: c.pop("schema_version")),
    "no checksum": (CorruptFileError, "checksum", lambda c: c.pop("sha256")),
    "checksum is a list": (CorruptFileError, "checksum", lambda c: c.update(sha256=[1])),
    "unknown estimator": (UnknownNameError, "os.system", lambda c: c.update(estimator="os.system")),
    "estimator is a list": (UnknownNameError, "known", lambda c: c.update(estimator=["a"])),
    "unknown part": (
        UnknownNameError, "loss/evil", lambda c: c["settings"].update(loss={"part": "loss/evil"}),
    ),
    "part of a module": (
        UnknownNameError, "os/system", lambda c: c["settings"].update(loss={"part": "os/system"}),
    ),
    "part is a list": (
        UnknownNameError, "part", lambda c: c["settings"].update(loss={"part": [["x"]]}),
    ),
    "part with an unknown setting": (
        UnknownNameError, "evil",
        lambda c: c["settings"].update(penalty={"part": "penalty/weight_decay", "evil": 1}),
    ),
    "part of another axis": (
        CorruptFileError, "loss",
        lambda c: c["settings"].update(loss={"part": "penalty/weight_decay"}),
    ),
    "sum of numbers": (
        CorruptFileError, "name",
        lambda c: c["settings"].update(penalty={"part": "penalty/sum", "penalties": [1, 2]}),
    ),
    "function of torch.optim": (
        CorruptFileError, "optimizer",
        lambda c: c["settings"].update(optimizer={"part": "torch/lr_scheduler"}),
    ),
    "unknown setting": (UnknownNameError, "evil", lambda c: c["settings"].update(evil=1)),
    "settings are a list": (CorruptFileError, "", lambda c: c.update(settings=[1])),
    "no settings": (CorruptFileError, "settings", lambda c: c.pop("settings")),
    "no fitted": (CorruptFileError, "fitted", lambda c: c.pop("fitted")),
    "fitted is text": (CorruptFileError, "", lambda c: c.update(fitted="x")),
    "huge width": (
        TensorShapeError, "can account for",
        lambda c: c["settings"].update(architecture=[10**13]),
    ),
    "width beyond int64": (
        CorruptFileError, "",
        lambda c: c["settings"].update(architecture=[10**30]),
    ),
    "product beyond int64": (
        TensorShapeError, "can account for",
        lambda c: c["settings"].update(architecture=[2**62, 2**62]),
    ),
    "a million layers": (
        TensorShapeError, "account for 64",
        lambda c: c["settings"].update(architecture=[1] * 10**6),
    ),
    "one layer more": (
        MissingTensorError, "missing", lambda c: c["settings"].update(architecture=[256, 4]),
    ),
    "no features": (CorruptFileError, "n_features_in", lambda c: c["fitted"].pop("n_features_in")),
    "missing scaling": (TensorShapeError, "scaling", lambda c: c["fitted"].update(scaled=False)),
    "scaled is a number": (CorruptFileError, "scaled", lambda c: c["fitted"].update(scaled=1)),
    "other dtype": (CorruptFileError, "float64", lambda c: c["fitted"].update(dtype="float64")),
    "unknown dtype": (CorruptFileError, "object", lambda c: c["fitted"].update(dtype="object")),
    "dtype is a list": (CorruptFileError, "", lambda c: c["fitted"].update(dtype=[1])),
    "too few names": (
        CorruptFileError, "names 1 columns", lambda c: c["fitted"].update(feature_names_in=["a"]),
    ),
    "names are numbers": (
        CorruptFileError, "names", lambda c: c["fitted"].update(feature_names_in=[1] * 10),
    ),
    "names are text": (
        CorruptFileError, "names", lambda c: c["fitted"].update(feature_names_in="abcdefghij"),
    ),
    "history is text": (CorruptFileError, "history", lambda c: c["fitted"].update(history="abc")),
    "history is a number": (CorruptFileError, "", lambda c: c["fitted"].update(history=3)),
    "stop reason is a list": (
        CorruptFileError, "stop_reason", lambda c: c["fitted"].update(stop_reason=[]),
    ),
    "other number of components": (
        TensorShapeError, "shape", lambda c: c["fitted"].update(n_components=3),
    ),
    "components are true": (
        CorruptFileError, "n_components", lambda c: c["fitted"].update(n_components=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", CONFIG_ATTACKS)
def test_a_hostile_config_is_refused(attack: str, folder: Path) -> None:
    error, message, change = CONFIG_ATTACKS[attack]
    change_config(folder, change)
    refused(folder, error, message)


def refused(folder: Path, error: type[ModelFileError], message: str = "") -> None:
    with pytest.raises(ModelFileError, match=message or None) as caught:
        narrows.load(folder)
    assert type(caught.value) is error


@pytest.mark.parametrize("value", [-1, 0, True, None, "10", 10.5, 1e30, 10**30, [10], {}])
def test_a_number_of_features_that_cannot_be_is_refused(value: Any, folder: Path) -> None:
    change_config(folder, lambda config: config["fitted"].update(n_features_in=value))
    refused(folder, CorruptFileError)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe", b"[]", b"1", b"nonsense", b'{"a": NaN}', b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1, "a": 2}', b"[" * 10**6, b'{"a":' * 10**6,
        b"null", b"{}", "{}".encode("utf-16"),
    ],
    ids=lambda text: text[:12].decode("latin-1"),
)  # fmt: skip
def test_a_config_that_is_no_settings_is_refused(text: bytes, folder: Path) -> None:
    (folder / files.CONFIG).write_bytes(text)
    refused(folder, CorruptFileError)


def test_settings_nested_too_deep_to_build_are_refused(folder: Path) -> None:
    path = folder / files.CONFIG
    nested = "[" * 900 + "]" * 900  # json takes it
    path.write_text(path.read_text().replace('"corruption": "auto"', f'"corruption": {nested}'))
    refused(folder, CorruptFileError)


TENSOR_ATTACKS: dict[str, tuple[type[ModelFileError], str, Change]] = {
    "missing tensor": (MissingTensorError, "missing", lambda t: t.pop("network.decoder.0.bias")),
    "surplus tensor": (TensorShapeError, "evil", lambda t: t.update(evil=np.zeros(1))),
    "wrong shape": (
        TensorShapeError, "shape", lambda t: t.update({"network.decoder.0.bias": np.zeros(3)}),
    ),
    "transposed": (
        TensorShapeError, "shape",
        lambda t: t.update({"network.body.0.weight": t["network.body.0.weight"].T.copy()}),
    ),
    "NaN weights": (
        NonFiniteTensorError, "NaN", lambda t: t[BIAS].__setitem__(0, np.nan),
    ),
    "infinite scale": (
        NonFiniteTensorError, "infinity", lambda t: t["scaling.scale"].__setitem__(0, np.inf),
    ),
    "NaN center": (
        NonFiniteTensorError, "NaN", lambda t: t["scaling.center"].__setitem__(0, np.nan),
    ),
    "scale of 0": (CorruptFileError, "above 0", lambda t: t["scaling.scale"].__setitem__(0, 0)),
    "negative scale": (
        CorruptFileError, "above 0", lambda t: t["scaling.scale"].__setitem__(0, -1),
    ),
    "other precision": (
        CorruptFileError, "float64",
        lambda t: t.update({k: v.astype("float64") for k, v in t.items()}),
    ),
    "integers": (
        CorruptFileError, "float32",
        lambda t: t.update({k: (0 * v).astype("int32") for k, v in t.items()}),
    ),
    "nothing": (MissingTensorError, "missing", lambda t: t.clear()),
}  # fmt: skip


@pytest.mark.parametrize("attack", TENSOR_ATTACKS)
def test_tensors_that_do_not_fit_are_refused(attack: str, folder: Path) -> None:
    error, message, change = TENSOR_ATTACKS[attack]
    if attack == "nothing":
        change_config(folder, lambda config: config["settings"].update(architecture=[]))
    change_tensors(folder, change)
    refused(folder, error, message)


HEADER_ATTACKS: dict[str, Change] = {
    "overlap": lambda h: h[BIAS].update(data_offsets=[0, 8]) or None,
    "all in one place": lambda h: [e.update(data_offsets=[0, 8]) for e in h.values()][:0] or None,
    "negative": lambda h: h[BIAS].update(data_offsets=[-8, 0]),
    "backwards": lambda h: h[BIAS].update(data_offsets=h[BIAS]["data_offsets"][::-1]),
    "beyond the end": lambda h: h[BIAS].update(data_offsets=[10**15, 10**15 + 8]),
    "one offset": lambda h: h[BIAS].update(data_offsets=[0]),
    "offsets are text": lambda h: h[BIAS].update(data_offsets="ab"),
    "offsets are floats": lambda h: h[BIAS].update(data_offsets=[0.0, 8.0]),
    "negative shape": lambda h: h[BIAS].update(shape=[-1, -128]),
    "huge shape": lambda h: h[BIAS].update(shape=[2**62, 2**62]),
    "shape of huge numbers": lambda h: h[BIAS].update(shape=[10**4000]),
    "very many dimensions": lambda h: h[BIAS].update(shape=[1] * 10**5),
    "shape is text": lambda h: h[BIAS].update(shape="12"),
    "shape of text": lambda h: h[BIAS].update(shape=["a" * 100, 10**9]),
    "shape of truth": lambda h: h[BIAS].update(shape=[True]),
    "dtype is a list": lambda h: h[BIAS].update(dtype=[]),
    "dtype of 8 bits": lambda h: h[BIAS].update(dtype="U8"),
    "unknown dtype": lambda h: h[BIAS].update(dtype="pickle"),
    "no dtype": lambda h: h[BIAS].pop("dtype") and None,
    "unknown key": lambda h: h[BIAS].update(evil=1),
    "entry is text": lambda h: h.update({BIAS: "x"}),
    "metadata is a number": lambda h: h.update(__metadata__=3),
    "a gap": lambda h: h.pop(BIAS) and None,
    "a name twice": lambda h: json.dumps(h).encode()[:-1] + b',"' + BIAS.encode() + b'":0}',
    "a list": lambda h: b"[]",
    "nothing": lambda h: b"",
    "not JSON": lambda h: b"\x80\x04evil",
    "nested": lambda h: b"[" * 10**6,
}


@pytest.mark.parametrize("attack", HEADER_ATTACKS)
def test_a_hostile_header_is_refused(attack: str, folder: Path) -> None:
    change_header(folder, HEADER_ATTACKS[attack])
    refused(folder, CorruptFileError, "model.safetensors")


@pytest.mark.parametrize("claimed", [2**64 - 1, 2**63, 10**9, 0, 1])
def test_a_header_that_lies_about_its_length_is_refused(claimed: int, folder: Path) -> None:
    payload = (folder / files.TENSORS).read_bytes()
    put_tensors(folder, struct.pack("<Q", claimed) + payload[8:])
    refused(folder, CorruptFileError, "safetensors")


@pytest.mark.parametrize("name", [files.CONFIG, files.TENSORS])
def test_a_truncated_file_is_refused_wherever_it_ends(name: str, folder: Path) -> None:
    whole = (folder / name).read_bytes()
    for length in np.linspace(0, len(whole) - 1, 100, dtype=int):
        (folder / name).write_bytes(whole[:length])
        refused(folder, CorruptFileError)


@pytest.mark.parametrize("extra", [b"\0", b"x" * 4096])
def test_bytes_after_the_tensors_are_refused(extra: bytes, folder: Path) -> None:
    put_tensors(folder, (folder / files.TENSORS).read_bytes() + extra)
    refused(folder, CorruptFileError, "declares")


def test_one_altered_bit_is_noticed(folder: Path) -> None:
    path = folder / files.TENSORS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(folder, CorruptFileError, "checksum")


def test_a_vast_file_is_refused_without_reading_it(folder: Path) -> None:
    for name in (files.TENSORS, files.CONFIG):
        os.truncate(folder / name, 1 << 40)  # sparse: it takes no room on the disk
        refused(folder, CorruptFileError, name)


@pytest.mark.parametrize("name", [files.CONFIG, files.TENSORS])
@pytest.mark.parametrize(
    ("kind", "message"),
    [("symlink", "symbolic link"), ("fifo", "regular"), ("folder", "regular"), ("none", "missing")],
)
def test_what_is_no_file_is_refused(kind: str, message: str, name: str, folder: Path) -> None:
    path = folder / name
    aside = path.rename(folder / "aside")
    if kind == "symlink":
        path.symlink_to(aside)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    refused(folder, ModelFileError, message)


@pytest.mark.parametrize("name", ["nowhere", "file", "file/below", "a\0b", "x" * 300])
def test_a_path_without_a_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(tmp_path / name, ModelFileError)


def test_refusals_leave_no_file_open(folder: Path) -> None:
    (folder / files.TENSORS).unlink()
    (folder / files.TENSORS).mkdir()
    before = len(os.listdir("/dev/fd"))
    refused(folder, ModelFileError)
    assert len(os.listdir("/dev/fd")) == before


def test_saving_refuses_what_is_no_model(model: Autoencoder, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for name in ("photos", "file", "link", "nowhere/model"):
        with pytest.raises(ModelFileError):
            model.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "photos"]


def test_saving_takes_an_empty_folder_and_replaces_a_model(
    model: Autoencoder, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    for _ in range(2):
        model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    narrows.load(tmp_path / "model")


def test_a_new_model_has_the_permissions_of_the_umask(model: Autoencoder, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        model.save(tmp_path / "model")
    finally:
        os.umask(before)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "model" / files.CONFIG).stat().st_mode & 0o777 == 0o640


def test_a_model_that_was_closed_to_others_stays_closed(model: Autoencoder, folder: Path) -> None:
    folder.chmod(0o700)
    model.save(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_card_cannot_act_as_markdown(rows: NDArray[np.float64], tmp_path: Path) -> None:
    table = pd.DataFrame(rows[:, :3], columns=["`<script>|", "a\n# b", "\x1b[2J\u202e"])
    card = saved(fitted(table, n_components=1), tmp_path / "model") / files.CARD
    assert "| `'<script>\\|` |  | numeric | 0.0% |\n| `a # b` |" in card.read_text()
    assert "| `\\u001b[2J\\u202e` |" in card.read_text()  # where the card goes to a terminal


def test_no_module_imports_pickle_or_what_pickles() -> None:
    assert {path: names for path in SOURCES if (names := _pickling(path))} == {}


def _pickling(path: Path) -> set[str]:
    """Return what a module imports or calls that runs what a file says."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return ({name.partition(".")[0] for name in imported} & PICKLING) | (called & RUNNING)


def test_a_part_with_a_setting_called_estimator_is_no_estimator(
    tmp_path: Path, breast_cancer: Any
) -> None:
    model = Autoencoder(2, penalty=Contraction(estimator="exact"), max_epochs=1, random_state=0)
    model.fit(breast_cancer).save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert again.penalty.estimator == "exact"
    np.testing.assert_array_equal(again.transform(breast_cancer), model.transform(breast_cancer))
