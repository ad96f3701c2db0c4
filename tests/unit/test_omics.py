"""AnnData and MuData: what is read of them, and what is written into them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import narrows
from narrows import Autoencoder, Count, omics
from narrows.errors import DataError, ParameterError

SETTINGS: dict[str, Any] = {"max_epochs": 3, "random_state": 0}


class Cells:
    """What narrows uses of an AnnData, which may not be installed."""

    isbacked = False
    filename = None

    def __init__(self, X: Any, names: Any = None, cells: Any = None, **parts: Any) -> None:
        self.X, self.shape = X, X.shape
        n_rows, n_columns = X.shape
        own = [f"g{number}" for number in range(n_columns)] if names is None else names
        rows = [f"c{number}" for number in range(n_rows)] if cells is None else cells
        self.var = pd.DataFrame(index=pd.Index(own))
        self.obs = pd.DataFrame(index=pd.Index(rows))
        self.layers: dict[str, Any] = parts
        self.obsm: dict[str, Any] = {}
        self.varm: dict[str, Any] = {}
        self.uns: dict[str, Any] = {}

    @property
    def var_names(self) -> Any:
        return self.var.index

    @property
    def obs_names(self) -> Any:
        return self.obs.index


class Modalities:
    """What narrows uses of a MuData."""

    axis = 0

    def __init__(self, mod: dict[str, Cells]) -> None:
        self.mod = mod
        names: list[Any] = []
        for own in mod.values():
            names += [name for name in own.obs_names if name not in set(names)]
        self.obs = pd.DataFrame(index=pd.Index(names))
        self.obsm: dict[str, Any] = {}
        self.uns: dict[str, Any] = {}
        self.shape = (len(names), sum(own.shape[1] for own in mod.values()))

    @property
    def obs_names(self) -> Any:
        return self.obs.index


def counted(n_rows: int = 80, n_columns: int = 12, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, n_columns)) / 2)
    depth = np.exp(rng.normal(size=(n_rows, 1)) / 2)
    return scipy.sparse.csr_array(rng.poisson(rates * depth).astype(np.float32))


def test_results_are_where_scanpy_looks_for_them() -> None:
    cells = Cells(counted())
    model = omics.fit(cells, n_components=3, **SETTINGS)
    assert cells.obsm["X_narrows"].shape == (80, 3)
    assert cells.varm["narrows"].shape == (12, 3)
    assert (cells.varm["narrows"] < 0).any()
    told = cells.uns["narrows"]
    assert told["likelihood"] == {"X": "Count(distribution='negative_binomial', size_factors=True)"}
    assert len(told["history"]["objective"]) == 3
    assert list(model.feature_names_in_) == list(cells.var_names)
    codes = model.transform(pd.DataFrame(cells.X.toarray(), columns=cells.var_names))
    np.testing.assert_allclose(cells.obsm["X_narrows"], codes, rtol=1e-5, atol=1e-5)


def test_sparse_counts_are_learned_from_as_dense_ones_are() -> None:
    sparse, dense = Cells(counted()), Cells(counted().toarray())
    for cells in (sparse, dense):
        omics.fit(cells, n_components=2, **SETTINGS)
    np.testing.assert_array_equal(sparse.obsm["X_narrows"], dense.obsm["X_narrows"])


@pytest.mark.slow
def test_depth_is_not_for_the_code_to_say() -> None:
    cells = Cells(counted(600, 40))
    shares = []
    for likelihood in ("poisson", Count()):
        omics.fit(cells, n_components=2, likelihood=likelihood, random_state=0, max_epochs=60)
        depth = np.log(cells.X.sum(1) + 1)
        design = np.column_stack([cells.obsm["X_narrows"], np.ones(600)])
        left = depth - design @ np.linalg.lstsq(design, depth, rcond=None)[0]
        shares.append(1 - left.var() / depth.var())
    assert shares[0] < 0.4 < 0.7 < shares[1]


@pytest.mark.slow
def test_a_row_that_is_given_back_has_the_mean_total() -> None:
    cells = Cells(counted(400, 30))
    model = omics.fit(cells, n_components=2, random_state=0, max_epochs=60)
    back = model.reconstruct(pd.DataFrame(cells.X.toarray(), columns=cells.var_names)).to_numpy()
    assert back.sum(1).std() < 0.2 * cells.X.sum(1).std()


def test_layers_numbers_and_chosen_variables() -> None:
    cells = Cells(counted(), logs=np.log1p(counted().toarray()))
    cells.var["highly_variable"] = np.arange(12) % 2 == 0
    model = omics.fit(cells, n_components=2, layer="logs", key="own", **SETTINGS)
    assert list(model.feature_names_in_) == ["g0", "g2", "g4", "g6", "g8", "g10"]
    assert model.columns_[0]["type"] == "numeric"
    assert cells.uns["own"]["layer"] == "logs"
    assert not cells.varm["own"][1::2].any()
    whole = omics.fit(cells, n_components=2, layer="logs", mask_var=None, **SETTINGS)
    assert whole.n_features_in_ == 12


def test_other_cells_have_their_variables_in_any_order(tmp_path: Path) -> None:
    cells = Cells(counted())
    model = omics.fit(cells, n_components=2, **SETTINGS)
    model.save(tmp_path / "model")
    turned = counted().toarray()[:9, ::-1]
    more = np.hstack([np.ones((9, 1), np.float32), turned])
    others = Cells(more, names=["extra", *(f"g{number}" for number in range(11, -1, -1))])
    omics.transform(narrows.load(tmp_path / "model"), others)
    np.testing.assert_allclose(
        others.obsm["X_narrows"], cells.obsm["X_narrows"][:9], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(DataError, match=r"2 of 12 variables are not there: 'g1', 'g2'"):
        omics.transform(
            model, Cells(turned[:, :10], names=["g0", *(f"g{n}" for n in range(3, 12))])
        )


def test_each_modality_is_a_view_and_a_cell_may_lack_one() -> None:
    first = Cells(counted(60), cells=[f"c{number}" for number in range(60)])
    second = Cells(
        np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32),
        cells=[f"c{number}" for number in range(79, 29, -1)],
    )
    both = Modalities({"rna": first, "adt": second})
    model = omics.fit(both, n_components=2, **SETTINGS)
    assert [view.name for view in model.layout_.views] == ["rna", "adt"]
    assert both.obsm["X_narrows"].shape == (80, 2)
    assert np.isfinite(both.obsm["X_narrows"]).all()
    assert second.varm["narrows"].shape == (5, 2)
    assert list(model.feature_names_in_[[0, 12]]) == ["rna__g0", "adt__g0"]
    types = {column["view"]: column["type"] for column in model.columns_}
    assert types == {"rna": "count", "adt": "numeric"}
    table = both.uns["narrows"]["likelihood"]
    assert table["adt"] == "None"
    joined = pd.DataFrame(np.nan, index=both.obs_names, columns=model.feature_names_in_)
    joined.loc[first.obs_names, joined.columns[:12]] = first.X.toarray()
    joined.loc[second.obs_names, joined.columns[12:]] = second.X
    np.testing.assert_allclose(
        model.transform(joined.astype(np.float32)), both.obsm["X_narrows"], rtol=1e-4, atol=1e-5
    )


def test_likelihoods_are_told_by_modality_and_automatic_where_nothing_is_said() -> None:
    both = Modalities({"rna": Cells(counted()), "adt": Cells(counted(n_columns=5, seed=1))})
    omics.fit(both, n_components=2, likelihood={"adt": None}, **SETTINGS)
    kinds = both.uns["narrows"]["likelihood"]
    assert kinds["adt"] == "None"
    assert kinds["rna"].startswith("Count(")
    with pytest.raises(ParameterError, match="likelihood names 'RNA', but the modalities are"):
        omics.fit(both, likelihood={"RNA": "poisson"})


def test_what_each_component_stands_for() -> None:
    cells = Cells(counted(200))
    model = omics.fit(cells, n_components=2, **SETTINGS)
    codes = cells.obsm["X_narrows"]
    cells.obs["first"] = codes[:, 0] > np.median(codes[:, 0])
    cells.obs["noise"] = np.random.default_rng(3).normal(size=200)
    found = omics.factors(model, cells, n_columns=4)
    assert len(found.columns) == 8
    values = {(row["component"], row["variable"]): row["q_value"] for row in found.associations}
    assert values["autoencoder0", "first"] < 1e-10 < 0.001 < values["autoencoder0", "noise"]
    assert omics.factors(model, cells, metadata=[]).associations == []
    assert "goes with" in str(found)


def test_classes_of_obs_reach_a_penalty() -> None:
    cells = Cells(counted())
    cells.obs["kind"] = np.arange(80) % 2
    penalty = narrows.Adversarial(prior=narrows.Mixture(2), n_classes=2)
    model = omics.fit(cells, Autoencoder(2, penalty=penalty), target="kind", **SETTINGS)
    assert "critic" in model.history_[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer": "raw"}, ParameterError, "layer='raw' is none of the layers"),
        ({"likelihood": "normal"}, ParameterError, "likelihood='normal' must be"),
        ({"mask_var": "chosen"}, ParameterError, "mask_var='chosen' is no column of var"),
        ({"target": "kind"}, ParameterError, "'kind' is no column of obs"),
        ({"covariates": ["batch"]}, ParameterError, "'batch' is no column of obs"),
    ],
)
def test_what_is_not_there_is_said(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        omics.fit(Cells(counted()), n_components=2, **options)


def test_a_table_is_sent_to_the_estimator_and_the_other_way_round() -> None:
    with pytest.raises(DataError, match=r"tables to Autoencoder\.fit"):
        omics.fit(np.zeros((4, 3)))
    with pytest.raises(DataError, match=r"narrows\.omics\.fit\(X\)"):
        Autoencoder(2).fit(Cells(counted()))


@pytest.mark.slow
def test_very_many_variables_neither_hang_nor_grow() -> None:
    cells = Cells(scipy.sparse.random_array((60, 20_000), density=0.02, format="csr", rng=0))
    omics.fit(cells, n_components=2, likelihood=None, max_epochs=1, random_state=0)
    assert cells.varm["narrows"].shape == (20_000, 2)


def in_batches(*, n_rows: int = 300, sparse: bool = True) -> Cells:
    """Return counts, half of whose genes are counted three times as often in batch b."""
    own = counted(n_rows).toarray()
    batch = np.arange(n_rows) % 2 == 1
    own[batch, :6] *= 3
    cells = Cells(scipy.sparse.csr_array(own) if sparse else own)
    cells.obs["batch"] = pd.Categorical(np.where(batch, "b", "a"))
    cells.obs["age"] = np.linspace(20.0, 80.0, n_rows)
    return cells


@pytest.mark.parametrize("likelihood", ["auto", None])
@pytest.mark.parametrize("sparse", [True, False])
def test_covariates_stand_behind_the_variables(
    likelihood: Any, sparse: bool, tmp_path: Path
) -> None:
    cells = in_batches(n_rows=80, sparse=sparse)
    own: dict[str, Any] = {"likelihood": likelihood, **SETTINGS}
    model = omics.fit(cells, n_components=2, covariates=["batch", "age"], **own)
    assert list(model.feature_names_in_[12:]) == ["obs__batch=a", "obs__batch=b", "obs__age"]
    assert model.layout_.covariates == (12, 13, 14)
    assert {column["type"] for column in model.columns_[12:]} == {"numeric"}
    assert cells.varm["narrows"].shape == (12, 2)
    assert cells.uns["narrows"]["covariates"] == ["batch", "age"]
    assert cells.uns["narrows"]["n_variables"] == 12
    model.save(tmp_path / "model")
    codes = cells.obsm["X_narrows"].copy()
    omics.transform(narrows.load(tmp_path / "model"), cells)
    np.testing.assert_array_equal(cells.obsm["X_narrows"], codes)
    frame = pd.DataFrame(cells.X.toarray() if sparse else cells.X, columns=cells.var_names)
    for level in ("a", "b"):
        frame[f"obs__batch={level}"] = (cells.obs["batch"] == level).to_numpy(np.float32)
    frame["obs__age"] = cells.obs["age"].to_numpy(np.float32)
    np.testing.assert_allclose(model.transform(frame), codes, rtol=1e-4, atol=1e-5)
    found = omics.factors(model, cells, n_columns=12)
    assert {row["column"] for row in found.columns} == set(cells.var_names)


@pytest.mark.slow
def test_cells_are_given_back_as_another_batch_would_have_counted_them() -> None:
    cells = in_batches()
    own: dict[str, Any] = {"n_components": 2, "random_state": 0, "max_epochs": 60}
    model = omics.fit(cells, covariates=["batch"], penalty=narrows.Independence(), **own)
    b, codes = (cells.obs["batch"] == "b").to_numpy(), cells.obsm["X_narrows"]
    apart = np.abs(codes[b].mean(0) - codes[~b].mean(0)) / codes.std(0)
    assert (apart < 0.1).all()
    omics.fit(cells, key="plain", **own)
    plain = cells.obsm["X_plain"]
    assert (np.abs(plain[b].mean(0) - plain[~b].mean(0)) / plain.std(0)).max() > 0.3
    means = {}
    for batch in ("a", "b"):
        omics.reconstruct(model, cells, covariates={"batch": batch})
        means[batch] = cells.layers["narrows"].mean(0)
    # Half of the genes three times as often: beside the total 3 / 2, and 1 / 2 of the others.
    ratio = means["b"] / means["a"]
    assert (ratio[:6] > 1).all()
    assert ratio[:6].mean() == pytest.approx(1.5, abs=0.4)
    assert ratio[6:].mean() == pytest.approx(0.5, abs=0.3)
    assert (ratio[6:] < 0.85).all()
    omics.reconstruct(model, cells, key="own")
    frame = pd.DataFrame(cells.X.toarray(), columns=cells.var_names)
    for level, there in (("a", ~b), ("b", b)):
        frame[f"obs__batch={level}"] = there.astype(np.float32)
    whole = model.reconstruct(frame).to_numpy()[:, :12]
    np.testing.assert_array_equal(np.rint(cells.layers["own"]), whole)
    with pytest.raises(ParameterError, match="no covariate 'bach'; did you mean 'batch'"):
        omics.reconstruct(model, cells, covariates={"bach": "a"})
    with pytest.raises(ParameterError, match=r"\['batch'\] has 3 values for 300 observations"):
        omics.reconstruct(model, cells, covariates={"batch": ["a"] * 3})
    without = omics.fit(cells, n_components=2, likelihood=None, **SETTINGS)
    with pytest.raises(ParameterError, match="no covariate 'batch'; it has: none"):
        omics.reconstruct(without, cells, covariates={"batch": "a"})


def test_variables_that_are_not_used_are_not_given_back() -> None:
    """And more cells than are passed through the network at a time."""
    cells = Cells(counted(5000, 4), logs=np.log1p(counted(5000, 4).toarray()))
    cells.var["highly_variable"] = [True, False, True, False]
    model = omics.fit(cells, n_components=1, layer="logs", **SETTINGS)
    omics.reconstruct(model, cells, layer="logs")
    assert np.isnan(cells.layers["narrows"]).all(0).tolist() == [False, True, False, True]
    assert np.isfinite(cells.layers["narrows"][:, ::2]).all()


def test_modalities_beside_covariates() -> None:
    first = Cells(counted(60), cells=[f"c{number}" for number in range(60)])
    second = Cells(
        np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32),
        cells=[f"c{number}" for number in range(79, 29, -1)],
    )
    both = Modalities({"rna": first, "adt": second})
    both.obs["batch"] = np.where(np.arange(80) % 2, "a", "b")
    model = omics.fit(both, n_components=2, covariates=["batch"], **SETTINGS)
    assert [view.name for view in model.layout_.views] == ["rna", "adt", "obs"]
    weights = model._fitted.objective.weights
    assert weights[17:].mean() == pytest.approx(float(weights[:17].mean()), rel=0.2)
    found = omics.factors(model, both)
    assert {row["view"] for row in found.variance} == {"rna", "adt", "all"}
    assert {row["view"] for row in found.columns} <= {"rna", "adt"}
    omics.reconstruct(model, both, covariates={"batch": "a"})
    assert first.layers["narrows"].shape == (60, 12)
    assert np.isfinite(second.layers["narrows"]).all()
    clash = Modalities({"obs": Cells(counted())})
    clash.obs["batch"] = both.obs["batch"].to_numpy()
    with pytest.raises(DataError, match="a modality is called 'obs'"):
        omics.fit(clash, covariates=["batch"])


def test_a_column_of_obs_may_have_an_equals_sign_in_its_name() -> None:
    cells = in_batches(n_rows=80)
    cells.obs["dose=mg"], cells.obs["arm=1"] = (
        np.arange(80.0),
        np.where(np.arange(80) % 3, "p", "q"),
    )
    own: dict[str, Any] = {"covariates": ["dose=mg", "arm=1"], **SETTINGS}
    model = omics.fit(cells, n_components=2, likelihood=None, **own)
    omics.reconstruct(model, cells, covariates={"dose=mg": 3.0, "arm=1": "q"})
    assert np.isfinite(cells.layers["narrows"]).all()
    with pytest.raises(ParameterError, match="no covariate 'dose'; did you mean 'dose=mg'"):
        omics.reconstruct(model, cells, covariates={"dose": 3.0})
    cells.obs.loc["c7", "arm=1"] = None
    with pytest.raises(DataError, match=r"obs\['arm=1'\] is missing"):
        omics.transform(model, cells)


def test_holes_in_covariates_are_taken_at_the_mean_where_rows_can_have_some() -> None:
    dense, sparse = in_batches(sparse=False), in_batches()
    for cells in (dense, sparse):
        cells.obs.loc["c7", "batch"] = None
    omics.fit(dense, n_components=2, covariates=["batch"], likelihood=None, **SETTINGS)
    assert np.isfinite(dense.obsm["X_narrows"]).all()
    with pytest.raises(DataError, match=r"obs\['batch'\] is missing, .* in 1 of 300 .* 'c7'"):
        omics.fit(sparse, n_components=2, covariates=["batch"], likelihood=None, **SETTINGS)


class TestWithAnndata:
    """With the packages themselves: `make test-omics`."""

    @pytest.fixture
    def anndata(self) -> Any:
        return pytest.importorskip("anndata", reason="needs the extra omics")

    @pytest.fixture
    def cells(self, anndata: Any) -> Any:
        scanpy = pytest.importorskip("scanpy", reason="needs scanpy")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return scanpy.datasets.pbmc68k_reduced()

    def test_scanpy_goes_on_from_the_codes(self, cells: Any, tmp_path: Path) -> None:
        import anndata
        import scanpy

        omics.fit(cells, n_components=5, max_epochs=5, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanpy.pp.neighbors(cells, use_rep="X_narrows")
            scanpy.tl.umap(cells)
            cells.write(tmp_path / "cells.h5ad")
            again = anndata.read_h5ad(tmp_path / "cells.h5ad")
        assert cells.obsm["X_umap"].shape == (700, 2)
        np.testing.assert_array_equal(again.obsm["X_narrows"], cells.obsm["X_narrows"])
        assert again.uns["narrows"]["stop_reason"] == "max_epochs"
        found = omics.factors(
            narrows.Autoencoder(3, max_epochs=2, random_state=0).fit(cells.to_df()), cells
        )
        assert {row["variable"] for row in found.associations} >= {"bulk_labels", "n_counts"}

    def test_rows_on_the_disk_stay_there(self, cells: Any, anndata: Any, tmp_path: Path) -> None:
        path = tmp_path / "cells.h5ad"
        cells.write(path)
        backed = anndata.read_h5ad(path, backed="r")
        own = {"max_epochs": 2, "random_state": 0, "mask_var": None}
        model = omics.fit(backed, n_components=3, memory="200KB", **own)
        assert list(model.feature_names_in_) == list(cells.var_names)
        omics.transform(model, cells)
        np.testing.assert_allclose(
            backed.obsm["X_narrows"], cells.obsm["X_narrows"], rtol=1e-4, atol=1e-5
        )

    def test_batches_of_cells_in_memory_and_on_the_disk(
        self, cells: Any, anndata: Any, tmp_path: Path
    ) -> None:
        import scanpy

        path = tmp_path / "cells.h5ad"
        cells.write(path)
        backed = anndata.read_h5ad(path, backed="r")
        own: dict[str, Any] = {"covariates": ["phase", "percent_mito"], "max_epochs": 2}
        model = omics.fit(backed, n_components=3, memory="200KB", random_state=0, **own)
        omics.transform(model, cells)
        np.testing.assert_allclose(
            backed.obsm["X_narrows"], cells.obsm["X_narrows"], rtol=1e-4, atol=1e-5
        )
        omics.reconstruct(model, cells, covariates={"phase": "G1"})
        assert cells.layers["narrows"].shape == cells.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanpy.pp.neighbors(cells, use_rep="X_narrows")
            omics.fit(cells, n_components=3, random_state=0, **own)
            cells.write(tmp_path / "again.h5ad")
        again = anndata.read_h5ad(tmp_path / "again.h5ad")
        assert list(again.uns["narrows"]["covariates"]) == ["phase", "percent_mito"]
        assert again.layers["narrows"].shape == cells.shape

    def test_a_mudata_with_cells_that_lack_a_modality(self, cells: Any, tmp_path: Path) -> None:
        mudata = pytest.importorskip("mudata", reason="needs the extra omics")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both = mudata.MuData({"a": cells[:600, :40].copy(), "b": cells[100:, 40:60].copy()})
            model = omics.fit(both, n_components=3, max_epochs=2, random_state=0)
            both.write(tmp_path / "both.h5mu")
            again = mudata.read_h5mu(tmp_path / "both.h5mu")
        assert np.isfinite(both.obsm["X_narrows"]).all()
        np.testing.assert_array_equal(again.obsm["X_narrows"], both.obsm["X_narrows"])
        assert again.mod["b"].varm["narrows"].shape == (20, 3)
        assert [view.name for view in model.layout_.views] == ["a", "b"]

    def test_the_command_line_takes_the_files(self, cells: Any, tmp_path: Path) -> None:
        from click.testing import CliRunner
        from pyarrow import parquet

        from narrows.cli.main import cli

        cells[:, :30].copy().write(tmp_path / "cells.h5ad")
        run = CliRunner().invoke
        model, codes = str(tmp_path / "model"), str(tmp_path / "codes")
        data = str(tmp_path / "cells.h5ad")
        done = run(cli, ["fit", data, "-k", "2", "-o", model, "--set", "max_epochs=2"])
        assert done.exit_code == 0, done.output
        done = run(cli, ["encode", model, data, "-o", codes])
        assert done.exit_code == 0, done.output
        table = parquet.read_table(codes)
        assert table.column_names == ["obs_names", "autoencoder0", "autoencoder1"]
        assert table["obs_names"].to_pylist() == list(cells.obs_names)
