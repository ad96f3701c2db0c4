"""The same seed gives the same bytes: in a second fit, and in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forked import Script
from narrows import Autoencoder, Masking
from narrows.errors import ParameterError

pytestmark = pytest.mark.promise(id="R13")

SCRIPT = """
import hashlib
from sklearn.datasets import load_breast_cancer
from narrows import Autoencoder, Masking
X = load_breast_cancer().data
model = Autoencoder(3, corruption=Masking(0.2), early_stopping=True, max_epochs=3, random_state=7)
model.fit(X)
found = hashlib.sha256(model.transform(X).tobytes())
found.update(model.reconstruct(X).tobytes())
found.update(repr([row["objective"] for row in model.history_]).encode())
print(found.hexdigest())
"""


@pytest.mark.slow
def test_one_seed_gives_the_same_bytes_in_three_processes() -> None:
    environments = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("0", "1", "random")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=environment
        )
        for environment in environments
    ]
    found = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(found[0]) == 64
    assert len(set(found)) == 1


@pytest.mark.parametrize("optimizer", ["adam", "muon", "lbfgs", "cg"])
def test_a_second_fit_is_the_same_and_another_seed_is_not(
    optimizer: str, breast_cancer: Any
) -> None:
    def codes(seed: int) -> Any:
        model = Autoencoder(
            2, optimizer=optimizer, corruption=Masking(0.1), max_epochs=2, random_state=seed
        )
        return model.fit_transform(breast_cancer)

    np.testing.assert_array_equal(codes(0), codes(0))
    assert not np.allclose(codes(0), codes(1))


def test_a_random_state_object_moves_on_as_in_scikit_learn(breast_cancer: Any) -> None:
    def codes() -> tuple[Any, Any]:
        model = Autoencoder(2, max_epochs=1, random_state=np.random.RandomState(3))
        return model.fit_transform(breast_cancer), model.fit_transform(breast_cancer)

    first, second = codes()
    np.testing.assert_array_equal(codes()[0], first)
    assert not np.allclose(first, second)


def test_what_is_held_out_does_not_depend_on_noise(breast_cancer: Any) -> None:
    def first_weights(**settings: Any) -> Any:
        model = Autoencoder(
            2, max_epochs=1, optimizer="sgd", learning_rate=1e-30, random_state=0, **settings
        )
        return model.fit_transform(breast_cancer)

    np.testing.assert_array_equal(first_weights(), first_weights(corruption=Masking(0.5)))


@pytest.mark.parametrize("seed", [-1, 1.5, "a"])
def test_a_seed_that_cannot_be_is_refused(seed: Any, breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match=r"random_state=.* whole number at least 0"):
        Autoencoder(random_state=seed).fit(breast_cancer)


THREADS = """
import json, sys
import torch
from sklearn.datasets import load_digits
from narrows import Autoencoder
torch.set_num_threads(int(sys.argv[2]))
X = load_digits().data[:300]
settings = {"optimizer": sys.argv[1], "max_epochs": 8, "random_state": 0}
print(json.dumps(float(Autoencoder(8, **settings).fit(X).score(X))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["auto", "adam", "lbfgs"])
def test_with_another_number_of_threads_fits_are_about_as_good(
    optimizer: str, tmp_path: Path
) -> None:
    """Not the same bits: sums are made in another order."""
    script = tmp_path / "script.py"
    script.write_text(THREADS)
    scores = []
    for threads in ("1", "2"):
        fit = Script(str(script), optimizer, threads)
        said = fit.communicate()
        assert fit.returncode == 0, said
        scores.append(float(said))
    assert scores[0] == pytest.approx(scores[1], rel=0.1)
