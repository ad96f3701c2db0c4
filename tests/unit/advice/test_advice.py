"""Advice: every check speaks where it must, is silent where it must, and what it advises runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from narrows import (
    SGD,
    Adversarial,
    Autoencoder,
    Categorical,
    Convolutional,
    Dense,
    Mixture,
    Recurrent,
    Sparsity,
    WeightDecay,
    advise,
)
from narrows.advice import size
from narrows.advice.duration import in_words
from narrows.advice.profile import profile
from narrows.advice.remark import SEVERITIES
from narrows.advice.setting_checks import declared
from narrows.data.row_shape import RowShape
from narrows.errors import DataError, DivergenceError, ParameterError
from narrows.training import trials

Case = tuple[Any, dict[str, Any]]


def related(n: int = 300, d: int = 8, rank: int = 3, noise: float = 0.3, seed: int = 0) -> Any:
    """Return normal columns of a few common causes."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(n, rank)) @ random.normal(size=(rank, d))
    return causes + noise * random.normal(size=(n, d))


def frame(n: int = 300, **columns: Any) -> pd.DataFrame:
    found = pd.DataFrame(related(n, 4), columns=list("abcd"))
    return found.assign(**columns)


def changed(change: Callable[[Any], None], **shape: int) -> Any:
    X = related(**shape)
    change(X)
    return X


def put(X: Any, where: Any, value: float) -> None:
    X[where] = value


def columns_with_missing(share: float = 0.2) -> Any:
    X = related()
    X[np.random.default_rng(1).random(X.shape) < share] = np.nan
    return X


def padded() -> Any:
    X = related(d=12)
    X[::2, 8:] = np.nan
    return X


def lacking_a_view() -> Any:
    X = related()
    X[::3, :4] = np.nan
    return X


def shares(n: int = 300, d: int = 6) -> Any:
    return 1 / (1 + np.exp(-related(n, d)))


def pixels(n: int = 120) -> pd.DataFrame:
    return pd.DataFrame(
        related(n, 16), columns=[f"pixel_{i}_{j}" for i in range(4) for j in range(4)]
    )


random = np.random.default_rng(3)
PLAIN: Case = (related(), {})
TWO = {"one": slice(0, 4), "two": slice(4, 8)}
KL_ON_SIGMOID = {"penalty": Sparsity(), "architecture": Dense((6,), code_activation="sigmoid")}
UNALIKE = {"narrow": slice(0, 2), "wide": slice(2, 30)}

SPEAKS: dict[str, list[Case]] = {
    "sample": [(related(), {"max_rows": 200})],
    "unusable": [
        (frame(patient=[f"p{i}" for i in range(300)]), {}),
        (frame(price=[f"{i:,}.50" for i in range(2000, 2300)]), {}),
        (frame(when=pd.date_range("2020", periods=300)), {}),
        (pl.from_pandas(frame(when=pd.date_range("2020", periods=300))), {}),
        (pl.from_pandas(frame(when=pd.date_range("2020", periods=300))).to_arrow(), {}),
        (
            frame(when=pd.date_range("2020", periods=300)),
            {"views": {"x": ["a", "b"], "y": ["c", "when"], "z": ["d"]}, "types": {0: "numeric"}},
        ),
        (pl.from_pandas(frame()).with_columns(e=pl.lit([1, 2])), {}),
    ],
    "unseen": [(changed(lambda X: put(X, np.s_[:, 2], np.nan)), {})],
    "constant": [
        (changed(lambda X: put(X, np.s_[:, 2], 7.0)), {}),
        (scipy.sparse.csr_array(related() * (np.arange(8) != 2)), {}),
    ],
    "identifier": [
        (frame(patient=range(1, 301)), {}),
        (frame(patient=range(1, 301)), {"max_rows": 200}),
    ],
    "duplicates": [
        (np.vstack([related(), related()[:5]]), {}),
        (pd.concat([frame(s="x"), frame(s="x")[:5]]), {}),
    ],
    "missing": [
        (columns_with_missing(), {}),
        (columns_with_missing(), {"views": TWO}),
        (frame(s=["u", None, "v"] * 100), {}),
    ],
    "empty rows": [(changed(lambda X: put(X, 5, np.nan)), {})],
    "missing views": [(lacking_a_view(), {"views": TWO})],
    "tails": [(changed(lambda X: put(X, np.s_[:, 1], np.exp(2 * X[:, 1]))), {})],
    "outliers": [(changed(lambda X: put(X, (17, 3), 1e4)), {})],
    "collinear": [
        (changed(lambda X: put(X, np.s_[:, 4], -2 * X[:, 1] + 5)), {}),
        (changed(lambda X: put(X, np.s_[:, 4], 1e15 * X[:, 1]), seed=1), {}),
    ],
    "whole numbers": [(frame(visits=random.poisson(3, 300)), {})],
    "levels": [(frame(town=[f"town {i}" for i in random.integers(0, 60, 300)]), {})],
    "loss": [
        (related(), {"loss": "cross_entropy"}),
        (related(), {"loss": "cross_entropy", "scaling": "none"}),
        (shares(), {"loss": "cross_entropy"}),
    ],
    "unit interval": [(shares(), {})],
    "scaling": [
        (related() * np.array([1e4, 1, 1, 1, 1, 1, 1, 1]), {}),
        (related() * np.array([20, 1, 1, 1, 1, 1, 1, 0.01]), {"scaling": "none"}),
    ],
    "order": [(pixels(), {}), (frame().set_axis([f"t{i}" for i in range(4)], axis=1), {})],
    "architecture": [
        (pixels(), {"input_shape": (1, 4, 4)}),
        (pixels(), {"input_shape": (2, 2, 4)}),
        (padded(), {"input_shape": (12,)}),
    ],
    "activation": [
        (related(), {"penalty": Sparsity()}),
        (related(), {"penalty": Sparsity() + WeightDecay(), "n_components": 3}),
        (
            related(),
            {"penalty": Sparsity(), "architecture": Dense((6,), code_activation="relu")},
        ),
    ],
    "few rows": [(related(60), {}), (related(150, 600), {"optimizer": "adam"})],
    "decay": [(related(), {"optimizer": "adam"})],
    "balance": [(related(d=30), {"views": UNALIKE})],
    "unrelated": [(np.random.default_rng(4).normal(size=(300, 6)), {})],
    "depth": [(related(1200, 120, 2), {})],
    "overcomplete": [(related(), {"n_components": 8})],
    "size": [PLAIN],
    "time": [PLAIN],
}
SILENT: dict[str, list[Case]] = {
    "unusable": [(frame(s="x"), {})],
    "identifier": [
        (frame(age=np.sort(random.normal(size=300))), {}),
        (frame(town=["a", "b", "c"] * 100), {}),
        (frame(x=range(300))[::-1].reset_index(drop=True), {}),
    ],
    "missing": [(scipy.sparse.csr_array(related()), {})],
    "missing views": [(columns_with_missing(), {"views": TWO}), (lacking_a_view(), {})],
    "tails": [(random.uniform(size=(300, 4)), {})],
    "outliers": [(random.poisson(0.1, (300, 5)), {})],  # most cells 0: no robust distance
    "collinear": [(changed(lambda X: put(X, np.s_[:, 4], X[:, 1] + 0.3 * X[:, 2])), {})],
    "whole numbers": [
        (frame(smoker=random.integers(0, 2, 300)), {}),
        (frame(born=random.integers(-50, 50, 300)), {}),
        (frame(grams=random.integers(0, 100_000, 300)), {}),
        (random.integers(0, 17, (100, 64)), {}),  # pixels
    ],
    "levels": [(frame(town=random.integers(0, 9, 300).astype(str)), {})],
    "loss": [(shares(), {"loss": "huber"})],
    "unit interval": [(shares() * 1.1, {}), (shares(), {"loss": "huber"})],
    "order": [
        (frame().rename(columns={"a": "t1"}), {}),
        (pixels(), {"architecture": Dense((6,))}),
    ],
    "activation": [
        (related(), KL_ON_SIGMOID),
        (related(), {"penalty": Sparsity(kind="l1")}),
    ],
    "few rows": [(related(150, 200), {})],
    "decay": [
        (related(), {"optimizer": "adamw"}),
        (related(), {"optimizer": SGD(), "penalty": "weight_decay"}),
    ],
    "balance": [(related(), {"views": TWO})],
    "depth": [
        (related(1200, 120, 30), {}),
        (related(1200, 120, 2), {"architecture": (32, 8)}),
        (related(900, 120, 2), {}),
    ],
    "overcomplete": [
        (related(), {"n_components": 8, "corruption": "masking"}),
        (related(), {"n_components": 7}),
    ],
}
ALWAYS = {"size", "time"}


def cases(of: dict[str, list[Case]]) -> list[Any]:
    return [
        pytest.param(topic, *case, id=f"{topic} {number}")
        for topic, listed in of.items()
        for number, case in enumerate(listed)
    ]


def look(X: Any, options: dict[str, Any]) -> Any:
    return advise(X, quick=True, **{"max_epochs": 1, **options})


@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")  # of what is deliberately odd
@pytest.mark.parametrize(("topic", "X", "options"), cases(SPEAKS))
def test_a_check_speaks_and_what_is_advised_runs(
    topic: str, X: Any, options: dict[str, Any]
) -> None:
    advice = look(X, options)
    remark = advice.about(topic)
    assert remark is not None, str(advice)
    assert remark.severity in SEVERITIES
    assert remark.finding
    assert remark.why.endswith(".")
    assert remark.call
    json.dumps(advice.to_dict(), allow_nan=False)
    known = {"X": X, **{key: options.get(key) for key in ("views", "types")}}
    exec(advice.call, known)  # what a person would paste
    assert known["model"].n_iter_ == 1
    n_components = advice.settings["n_components"]
    assert known["model"].transform(known["X"]).shape == (advice.shape[0], n_components)
    assert advice.estimator().fit(known["X"]).n_components_ == n_components


@pytest.mark.parametrize("topic", sorted(SPEAKS.keys() - ALWAYS))
def test_a_check_is_silent_on_a_plain_table(topic: str) -> None:
    assert look(*PLAIN).about(topic) is None


@pytest.mark.parametrize(("topic", "X", "options"), cases(SILENT))
def test_a_check_is_silent_where_it_has_no_reason(
    topic: str, X: Any, options: dict[str, Any]
) -> None:
    assert look(X, options).about(topic) is None


def test_a_plain_table_gets_a_plain_call() -> None:
    advice = advise(related(), quick=True)
    assert {remark.topic for remark in advice} == ALWAYS
    assert advice.call == (
        "from narrows import Autoencoder\n\nmodel = Autoencoder(n_components=3, random_state=0)"
        ".fit(X)"
    )
    assert repr(advice) == "<Advice: 0 of error, 0 of warning, 2 of advice>"


def test_zeros_of_either_sign_are_equal() -> None:
    X = pd.DataFrame({"a": [0.0, -0.0, 1.0, 2.0], "b": [3.0, 3.0, 4.0, 5.0]})
    assert "duplicates" in {remark.topic for remark in advise(X, quick=True).remarks}


@pytest.mark.parametrize(
    ("n", "d", "expected"), [(10_000, 100, 10), (60, 100, 6), (10, 4, 2), (70_000, 784, 28)]
)
def test_the_rule_of_thumb_is_the_tutorials(n: int, d: int, expected: int) -> None:
    assert size.rule_of_thumb(n, d) == expected


def curved() -> Any:
    """Return ten columns that two causes determine, along curves."""
    random = np.random.default_rng(0)
    causes = random.uniform(-2, 2, size=(500, 2))
    bent = np.sin(causes @ random.normal(size=(2, 10)) * 1.5 + random.uniform(0, 6, 10))
    return bent + 0.02 * random.normal(size=(500, 10))


@pytest.mark.slow
def test_quick_fits_find_that_curves_need_fewer_components_than_a_pca() -> None:
    advice = advise(curved(), max_epochs=40)
    rows = advice.about("held-out size").details["curve"]
    assert all(0 < row["autoencoder"] < 1 and 0 < row["pca"] < 1 for row in rows)
    sizes = [row["n_components"] for row in rows]
    assert sizes == sorted(set(sizes))
    said = advice.about("pca")
    assert said.severity == "advice"
    assert "keeps more than a PCA" in said.finding
    assert said.details["autoencoder"] < said.details["pca"] - 0.01


def test_where_all_is_linear_a_pca_is_named_as_good() -> None:
    advice = advise(related(250, 30, 2, 0.5), max_epochs=10)
    said = advice.about("pca")
    assert said.severity == "warning"
    assert "PCA(" in said.call


def test_the_curve_is_the_same_for_the_same_seed() -> None:
    one, two = (advise(related(), max_epochs=2, random_state=3) for _ in range(2))
    name = "held-out size"
    assert one.about(name).details == two.about(name).details
    assert one.settings["random_state"] == 3


def test_no_fit_is_begun_when_the_seconds_are_over() -> None:
    advice = advise(related(), max_epochs=1, seconds=0)
    said = advice.about("held-out size")
    assert len(said.details["curve"]) == 1
    assert "0 s were too short" in said.finding


def test_a_size_that_keeps_nothing_of_new_rows_is_not_recommended() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 400))
    advice = advise(noise, max_epochs=20)
    said = advice.about("held-out size")
    assert said.severity == "warning"
    assert "no code keeps anything" in said.finding
    assert advice.about("pca") is None


def test_pixels_of_an_image_keep_one_scale() -> None:
    advice = look(shares(120, 16), {"input_shape": (1, 4, 4)})
    assert "scaling" not in advice.settings
    assert (
        look(shares(), {"input_shape": (1, 2, 3), "scaling": "minmax"}).settings["scaling"]
        == "minmax"
    )


def blobs(n_rows: int = 300) -> Any:
    """Return pictures of 12 x 12 of a spot that wanders, which convolutions see at once."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 10, (2, n_rows, 1, 1))
    across, down = np.meshgrid(np.arange(12), np.arange(12))
    return np.exp(-((across - x) ** 2 + (down - y) ** 2) / 2).reshape(n_rows, -1)


def scattered(n_rows: int = 300) -> Any:
    """Return rows of pixels that follow four hidden variables, neighbours or not."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 4)) @ rng.normal(size=(4, 144)) + rng.normal(size=(n_rows, 144))


@pytest.mark.slow
@pytest.mark.parametrize(("X", "better"), [(blobs(150), True), (scattered(), False)])
def test_held_out_rows_decide_whether_layers_for_images_are_advised(X: Any, better: bool) -> None:
    side = int(np.sqrt(X.shape[1]))
    advice = advise(X, input_shape=(side, side), n_components=4, seconds=600)
    said = advice.about("architecture")
    assert (said.details["own"] < said.details["dense"]) == better
    assert ("architecture" in advice.settings) == better
    assert "Convolutional loses" in said.finding
    quick = advise(X, input_shape=(side, side), n_components=4, quick=True)
    assert "architecture" not in quick.settings
    assert quick.about("architecture").call.endswith("to compare with Dense")


@pytest.mark.parametrize(
    "options",
    [
        {"seconds": 0},
        {"architecture": Dense((8,))},
        {"penalty": Adversarial(prior=Mixture(3), n_classes=3)},
        {"max_grad_norm": -1.0},  # every fit is refused
    ],
    ids=str,
)
def test_layers_for_images_are_not_tried_where_that_is_no_use(options: dict[str, Any]) -> None:
    advice = advise(
        blobs(80), input_shape=(12, 12), **{"n_components": 2, "max_epochs": 1, **options}
    )
    assert advice.about("architecture").details == {}
    assert "architecture" in options or "architecture" not in advice.settings


def test_a_fit_without_a_bend_that_fails_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = size._lost

    def failing(table: Any, settings: Any, *parts: Any) -> Any:
        if "architecture" in settings:
            raise DivergenceError("it never was finite")
        return 0.9, lost(table, settings, *parts)[1]

    monkeypatch.setattr(size, "_lost", failing)
    advice = advise(related(), max_epochs=1, n_components=2)
    assert advice.about("pca").finding.startswith("a PCA keeps more")
    assert "architecture" not in advice.settings


def test_where_layers_without_a_bend_keep_more_the_call_has_them() -> None:
    X = np.random.default_rng(0).normal(size=(80, 4)) @ np.ones((4, 60))
    X = X + np.random.default_rng(1).normal(size=X.shape)
    bad = {"learning_rate": 0.05, "max_epochs": 20, "n_components": 1}  # both begin at the PCA
    advice = advise(X, **bad)
    said = advice.about("pca")
    assert said.finding.startswith("a PCA keeps more")
    assert said.details["linear"] < said.details["autoencoder"] - size.ALIKE
    assert "Dense(hidden=())" in advice.call
    asked = advise(X, **bad, architecture=Dense((16,)))
    assert "linear" not in asked.about("pca").details
    assert "hidden=(16,)" in asked.call


def test_what_is_found_in_cells_changes_no_setting() -> None:
    """Neither Huber's loss nor quartiles helped where they were tried: docs/advise.md."""
    odd = related()
    odd[17, 3] = 1e4
    odd[:, 1] = np.exp(2 * odd[:, 1])
    advice = look(odd, {})
    assert advice.about("outliers") is not None
    assert advice.about("tails") is not None
    assert advice.settings.keys() == {"n_components", "max_epochs", "random_state"}


def test_the_rows_to_look_at_can_be_chosen() -> None:
    wide = related(600, 20_000, 1)
    for max_rows, n_rows in ((None, 250), (300, 300)):
        table = profile(wide, views=None, types=None, max_rows=max_rows, random_state=0)
        assert table.n_looked_at == n_rows
    assert look(related(), {"max_rows": 100}).n_looked_at == 100


def test_the_size_asked_for_stays_and_is_judged() -> None:
    advice = advise(related(), n_components=5, max_epochs=2)
    assert advice.settings["n_components"] == 5
    assert "5 is asked for" in advice.about("size").finding
    assert 5 in [row["n_components"] for row in advice.about("held-out size").details["curve"]]


@pytest.mark.parametrize(
    "X", [related(20), np.repeat(related(2), 50, axis=0), np.full((80, 3), 2.0)]
)
@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
def test_without_rows_to_hold_out_there_is_no_curve(X: Any) -> None:
    advice = advise(X, max_epochs=1)
    assert "no held-out curve" in advice.about("held-out size").finding
    assert advice.about("pca") is None


def test_what_is_asked_for_is_kept_unless_a_fit_would_be_refused() -> None:
    tails = changed(lambda X: put(X, np.s_[:, 1], np.exp(2 * X[:, 1])))
    assert "scaling" not in look(tails, {}).settings
    assert look(tails, {"scaling": "robust"}).settings["scaling"] == "robust"
    assert "scaling" not in look(tails, {"scaling": "auto"}).settings  # the default
    assert look(related(), {"loss": "cross_entropy"}).settings["scaling"] == "minmax"
    relu = Dense((6,), code_activation="relu")
    kept = look(related(), {"penalty": Sparsity(), "architecture": relu})
    assert kept.settings["architecture"] is relu
    assert kept.about("activation").severity == "warning"
    linear = look(related(), {"penalty": Sparsity(), "architecture": Dense((6,))})
    assert linear.about("activation").severity == "error"
    assert linear.settings["architecture"].code_activation == "sigmoid"
    assert relu.code_activation == "relu"


def looked_at(X: Any) -> Any:
    return profile(X, views=None, types=None, max_rows=None, random_state=0)


def test_the_architecture_follows_from_what_a_row_is() -> None:
    image = declared(RowShape.declared((2, 4, 2), 16))
    assert isinstance(image, Convolutional)
    assert (tuple(image.input_shape), image.in_channels) == ((4, 2), 2)
    assert declared(RowShape.of(np.zeros((5, 2, 4, 2)))).input_shape == (4, 2)
    steps = declared(RowShape.declared((6,), 12))
    assert isinstance(steps, Recurrent)
    assert tuple(steps.input_shape) == (6, 2)


def test_what_fit_decides_by_held_out_rows_is_left_to_it() -> None:
    few = {"few rows": related(60), "missing": columns_with_missing()}
    for topic, X in few.items():
        advice = look(X, {})
        assert advice.about(topic) is not None
        left = {"architecture", "optimizer", "learning_rate", "corruption", "penalty"}
        assert left.isdisjoint(advice.settings)
    assert "fusion" not in look(lacking_a_view(), {"views": TWO}).settings


def test_one_cell_far_out_is_no_tail() -> None:
    X = np.random.default_rng(0).normal(size=(60, 4))
    X[3, 1] = 9.0
    assert look(X, {}).about("tails") is None
    X[[3, 5, 8], 1] = 9.0
    assert look(X, {}).about("tails") is not None


def test_a_gross_cell_is_named_by_row_and_column() -> None:
    X = frame()
    X.loc[17, "c"] = 1e4
    said = look(X, {}).about("outliers")
    assert (said.details["rows"], said.details["columns"]) == ([17], ["c"])
    assert "rows 17" in said.finding


def test_pairs_of_columns_are_named_strongest_first() -> None:
    X = frame(e=lambda t: -3 * t["a"], f=lambda t: t["b"] + 0.01 * t["a"])
    pairs = look(X, {}).about("collinear").details["pairs"]
    assert pairs[0][:2] == ["a", "e"]
    assert pairs[0][2] == pytest.approx(1)
    assert ["b", "f"] in [pair[:2] for pair in pairs]


def test_a_wide_table_is_compared_in_part_and_says_so() -> None:
    X = related(30, 1500, 1, 0.001)
    assert "of 1,000 columns compared" in look(X, {}).about("collinear").finding


def test_a_fit_that_would_be_refused_is_an_error() -> None:
    advice = advise(related(), penalty="kl", max_epochs=1)
    assert advice.about("refused").severity == "error"
    assert "gaussian" in advice.about("refused").finding
    assert advice.about("held-out size") is None


def test_a_fit_that_would_diverge_is_an_error() -> None:
    advice = advise(related(), optimizer="sgd", learning_rate=1e9, quick=True)
    assert advice.about("divergence").severity == "error"


def test_a_penalty_that_needs_classes_is_not_tried_out() -> None:
    advice = advise(related(), penalty=Adversarial(prior=Mixture(3), n_classes=3), n_components=2)
    assert advice.about("time") is None


@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
def test_mixed_tables_of_every_library_get_the_same_advice() -> None:
    table = frame(town=["a", "b", None] * 100, smoker=[True, False] * 150)
    found = [look(X, {}).to_dict() for X in (table, pl.from_pandas(table))]
    for one in found:
        one["remarks"] = [r for r in one["remarks"] if r["topic"] != "time"]
    assert found[0] == found[1]


def test_types_and_views_go_into_the_call_by_name() -> None:
    types = {"visits": "count", "town": Categorical(min_count=5)}
    table = frame(visits=random.poisson(3, 300), town=["a", "b", "c"] * 100)
    views = {"x": ["a", "b", "visits"], "y": ["c", "d", "town"]}
    advice = look(table, {"types": types, "views": views})
    assert advice.about("whole numbers") is None
    assert "types=types" in advice.call
    assert "views=views" in advice.call
    assert advice.to_dict()["settings"]["types"]["town"] == "Categorical(min_count=5)"


def test_advice_reads_well_at_80_columns() -> None:
    X = frame(when=pd.date_range("2020", periods=300))
    X.loc[17, "c"] = 1e4
    shown = str(advise(X, max_epochs=2))
    assert max(map(len, shown.splitlines())) <= 80
    assert [s for s in shown.splitlines() if s in SEVERITIES] == ["error", "warning", "advice"]
    assert "X = X.drop(columns=['when'])" in shown


def test_the_estimator_is_a_new_one_each_time() -> None:
    advice = look(related(), KL_ON_SIGMOID)
    one, two = advice.estimator(), advice.estimator()
    assert isinstance(one, Autoencoder)
    assert one.penalty is not two.penalty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"los": "huber"}, "did you mean 'loss'"),
        ({"loss": "hubber"}, "did you mean 'huber'"),
        ({"input_shape": (5, 5)}, "does not fill rows of 8 columns"),
        ({"input_shape": (0,)}, "input_shape"),
        ({"max_rows": 0}, "max_rows=0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"random_state": -1}, "random_state=-1"),
        ({"views": {"one": slice(0, 3)}}, "are in no view"),
        ({"types": {"nothing": "count"}}, "nothing"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        look(related(), options)


def test_a_table_of_dates_alone_cannot_be_advised_on() -> None:
    with pytest.raises(DataError, match="0 feature"):
        advise(pd.DataFrame({"when": pd.date_range("2020", periods=9)}))
    with pytest.raises(ValueError, match="infinity"):
        advise(np.array([[1.0, np.inf], [2.0, 3.0]]))


def test_a_list_of_rows_is_a_table() -> None:
    assert look(related(30).tolist(), {}).shape == (30, 8)


def test_looking_leaves_table_and_global_generators_alone() -> None:
    X = related()
    before, state = X.copy(), np.random.get_state()[1].copy()  # noqa: NPY002 - to see it untouched
    look(X, {})
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (45, "45 s"), (100, "2 min"), (5000, "83 min"), (9000, "2.5 h")],
)
def test_durations_are_told_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_time_foreseen_counts_what_is_tried_first() -> None:
    chosen = advise(related(), quick=True).about("time")
    epochs = chosen.details["epochs"]
    given = advise(related(), quick=True, max_epochs=epochs).about("time")
    assert "tried on held-out rows first" in chosen.why
    assert "tried" not in given.why
    per_epoch = [
        said.details["seconds"] * said.details["rows_per_second"] for said in (chosen, given)
    ]
    assert per_epoch[0] == pytest.approx(trials.n_trainings(300, 3) * per_epoch[1])


@pytest.mark.slow
def test_the_time_foreseen_is_that_of_the_pace_a_fit_would_have() -> None:
    for settings in ({}, {"init": "random"}, {"corruption": "masking"}, {"optimizer": "adam"}):
        advice = advise(related(), n_components=2, quick=True, **settings)
        model = Autoencoder(2, random_state=0, **settings).fit(related())
        assert advice.about("time").details["epochs"] == model.n_iter_


@pytest.mark.slow
def test_the_time_foreseen_of_a_fit_in_rounds_is_that_of_the_longest() -> None:
    centers = np.random.default_rng(0).normal(size=(40, 6))
    X = np.tile(centers, (50, 1)) + 0.01 * np.random.default_rng(1).normal(size=(2000, 6))
    advice = advise(X, n_components=2, quick=True, architecture=(32,))
    model = Autoencoder(2, architecture=(32,), random_state=0).fit(X)
    assert model.stop_reason_ == "max_epochs"
    assert len({row["phase"] for row in model.history_}) > 1
    said = advice.about("time")
    assert "at most about" in said.finding
    assert said.details["epochs"] == pytest.approx(model.n_iter_, abs=2)  # rounds have whole epochs


def test_images_need_not_be_flat() -> None:
    flat = advise(blobs(60), input_shape=(12, 12), n_components=2, max_epochs=1, quick=True)
    images = advise(blobs(60).reshape(-1, 12, 12), n_components=2, max_epochs=1, quick=True)
    assert images.about("architecture").call == flat.about("architecture").call


def test_sequences_of_different_length_are_for_recurrent_layers() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, 2)) for length in rng.integers(3, 9, 60)]
    known: dict[str, Any] = {"X": sequences}
    exec(advise(sequences, quick=True, max_epochs=1).call, known)
    assert isinstance(known["model"].architecture, Recurrent)


def test_an_architecture_is_given_the_shape_or_asked_for_it() -> None:
    settings = {"architecture": "convolutional", "max_epochs": 1, "quick": True}
    with pytest.raises(ParameterError, match=r"write Convolutional\(\(12, 12\)\)"):
        advise(blobs(60), **settings)
    known: dict[str, Any] = {"X": blobs(60)}
    exec(advise(blobs(60), input_shape=(12, 12), **settings).call, known)
    assert tuple(known["model"].architecture.input_shape) == (12, 12)


def test_of_many_rows_the_time_foreseen_is_the_most_it_takes() -> None:
    X = np.random.default_rng(0).normal(size=(50_000, 4))
    for settings, is_open in (({}, True), ({"max_epochs": 10}, False)):
        remark = advise(X, quick=True, **settings).about("time")
        assert remark.finding.startswith("a fit takes at most") == is_open
