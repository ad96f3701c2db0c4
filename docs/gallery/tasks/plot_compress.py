"""
Compress a table
================

Breast-cancer measurements, 30 columns in a code of 2 to 8, beside a PCA of equal size. What counts
is the share of the variance of rows that fit has not seen.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from narrows import Autoencoder

X = load_breast_cancer(as_frame=True).data
train, test = train_test_split(X, random_state=0)

sizes = [1, 2, 4, 8]
kept, linear = [], []
for size in sizes:
    model = Autoencoder(size, random_state=0).fit(train)
    shares = model.explained_variance(test, train=train)
    total = next(row for row in shares if row["component"] == "total")
    kept.append(total["explained"])
    linear.append(total["pca"])

# %%
# Training begins at the PCA, and rows held out say how far it leaves it.

plt.plot(sizes, kept, "o-", label="narrows")
plt.plot(sizes, linear, "s--", label="PCA")
plt.xlabel("components")
plt.ylabel("variance kept, held-out rows")
plt.legend()
plt.show()
