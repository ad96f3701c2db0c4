"""The harness behind docs/reproduction.md: what it measures, keeps, skips and writes."""

from __future__ import annotations

import importlib
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of benchmarks/reproduction."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda name: importlib.import_module(f"reproduction.{name}")


@pytest.fixture
def small(load: Any) -> Any:
    """Return images of four classes of strokes, few and easy, in the digits' shape."""
    rng = np.random.default_rng(0)
    strokes = np.zeros((4, 28, 28), np.float32)
    strokes[0, 4:24, 13:15] = 1
    strokes[1, 13:15, 4:24] = 1
    strokes[2, 6:8, 6:22] = strokes[2, 20:22, 6:22] = 1
    strokes[3, 6:22, 6:8] = strokes[3, 6:22, 20:22] = 1
    labels = rng.integers(0, 4, 240)
    shift = rng.integers(-3, 4, (240, 2))
    images = np.stack(
        [np.roll(strokes[y], tuple(s), (0, 1)).ravel() for y, s in zip(labels, shift, strict=True)]
    )
    return load("data").Digits(images[:160], labels[:160], images[160:], labels[160:])


def counting(load: Any, runs: list[str], **changes: Any) -> Any:
    """Return an experiment of cells that note when they run."""

    def cells(found: dict[str, Any], seeds: int) -> dict[str, Any]:
        def cell(name: str) -> Any:
            return lambda: runs.append(name) or {"value": float(len(name))}

        first = {f"first, seed {seed}": cell(f"first {seed}") for seed in range(seeds)}
        if not all(name in found for name in first):
            return first
        return {**first, "second, seed 0": cell("second")}

    def section(found: dict[str, Any]) -> Any:
        report = load("report")
        values = report.by_seed(found, "first", "value")
        picture = report.Picture("of-a-test", "A line", lambda figure: figure.subplots().plot([1]))
        return report.Section([report.table([report.compare("x", 5.0, values)])], [picture])

    made = {"key": "T", "title": "A test", "store": "test", "cells": cells, "section": section}
    return load("record").Experiment(**{**made, **changes})


def test_finished_cells_are_skipped_and_their_successors_run(load: Any, tmp_path: Path) -> None:
    record, runs = load("record"), []
    experiment = counting(load, runs)
    record.pursue(experiment, record.Record("test", tmp_path), 1)
    assert runs == ["first 0", "second"]
    record.pursue(experiment, record.Record("test", tmp_path), 2)
    assert runs == ["first 0", "second", "first 1"]
    record.pursue(experiment, record.Record("test", tmp_path), 2, again=True)
    assert runs[3:] == ["first 0", "first 1", "second"]


def test_a_cell_that_breaks_leaves_the_finished_ones_on_disk(load: Any, tmp_path: Path) -> None:
    record = load("record")
    book = record.Record("test", tmp_path)
    book.add("good, seed 0", lambda: {"value": 1.0})
    with pytest.raises(ZeroDivisionError):
        book.add("bad, seed 0", lambda: {"value": 1 / 0})
    kept = json.loads((tmp_path / "test.json").read_text())
    assert list(kept) == ["good, seed 0"]
    assert set(kept["good, seed 0"]) == {"found", "seconds", "date", "machine"}


def test_the_page_comes_from_the_findings_alone(load: Any, tmp_path: Path) -> None:
    record, page, runs = load("record"), load("page"), []
    experiment = counting(load, runs)
    absent = counting(load, runs, key="U", store="never")
    record.pursue(experiment, record.Record("test", tmp_path), 2)
    done = len(runs)
    text = page.write([experiment, absent], tmp_path, tmp_path).read_text()
    assert len(runs) == done
    assert "| x | 5 | 7.0000 | 7.0000 to 7.0000 | +40 % |" in text
    assert "3 fits, seeds 0, 1" in text
    assert 'Not run yet: `make reproduce ONLY="U"`' in text
    picture = tmp_path / "pictures" / "reproduction-of-a-test.svg"
    before = picture.read_bytes()
    page.write([experiment, absent], tmp_path, tmp_path)
    assert picture.read_bytes() == before


def test_the_committed_page_is_what_the_committed_findings_say(load: Any, tmp_path: Path) -> None:
    written = load("page").write(load("catalogue").EXPERIMENTS.values(), tmp_path)
    assert written.read_text() == (ROOT / "docs" / "reproduction.md").read_text()


def test_every_fit_of_an_experiment_has_a_name_of_its_own_and_a_seed(load: Any) -> None:
    for experiment in load("catalogue").EXPERIMENTS.values():
        names = list(experiment.cells({}, 2))
        assert names
        assert all(name.rpartition(", seed ")[2].isdigit() for name in names)


def test_a_published_epoch_is_the_mean_of_as_many_of_ours(load: Any) -> None:
    fits = load("digits_fits")
    assert fits.published_epochs([1.0] * 3 + [3.0] * 3 + [5.0] * 6, epochs=2) == [2.0, 5.0]
    assert fits.OURS % fits.EPOCHS == 0


def test_seeds_come_in_their_order(load: Any) -> None:
    found = {f"a, seed {seed}": {"x": seed} for seed in (10, 2, 0)} | {"b, seed 1": {"x": 5}}
    assert load("report").by_seed(found, "a", "x") == [0, 2, 10]


def test_spoiled_images_have_the_share_of_outliers(load: Any) -> None:
    images = np.full((200, 784), 0.5, np.float32)
    spoiled = load("variants").spoiled(images, 0.1, 0)
    assert math.isclose((spoiled != 0.5).mean(), 0.1, abs_tol=0.005)
    assert math.isclose(spoiled[spoiled != 0.5].mean(), 0.5, abs_tol=0.02)


def test_sharpness_is_one_for_black_and_white_and_zero_for_grey(load: Any) -> None:
    sharpness = load("variants").sharpness
    assert sharpness(np.array([0.0, 1.0, 1.0])) == 1
    assert sharpness(np.full(3, 0.5)) == 0


def test_the_mean_norm_is_that_of_the_derivative(load: Any, small: Any) -> None:
    model = load("variants").autoencoder(0, 3).fit(small.train)
    x = torch.as_tensor(small.test[:20])
    whole = torch.autograd.functional.jacobian(lambda x: model.network_.encode(x).sum(0), x)
    by_hand = whole.square().sum((0, 2)).sqrt().mean()
    assert math.isclose(load("jacobian").mean_norm(model, x.numpy()), by_hand, rel_tol=1e-4)


@pytest.mark.slow
def test_sparse_codes_are_less_active_and_contractive_ones_move_less(load: Any, small: Any) -> None:
    variants = load("variants")
    found = {
        kind: variants.fit(kind, seed=0, data=small, epochs=60)
        for kind in ("basic", "sparse", "contractive")
    }
    assert found["sparse"]["activation"] < 0.5 * found["basic"]["activation"]
    assert found["contractive"]["jacobian"] < found["basic"]["jacobian"]


@pytest.mark.slow
def test_correntropy_is_sharper_where_training_images_have_outliers(load: Any, small: Any) -> None:
    variants = load("variants")
    robust, squared = (
        variants.fit_robust(loss, seed=0, data=small, epochs=150)
        for loss in ("correntropy", "squared error")
    )
    assert robust["sharpness"] > squared["sharpness"]
    assert robust["background"] < squared["background"]


def test_a_fit_of_the_case_study_has_a_figure_per_published_epoch(load: Any, small: Any) -> None:
    found = load("digits_fits").fit(4, "Adam", seed=0, data=small, epochs=120)
    assert len(found["curve"]) == 60
    assert found["curve"][-1] < found["curve"][0]
    assert 0 < found["test"] < 1


def test_logistic_regression_reads_easy_features_without_error(load: Any, small: Any) -> None:
    labels = np.eye(4, dtype=np.float32)
    data = load("data").Digits(
        labels[small.train_labels], small.train_labels, labels[small.test_labels], small.test_labels
    )
    found = load("readout").errors(lambda x: x, data, 40)
    assert found["validation"] == found["test"] == 0


def test_the_chosen_setting_is_the_best_on_validation_images(load: Any) -> None:
    deep = load("deep")
    errors = dict(zip(deep.SETTINGS, itertools.count(5, -1), strict=False))
    found = {f"trial: {name}, seed 0": {"unseen": error} for name, error in errors.items()}
    best = list(deep.SETTINGS)[-1]
    assert deep.chosen(found) == best
    finals = set(deep.cells(found, 2)) - set(deep.cells({}, 2))
    assert finals == {f"{best}, seed 0", f"{best}, seed 1"}


@pytest.mark.slow
def test_the_small_deep_network_beats_the_mean_image(load: Any, small: Any) -> None:
    deep = load("deep")
    found = deep.fit(
        "squared error, ReLU",
        seed=0,
        final=True,
        data=load("data").Digits(
            np.tile(small.train, (20, 1)), np.tile(small.train_labels, 20), small.test, None
        ),
        epochs=10,
        architecture=load("deep").Dense((64,), output_activation="sigmoid"),
    )
    assert found["unseen"] < ((small.test - small.train.mean(0)) ** 2).sum(1).mean()


@pytest.mark.slow
def test_a_contractive_code_moves_less_than_a_basic_one_of_many_units(
    load: Any, small: Any
) -> None:
    contractive = load("contractive")
    options = {"data": small, "n_components": 40, "n_validation": 40, "epochs": 40, "seed": 0}
    basic = contractive.fit("basic", "none", **options)
    ours = contractive.fit("contractive", "0.3", **options)
    assert ours["jacobian"] < basic["jacobian"]


def test_stacked_features_are_the_pixels_beside_each_layer(load: Any, small: Any) -> None:
    features = load("marginalised").stack(small.train, 1, 0)(small.test)
    assert features.shape == (80, 3 * 784)
    assert np.array_equal(features[:, :784], small.test)


def test_the_speed_is_that_of_the_shortest_training_as_accurate(load: Any) -> None:
    marginalised = load("marginalised")
    ours = {"seconds": 2.0, "test": 5.0}
    budgets = list(enumerate(marginalised.BUDGETS))
    figures = {f"trained {n}": {"seconds": 10.0 * n, "test": 6.5 - i} for i, n in budgets}
    second = marginalised.BUDGETS[2]
    assert f"{second} epochs per layer and {5 * second:.1f} times" in marginalised.verdict(
        ours, figures
    )
    assert "No training" in marginalised.verdict({**ours, "test": 1.0}, figures)


def test_parzen_is_the_mean_of_normal_densities(load: Any) -> None:
    rng = np.random.default_rng(0)
    drawn, rows = rng.normal(size=(30, 4)), rng.normal(size=(25, 4))
    distance = ((rows[:, None] - drawn) ** 2).sum(2)
    density = np.exp(-0.5 * distance / 0.3**2).mean(1) / (0.3 * math.sqrt(2 * math.pi)) ** 4
    np.testing.assert_allclose(load("generators").parzen(drawn, rows, 0.3), np.log(density))


def test_codes_of_the_prior_pass_for_it_and_others_do_not(load: Any) -> None:
    code = torch.randn(200, 3, generator=torch.Generator().manual_seed(5))
    assert load("generators").coverage(code, 0) > 0.05
    assert load("generators").coverage(2 * code, 0) < 0.05


def test_films_hold_one_digit_that_stays_whole(load: Any) -> None:
    films = load("moving_digits").movies(20, seed=0).reshape(20, 10, 12, 12)
    brightness = films.sum((2, 3))
    np.testing.assert_allclose(brightness, brightness[:, :1].repeat(10, 1), rtol=1e-5)
    assert (np.abs(np.diff(films, axis=1)).sum((2, 3)) > 0).all()


@pytest.mark.parametrize("kind", ["no pre-training", "stacked", "stacked denoising"])
def test_a_small_stack_tells_strokes_apart(load: Any, small: Any, kind: str) -> None:
    found = load("stacked").fit(
        kind, 100, seed=0, data=small, hidden=(32,), n_components=16, layer_epochs=2, epochs=30
    )
    assert found["test"] < 40
