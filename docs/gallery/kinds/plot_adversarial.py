"""
Adversarial: codes that follow a prior
======================================

A critic learns to tell codes from draws of a prior, the encoder learns to mislead it.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from narrows import CodeDisplay, Normal, recipes

X, y = load_digits(return_X_y=True)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for ax, prior in zip(axes, ["swiss_roll", Normal()], strict=True):
    model = recipes.adversarial(2, prior=prior, max_epochs=60, random_state=0).fit(X)
    CodeDisplay.from_estimator(model, X, y, ax=ax, label="digit", s=8)
    ax.set_title(str(prior))
plt.show()
