"""
Robust: gross errors
====================

One row in ten has cells far out. Correntropy hardly looks at them, squared error bends towards them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, recipes

train, test = train_test_split(load_digits().data, random_state=0)
rng = np.random.default_rng(0)
shares, losses = [0.0, 0.02, 0.05, 0.1], {"squared error": [], "correntropy": []}
for share in shares:
    dirty = np.where(rng.random(train.shape) < share, 160.0, train)
    models = {
        "squared error": Autoencoder(8, scaling=None, max_epochs=40, random_state=0),
        "correntropy": recipes.robust(8, sigma=8.0, scaling=None, max_epochs=40, random_state=0),
    }
    for name, model in models.items():
        back = np.asarray(model.fit(dirty).reconstruct(test))
        losses[name].append(((back - test) ** 2).mean())

for name, values in losses.items():
    plt.plot(shares, values, "o-", label=name)
plt.xlabel("share of cells of training that are far out")
plt.ylabel("mean squared error of clean other rows")
plt.yscale("log")
plt.legend()
plt.show()
