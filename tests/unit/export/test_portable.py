"""A model as a module says what the model says, and the model stays what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from exported_kinds import ALL, fitted, rows

from narrows import AutoencoderClassifier, AutoencoderRegressor
from narrows.errors import ParameterError
from narrows.export.portable import OUTPUTS, Portable, checked_outputs
from narrows.export.reference import answers_of, difference, rows_like_those_of_fit

EVERY = ("encode", "reconstruct", "score", "impute")


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("kind", ALL)
def test_every_kind_says_the_same_as_a_module(kind: str, holes: bool) -> None:
    estimator = fitted(kind, holes=holes)
    model = estimator._fitted
    module = Portable(model, EVERY)
    decoder = Portable(model, ("decode",))
    for size in (1, 7, 100):
        given = rows_like_those_of_fit(model, size, module.dtype)
        expected = answers_of(model, given, EVERY)
        for name, answer in zip(EVERY, module(torch.from_numpy(given)), strict=True):
            assert difference(model, name, answer.numpy(), expected[name]) < 1e-5, name
        codes = rows_like_those_of_fit(model, size, module.dtype, codes=True)
        (decoded,) = decoder(torch.from_numpy(codes))
        own = answers_of(model, codes, ("decode",))["decode"]
        assert difference(model, "decode", decoded.numpy(), own) < 1e-5


@pytest.mark.parametrize("kind", ["basic", "types", "views, product of experts"])
def test_it_says_what_the_public_methods_say(kind: str) -> None:
    estimator = fitted(kind, holes=True)
    X = rows(kind, holes=True)[:50]
    module = Portable(estimator._fitted, EVERY)
    code, rebuilt, score, filled = (a.numpy() for a in module(torch.from_numpy(X)))
    np.testing.assert_allclose(code, estimator.transform(X), atol=1e-5)
    np.testing.assert_allclose(score, estimator.score_samples(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rebuilt, estimator.reconstruct(X), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(filled, estimator.impute(X, method="network"), rtol=1e-4, atol=1e-4)
    (back,) = Portable(estimator._fitted, ("decode",))(torch.from_numpy(code))
    np.testing.assert_allclose(back, estimator.inverse_transform(code), rtol=1e-4, atol=1e-4)


def test_levels_that_fit_did_not_see_are_missing_or_rare() -> None:
    estimator = fitted("types")
    X = rows("types", holes=False)[:4]
    X[1, 1] = 99
    module = Portable(estimator._fitted, ("encode",))
    with pytest.warns(UserWarning, match="levels that fit did not see"):
        expected = estimator.transform(X)
    np.testing.assert_allclose(module(torch.from_numpy(X))[0], expected, atol=1e-5)


def test_a_row_without_any_cell_has_no_score() -> None:
    module = Portable(fitted("basic")._fitted, ("score",))
    (score,) = module(torch.full((2, 16), torch.nan))
    assert score.isnan().all()


@pytest.mark.parametrize("kind", ["basic", "types", "lstm"])
def test_the_model_is_not_touched(kind: str) -> None:
    estimator: Any = fitted(kind)
    X = rows(kind, holes=True)[:20]
    before = estimator.transform(X), estimator.score_samples(X)
    gradients = [p.requires_grad for p in estimator.network_.parameters()]
    Portable(estimator._fitted, EVERY)(torch.from_numpy(X))
    assert [p.requires_grad for p in estimator.network_.parameters()] == gradients
    np.testing.assert_array_equal(estimator.transform(X), before[0])
    np.testing.assert_array_equal(estimator.score_samples(X), before[1])
    estimator.partial_fit(rows(kind, holes=False))


def test_outputs_are_chosen_by_name() -> None:
    assert checked_outputs("score", OUTPUTS) == ("score",)
    assert checked_outputs(["score", "encode", "score"], OUTPUTS) == ("score", "encode")
    with pytest.raises(ParameterError, match="outputs='scores' must be one of"):
        checked_outputs("scores", OUTPUTS)
    with pytest.raises(ParameterError, match="starts from codes"):
        checked_outputs(list(OUTPUTS), OUTPUTS)
    with pytest.raises(ParameterError, match="outputs is empty"):
        checked_outputs([], OUTPUTS)


@pytest.mark.parametrize("classes", ["numbers", "text"])
def test_a_classifier_with_its_head(classes: str) -> None:
    X = rows("types", holes=True)
    labels = np.digitize(np.nan_to_num(X[:, 8]), [4.8, 5.2]) + 3
    y = labels if classes == "numbers" else np.array(["low", "middle", "high"])[labels - 3]
    estimator = AutoencoderClassifier(ALL["types"](), max_epochs=2, random_state=0).fit(X, y)
    what = estimator._exportable
    module = what.portable(["encode", "predict", "predict_proba"])
    code, predicted, proba = (a.numpy() for a in module(torch.from_numpy(X)))
    np.testing.assert_allclose(code, estimator.transform(X), atol=1e-5)
    np.testing.assert_allclose(proba, estimator.predict_proba(X), atol=1e-5)
    named = predicted if classes == "numbers" else estimator.classes_[predicted]
    assert (named == estimator.predict(X)).mean() > 0.99
    assert what.described["narrows.classes"] == estimator.classes_.tolist()
    answers = what.answers(X, ("predict",))
    assert difference(what.model, "predict", predicted, answers["predict"]) == 0
    assert difference(what.model, "predict", predicted + 1, answers["predict"]) == 1


def test_a_regressor_with_its_head() -> None:
    X = rows("basic", holes=True)
    y = np.nan_to_num(X[:, :2]) * 100
    estimator = AutoencoderRegressor(ALL["basic"](), max_epochs=2, random_state=0).fit(X, y)
    what = estimator._exportable
    assert set(what.choices) == {"predict", "encode"}
    (predicted,) = what.portable(["predict"])(torch.from_numpy(X))
    np.testing.assert_allclose(predicted.numpy(), estimator.predict(X), rtol=1e-5)
    np.testing.assert_allclose(what.answers(X, ())["predict"], estimator.predict(X), rtol=1e-6)
