"""
Fuse several sources
====================

Three tables about the same tumours: means, errors and worst values of ten measurements. Each is a
view with layers of its own; a view that is missing is told from the others.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, VarianceDisplay, join_views

X = load_breast_cancer(as_frame=True).data
table, views = join_views(
    {"mean": X.iloc[:, :10], "error": X.iloc[:, 10:20], "worst": X.iloc[:, 20:]}
)
train, test = train_test_split(table, random_state=0)
model = Autoencoder(6, views=views, max_epochs=60, random_state=0).fit(train)

VarianceDisplay.from_estimator(model, test)
plt.show()

# %%
# The worst values, as means and errors tell them: what was said beside what was measured.

said = model.translate(test.drop(columns=test.columns[20:]), to="worst")
column = "worst__worst radius"
plt.figure()
plt.scatter(test[column], np.asarray(said)[:, 0], s=12)
plt.axline((15, 15), slope=1, color="grey")
plt.xlabel("worst radius, measured")
plt.ylabel("told from the other views")
plt.show()
