"""The picture of the home page: held-out digits in two components, by PCA and by narrows."""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, CodeDisplay
from narrows.displays.axes import scatter

digits = load_digits()
train, test, _, label = train_test_split(digits.data, digits.target, random_state=0)
model = Autoencoder(2, random_state=0).fit(train)
pca = PCA(2, random_state=0).fit(train)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
scatter(axes[0], pca.transform(test), label, "digit", s=12)
axes[0].set(title="PCA, two components", xlabel="pca0", ylabel="pca1")
CodeDisplay.from_estimator(model, test, label, ax=axes[1], label="digit", s=12)
kept = model.explained_variance(test, train=train)
total = next(row for row in kept if row["component"] == "total")
axes[0].set_title(f"PCA keeps {total['pca']:.1%} of the variance of new rows")
axes[1].set_title(f"narrows keeps {total['explained']:.1%}")
