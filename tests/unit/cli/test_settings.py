"""Every setting is reachable by --set and TOML, and a wrong one is answered with the nearest."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from narrows import Autoencoder, Dense, Masking, OneCycle, WeightDecay
from narrows.cli import settings
from narrows.errors import ParameterError


def configured(**given: object) -> Autoencoder:
    model = Autoencoder()
    settings.apply(model, given)
    return model


@pytest.mark.parametrize("name", sorted(Autoencoder().get_params(deep=False)))
def test_every_setting_can_be_written_and_read_back(name: str, tmp_path: Path) -> None:
    values = {
        "n_components": 7,
        "architecture": Dense((64, 16), activation=("relu", "tanh"), tied=True),
        "penalty": WeightDecay(1e-3) + WeightDecay(1e-5),
        "corruption": Masking(0.25),
        "learning_rate": OneCycle(),
        "max_epochs": 12,
        "random_state": 3,
        "max_grad_norm": 0.5,
        "loss": "huber",
        "scaling": "robust",
        "early_stopping": True,
    }
    value = values.get(name, Autoencoder().get_params()[name])
    model = configured(**{name: value})
    (tmp_path / "c.toml").write_text(settings.to_toml(model))
    again = configured(**settings.from_toml(tmp_path / "c.toml"))
    assert repr(again.get_params()) == repr(model.get_params())
    assigned = configured(**settings.from_assignments([f"{name}={settings.as_text(value)}"]))
    assert repr(assigned.get_params()) == repr(model.get_params())


def test_a_setting_of_a_part_is_reached_whichever_comes_first() -> None:
    for given in (
        ["architecture__tied=true", "architecture=(16, 8)"],
        ["architecture=(16, 8)", "architecture__tied=true"],
    ):
        model = configured(**settings.from_assignments(given))
        assert (model.architecture.hidden, model.architecture.tied) == ((16, 8), True)


def test_a_term_of_a_sum_is_reached_by_its_name() -> None:
    given = ["penalty=WeightDecay(1e-4) + WeightDecay(1)", "penalty__weight_decay_2__weight=2"]
    model = configured(**settings.from_assignments(given))
    assert [term.weight for term in model.penalty.penalties] == [1e-4, 2]


def test_toml_tables_are_settings_of_parts(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'n_components = 3\npenalty = "WeightDecay(1e-4)"\n'
        '[architecture]\nhidden = [32, 8]\nactivation = ["relu", "tanh"]\ntied = true\n'
    )
    model = configured(**settings.from_toml(tmp_path / "c.toml"))
    assert (model.n_components, model.penalty.weight) == (3, 1e-4)
    assert (
        model.architecture.get_params() == Dense((32, 8), ("relu", "tanh"), tied=True).get_params()
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("n_component=3", "no setting 'n_component'; did you mean 'n_components'"),
        ("tied=true", "did you mean 'architecture__tied'"),
        ("architecture__tyed=true", "did you mean 'architecture__tied'"),
        ("architecture__zzz=1", "there are architecture__activation, "),
        ("penalty__weight=1", "penalty=None has no settings of its own; first choose penalty"),
        ("n_components__x=1", "n_components=2 has no settings of its own"),
        ("loss=hubber", "did you mean 'huber'"),
        ("penalty=WeightDecai(1)", "no part of narrows"),
        ("penalty=__import__('os').system('true')", "no part of narrows"),
        ("penalty=WeightDecay(1", "cannot be read"),
        ("penalty", "write --set penalty=VALUE"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_data_are_read(run, given: str, message: str) -> None:
    done = run("fit", "nothing.csv", "-o", "m", "--set", given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("error: ")


def test_the_last_word_has_the_option_of_its_own(run, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("n_components = 3\nmax_epochs = 3\nrandom_state = 3\n")
    done = run(
        *("fit", "--print-config", "--config", config, "--seed", 5),
        *("--set", "max_epochs=4", "--set", "random_state=4"),
    )
    assert (done.exit_code, done.stderr) == (0, "")
    found = tomllib.loads(done.stdout)
    assert (found["n_components"], found["max_epochs"], found["random_state"]) == (3, 4, 5)


def test_a_printed_config_is_a_config(run, tmp_path: Path) -> None:
    options = ("--set", "architecture=(16, 8)", "--set", "architecture__tied=true", "-k", 4)
    printed = run("fit", "--print-config", *options).stdout
    (tmp_path / "c.toml").write_text(printed)
    assert run("fit", "--print-config", "--config", tmp_path / "c.toml").stdout == printed


@pytest.mark.parametrize("text", ["n_components = ", "\xff", "a b"])
def test_a_broken_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ParameterError, match="is not valid TOML"):
        settings.from_toml(str(tmp_path / "c.toml"))
    with pytest.raises(ParameterError, match="cannot be read"):
        settings.from_toml(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("lo", ["loss="]),
        ("loss=hu", ["loss=huber"]),
        ("architecture__ti", ["architecture__tied="]),
        ("optimizer=adam", ["optimizer=adam", "optimizer=adamw"]),
        ("batch_size=", []),
        ("xyz", []),
        ("xyz__a", []),
    ],
)
def test_settings_complete(typed: str, offered: list[str]) -> None:
    found = settings.completions(typed)
    assert found == offered or set(offered) < set(found)
    assert all(text.startswith(typed) for text in found)
