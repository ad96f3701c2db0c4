"""
Visualise
=========

Digits in two components: held-out rows, coloured by digit. The code maps new rows at
once, and any point of the picture decodes back into a digit.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, CodeDisplay

digits = load_digits()
train, test, _, label = train_test_split(digits.data, digits.target, random_state=0)
model = Autoencoder(2, random_state=0).fit(train)

CodeDisplay.from_estimator(model, test, label, label="digit", s=12)
plt.show()

# %%
# What the points between them stand for.

codes = model.transform(test)
low, high = np.quantile(codes, [0.02, 0.98], axis=0)
x, y = np.meshgrid(np.linspace(low[0], high[0], 12), np.linspace(high[1], low[1], 12))
rows = np.asarray(model.inverse_transform(np.column_stack([x.ravel(), y.ravel()])))
picture = rows.reshape(12, 12, 8, 8).transpose(0, 2, 1, 3).reshape(96, 96)
plt.figure(figsize=(5, 5))
plt.imshow(picture, cmap="gray_r")
plt.axis("off")
plt.show()
