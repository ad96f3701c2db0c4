"""
Stacked: layer by layer
=======================

Each layer is trained alone, then all together; the lines say where a phase begins.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import HistoryDisplay, recipes

train, test = train_test_split(load_digits().data, random_state=0)
model = recipes.stacked(8, hidden=(48, 24), max_epochs=60, random_state=0).fit(train)
HistoryDisplay.from_estimator(model)
plt.show()
