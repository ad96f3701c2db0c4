"""Memory: what is measured is there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder
from narrows.comparison.memory import model_bytes

ROWS = np.random.default_rng(0).normal(size=(100, 6))


# In a process of its own, whose allocator holds nothing of earlier work to use again.
PEAKS = """
import numpy as np
from narrows.comparison.memory import Watch
watch = Watch()
with watch.span() as small:
    pass
with watch.span() as large:
    passing = np.ones(12_500_000)  # 100 MB, touched
    del passing
later = Watch()
later.look()
print(small.rise, large.rise, watch.highest, later.highest)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs the mark that Linux keeps")
def test_a_peak_that_is_gone_at_the_end_is_seen() -> None:
    ran = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    small, large, highest, later = ran.stdout.split()
    if large == "None":
        pytest.skip("this system does not let the mark be set back")
    assert 90 < float(large) < 140
    assert float(small) < 20
    assert float(highest) >= 100
    assert float(later) < float(highest) - 90  # what was before it is none of its business


def test_a_model_has_the_bytes_of_its_arrays_each_once() -> None:
    pca = PCA(2).fit(ROWS)
    least = pca.components_.nbytes + pca.mean_.nbytes
    assert least <= model_bytes(pca) < 20 * least
    assert model_bytes([pca, pca]) == model_bytes(pca)
    assert model_bytes(make_pipeline(StandardScaler(), PCA(2)).fit(ROWS)) > model_bytes(pca)


def test_rows_kept_in_a_tree_and_weights_of_a_network_count() -> None:
    tree = NearestNeighbors(algorithm="kd_tree").fit(ROWS)
    assert model_bytes(tree) >= ROWS.nbytes
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(ROWS)
    assert model_bytes(model) >= 4 * model.n_parameters_


def test_code_and_modules_are_no_part_of_a_model() -> None:
    assert model_bytes({"library": np, "function": np.mean, "kind": PCA, "rows": ROWS}) == (
        ROWS.nbytes
    )
