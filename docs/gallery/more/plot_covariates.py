"""
A batch that is not in the code
===============================

Digits in three batches, each pixel with an offset of its batch. The decoder is given the
batch, and ``Independence`` keeps it out of the code: there, colours mix. Then every row
as it would look in batch A.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from narrows import Autoencoder, CodeDisplay, Independence

digits = load_digits()
rng = np.random.default_rng(0)
batch = rng.integers(3, size=len(digits.data))
offset = rng.normal(size=(3, 64)) * 5
table = pd.DataFrame(digits.data + offset[batch]).rename(columns=str)
table["batch"] = np.array(["A", "B", "C"])[batch]

model = Autoencoder(2, covariates=["batch"], penalty=Independence(), max_epochs=60, random_state=0)
codes = model.fit_transform(table)
pca = PCA(2).fit_transform(table.drop(columns="batch"))

figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for ax, points, title in zip(axes, (pca, codes), ("PCA", "narrows"), strict=True):
    CodeDisplay(points, y=table["batch"]).plot(ax=ax, label="batch", s=8)
    ax.set_title(title)
plt.show()

# %%
# Rows of batches B and C, and what they would look like in batch A.

in_a = model.reconstruct(table, covariates=table.assign(batch="A")).drop(columns="batch")
some = np.flatnonzero(batch > 0)[:8]
figure, axes = plt.subplots(3, 8, figsize=(10, 4), layout="constrained")
rows = (table.drop(columns="batch"), in_a - offset[0], pd.DataFrame(digits.data))
for line, images in zip(axes, rows, strict=True):
    for ax, number in zip(line, some, strict=True):
        ax.imshow(images.to_numpy(float)[number].reshape(8, 8), cmap="gray_r")
        ax.axis("off")
figure.suptitle("measured, in batch A less its offset, and as it was before the batches")
plt.show()
