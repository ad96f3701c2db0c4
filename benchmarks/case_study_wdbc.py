"""The tutorial's case study on the Wisconsin table: two linear components, and how they classify.

Charte et al. (Information Fusion 44, 2018) report, on two components of a 30-2-30 linear
autoencoder with weight decay 0.02 trained by RMSprop for 300 epochs on columns divided by their
L2 norm, the 10-fold accuracy of two classifiers and the silhouette of the two classes.

    python benchmarks/case_study_wdbc.py
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from narrows import Autoencoder, Constant, Dense, RMSprop, WeightDecay

PUBLISHED = {"LDA": 0.874, "5-NN": 0.876, "silhouette": 0.37}


def codes(random_state: int = 0, max_epochs: int = 300) -> NDArray[np.float64]:
    """Return the two components of every row, shape (569, 2)."""
    X = normalize(load_breast_cancer().data, axis=0)
    model = Autoencoder(
        2,
        architecture=Dense(()),
        scaling=None,
        penalty=WeightDecay(0.02),
        optimizer=RMSprop(),
        learning_rate=Constant(1e-3),
        batch_size=32,
        max_epochs=max_epochs,
        init="random",
        random_state=random_state,
    )
    return model.fit_transform(X)


def evaluate(code: NDArray[np.float64]) -> dict[str, float]:
    """Return 10-fold accuracies of two classifiers on codes, and the silhouette of the classes."""
    y = load_breast_cancer().target
    code = StandardScaler().fit_transform(code)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    return {
        "LDA": float(cross_val_score(LinearDiscriminantAnalysis(), code, y, cv=folds).mean()),
        "5-NN": float(cross_val_score(KNeighborsClassifier(5), code, y, cv=folds).mean()),
        "silhouette": float(silhouette_score(code, y)),
    }


def main() -> None:
    X = normalize(load_breast_cancer().data, axis=0)
    rows = {
        "published": PUBLISHED,
        **{f"narrows, seed {seed}": evaluate(codes(seed)) for seed in range(3)},
        "PCA": evaluate(PCA(2).fit_transform(X)),
    }
    print(f"{'':18}" + "".join(f"{name:>12}" for name in PUBLISHED))
    for name, found in rows.items():
        print(f"{name:18}" + "".join(f"{found[key]:12.3f}" for key in PUBLISHED))


if __name__ == "__main__":
    main()
