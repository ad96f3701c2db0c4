"""
Denoising: cells that are gone
==============================

The encoder sees a row of which a third is gone, and is asked for all of it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import recipes

train, test = train_test_split(load_digits().data, random_state=0)
model = recipes.denoising(32, probability=0.3, random_state=0).fit(train)

broken = np.where(np.random.default_rng(0).random(test.shape) < 0.3, 0.0, test)
back = np.asarray(model.reconstruct(broken))
figure, axes = plt.subplots(3, 8, figsize=(9, 3.6), layout="constrained")
for column in range(8):
    for row, rows in enumerate((test, broken, back)):
        axes[row, column].imshow(rows[column].reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        axes[row, column].set_axis_off()
figure.suptitle("digits, with cells gone, and given back")
plt.show()
