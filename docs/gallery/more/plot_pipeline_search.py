"""
In a pipeline, and searched
===========================

The autoencoder is a step like any other; how long its code should be is asked for the classes.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from narrows import Autoencoder

X, y = load_digits(return_X_y=True)
steps = make_pipeline(Autoencoder(max_epochs=20, random_state=0), LogisticRegression(max_iter=2000))
search = GridSearchCV(steps, {"autoencoder__n_components": [2, 4, 8, 16]}, cv=3).fit(X, y)

found = search.cv_results_
plt.errorbar(
    found["param_autoencoder__n_components"].astype(int),
    found["mean_test_score"],
    found["std_test_score"],
    fmt="o-",
)
plt.xlabel("components")
plt.ylabel("accuracy, three folds")
plt.show()
