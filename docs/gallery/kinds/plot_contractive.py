"""
Contractive: the code hardly moves
==================================

With the penalty the code moves less when a row does: how far noise moves it, beside what is lost.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import recipes

train, test = train_test_split(load_digits().data, random_state=0)
noise = np.random.default_rng(0).normal(size=test.shape)
weights, moves, losses = [1e-4, 1e-2, 1e-1, 1.0], [], []
for weight in weights:
    model = recipes.contractive(8, weight=weight, max_epochs=40, random_state=0).fit(train)
    codes = model.transform(test)
    moved = model.transform(test + noise) - codes
    moves.append(np.linalg.norm(moved, axis=1).mean() / np.linalg.norm(codes.std(0)))
    losses.append(-model.score(test))

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
axes[0].semilogx(weights, moves, "o-")
axes[0].set(xlabel="weight of the penalty", ylabel="how far noise moves the code")
axes[1].semilogx(weights, losses, "o-")
axes[1].set(xlabel="weight of the penalty", ylabel="loss, other rows")
plt.show()
