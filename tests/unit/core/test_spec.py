"""The register: text and configs become parts, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from narrows import Adam, Autoencoder, Dense, Huber, WeightDecay
from narrows.core import notation
from narrows.core.spec import Spec
from narrows.errors import ParameterError, UnknownNameError
from narrows.losses.loss import Loss
from narrows.persistence import config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" -0.5 ", -0.5),
        ("1e-4", 1e-4),
        ("true", True),
        ("False", False),
        ("none", None),
        ("None", None),
        ("(256, 64)", (256, 64)),
        ("[256, 64]", (256, 64)),
        ("()", ()),
        ("('relu', 'tanh')", ("relu", "tanh")),
        ("cross_entropy", "cross_entropy"),
        ("'true'", "true"),
        ("data.csv", "data.csv"),
        ("a-b", "a-b"),
        ("cuda:1", "cuda:1"),
        ("", ""),
    ],
)
def test_text_becomes_plain_values(text: str, value: Any) -> None:
    found = notation.parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "spec",
    [
        WeightDecay(1e-3),
        Dense((256, 64), activation=("relu", "tanh"), tied=True),
        Dense((), output_activation="sigmoid"),
        Adam(betas=(0.8, 0.9)),
        Huber(0.25),
        WeightDecay(1e-4) + WeightDecay(2.0),
    ],
    ids=str,
)
def test_what_a_part_prints_and_what_a_file_holds_is_read_back(spec: Spec) -> None:
    for found in (notation.parse(repr(spec)), config.from_config(config.to_config(spec))):
        assert type(found) is type(spec)
        assert repr(found) == repr(spec)


def test_parts_are_added_in_text() -> None:
    found = notation.parse("WeightDecay(1e-4) + WeightDecay(weight=1)")
    assert [penalty.weight for penalty in found.penalties] == [1e-4, 1]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "os.system('true')",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "open('/etc/passwd')",
        "{'a': 1}",
        "f'{1}'",
        "WeightDecay(open('x'))",
        "1 if True else 2",
        "WeightDecay.__init__(1)",
        "(1, WeightDecay(2).__class__.mro())",
        "2 ** 99999",
        "-'a'",
        "WeightDecay(1e-4) + 3",
        "WeightDecay(**{'weight': 1})",
        "WeightDecay(1e-4",
    ],
)
def test_text_is_never_evaluated(text: str) -> None:
    with pytest.raises(ParameterError):
        notation.parse(text)


def test_deeply_nested_text_is_refused_or_left_alone() -> None:
    with pytest.raises(ParameterError):
        notation.parse("(" * 10_000)
    with pytest.raises(ParameterError):
        notation.parse("-" * 50_000 + "(1)")


def test_an_unknown_part_is_answered_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"'WeightDecy'.*did you mean 'WeightDecay'"):
        notation.parse("WeightDecy(1)")
    with pytest.raises(ParameterError, match="wieght"):
        notation.parse("WeightDecay(wieght=1)")


def test_numpy_scalars_and_torch_classes_have_a_config() -> None:
    assert config.to_config({"a": np.float64(0.5), "b": np.int64(3)}) == {"a": 0.5, "b": 3}
    data = config.to_config(torch.optim.NAdam)
    assert data == {"part": "torch/NAdam"}
    assert config.from_config(data) is torch.optim.NAdam


def test_a_setting_without_a_config_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"of type object .* cannot be written"):
        config.to_config(object())
    with pytest.raises(ParameterError, match=r"of type type .* cannot be written"):
        config.to_config(dict)


@pytest.mark.parametrize(
    "data",
    [
        {"part": "loss/unheard_of"},
        {"part": "os/system"},
        {"part": "torch/load"},
        {"part": "torch/__builtins__"},
        {"part": "nothing"},
        {"part": 3},
        {"part": None},
        {"part": "loss/huber", "delt": 1},
        {"part": "loss/huber", "__class__": 1},
    ],
    ids=str,
)
def test_a_config_can_name_nothing_but_known_parts(data: Any) -> None:
    with pytest.raises(UnknownNameError):
        config.from_config(data)


def test_the_settings_of_an_estimator_survive_a_config() -> None:
    model = Autoencoder(
        architecture=(8, 4), penalty=WeightDecay() + WeightDecay(1.0), optimizer=torch.optim.NAdam
    )
    found = config.from_config(config.to_config(model.get_params(deep=False)))
    assert repr(Autoencoder(**found)) == repr(model)


def test_two_modules_cannot_take_one_name() -> None:
    before = Spec.members("loss")
    with pytest.raises(ParameterError, match="name='huber' is taken on the loss axis"):

        class Huber(Loss):
            pass

    assert Spec.members("loss") == before


@pytest.mark.parametrize(
    "name", ["cross_entropy", "CrossEntropy", "cross-entropy", "CROSS ENTROPY"]
)
def test_names_are_found_however_they_are_written(name: str) -> None:
    assert Spec.find("loss", name).__name__ == "CrossEntropy"


FRESH = """
import sys
import narrows, narrows.penalties
from narrows.core.spec import Spec
narrows.penalties.__path__.append(sys.argv[1])
assert "narrows.penalties.sparsity" not in sys.modules
names = set(Spec.classes())
bases = set(Spec.axes().values())
public = {name for name in narrows.__all__ if issubclass(type(getattr(narrows, name)), type)}
public = {name for name in public if issubclass(getattr(narrows, name), Spec)}
missing = {name for name in public if getattr(narrows, name) not in bases} - names
assert not missing, missing
assert len(public) > 50, len(public)
print(narrows.Autoencoder(penalty="one_more", max_epochs=1).fit([[1.0], [2.0], [4.0]]).penalty)
print(Spec.find("penalty", "OneMore").__module__)
"""


@pytest.mark.slow
def test_a_part_is_known_because_its_file_lies_in_the_folder(tmp_path: Path) -> None:
    """In a new process, where no part was imported by its name."""
    (tmp_path / "one_more.py").write_text(
        "from narrows.penalties.penalty import Penalty\n\n\n"
        "class OneMore(Penalty):\n"
        "    def __init__(self, weight=1.0):\n"
        "        self.weight = weight\n\n"
        "    def __call__(self, forward):\n"
        "        return forward.code.square().mean()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", FRESH, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["one_more", "narrows.penalties.one_more"]
