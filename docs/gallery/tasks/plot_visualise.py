"""
Visualise
=========

Digits on a map: held-out rows, coloured by digit, in two components of an autoencoder as
it comes, and of one whose code is a map of neighbourhoods. Both place new rows at once.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, CodeDisplay, recipes

digits = load_digits()
train, test, _, label = train_test_split(digits.data, digits.target, random_state=0)
plain = Autoencoder(2, random_state=0).fit(train)
model = recipes.visual(2, random_state=0).fit(train)

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, each, title in zip(axes, (plain, model), ("Autoencoder", "recipes.visual"), strict=True):
    CodeDisplay.from_estimator(each, test, label, label="digit", s=12, ax=ax)
    ax.set_title(title)
plt.show()

# %%
# Any place of the map decodes back into a digit; here are the places of a grid.

codes = model.transform(test)
low, high = np.quantile(codes, [0.02, 0.98], axis=0)
x, y = np.meshgrid(np.linspace(low[0], high[0], 12), np.linspace(high[1], low[1], 12))
rows = np.asarray(model.inverse_transform(np.column_stack([x.ravel(), y.ravel()])))
picture = rows.reshape(12, 12, 8, 8).transpose(0, 2, 1, 3).reshape(96, 96)
plt.figure(figsize=(5, 5))
plt.imshow(picture, cmap="gray_r")
plt.axis("off")
plt.show()
