"""
A penalty of one's own
======================

A penalty is a class with one formula. This one asks that components be uncorrelated.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from narrows import Autoencoder, Penalty


class Decorrelation(Penalty):
    """Weight times the mean square of correlations between components."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def __call__(self, forward):
        code = forward.code - forward.code.mean(0)
        code = code / code.std(0).clamp(min=1e-6)
        correlation = code.T @ code / len(code)
        return self.weight * (correlation - correlation.diag().diag()).square().mean()


X = load_wine().data
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, penalty in zip(axes, [None, Decorrelation(10.0)], strict=True):
    settings = {"max_epochs": 60, "init": "random", "random_state": 0}
    model = Autoencoder(4, penalty=penalty, **settings).fit(X)
    image = ax.imshow(np.corrcoef(model.transform(X).T), vmin=-1, vmax=1, cmap="RdBu")
    ax.set_title("plain" if penalty is None else "decorrelated")
figure.colorbar(image, ax=axes, label="correlation of components")
plt.show()
