"""
Variational: draw new rows
==========================

The code of a digit is a distribution near a normal one, so draws from that decode to digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from narrows import recipes

X = load_digits().data
model = recipes.variational(8, max_epochs=100, random_state=0).fit(X)
drawn = np.asarray(model.sample(32, random_state=0))
figure, axes = plt.subplots(4, 8, figsize=(8, 4), layout="constrained")
for ax, row in zip(axes.flat, drawn, strict=True):
    ax.imshow(row.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    ax.set_axis_off()
plt.show()
