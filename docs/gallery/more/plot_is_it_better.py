"""
Is it better than PCA here?
===========================

The same folds for every method, and an answer with an interval.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from narrows import Autoencoder, ComparisonDisplay, compare

X, y = load_digits(return_X_y=True)
found = compare(
    X[:800],
    y[:800],
    methods=["pca", "factor_analysis", Autoencoder(max_epochs=30, random_state=0)],
    n_components=[2, 8],
    folds=3,
)
print(found.verdict("Autoencoder"))
ComparisonDisplay.from_comparison(found)
plt.show()
