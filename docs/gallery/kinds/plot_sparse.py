"""
Sparse: few units at work
=========================

A hundred units, of which few are at work for any one digit. A unit's picture is what the decoder
makes of it alone.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from narrows import recipes

X = load_digits().data
model = recipes.sparse(100, scaling="minmax", max_epochs=60, random_state=0).fit(X)
codes = model.transform(X)

base = np.asarray(model.inverse_transform(np.zeros((1, 100))))
alone = np.asarray(model.inverse_transform(np.eye(100))) - base
order = np.argsort(-codes.mean(0))[:24]
figure, axes = plt.subplots(3, 8, figsize=(9, 3.6), layout="constrained")
for ax, unit in zip(axes.flat, order, strict=True):
    ax.imshow(alone[unit].reshape(8, 8), cmap="RdBu")
    ax.set_axis_off()
figure.suptitle(f"mean activation {codes.mean():.3f}")
plt.show()
