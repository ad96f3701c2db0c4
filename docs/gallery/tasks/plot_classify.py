"""
Classify with few labels
========================

The encoder learns from all rows, the classifier on top of it from the 60 whose class is known.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, AutoencoderClassifier

X, y = load_digits(return_X_y=True)
train, test, known, truth = train_test_split(X, y, random_state=0)
encoder = Autoencoder(16, corruption="masking", random_state=0).fit(train)

sizes, ours, plain = [30, 60, 120, 240], [], []
for size in sizes:
    some = np.random.default_rng(0).permutation(len(train))[:size]
    model = AutoencoderClassifier(FrozenEstimator(encoder), random_state=0)
    ours.append(model.fit(train[some], known[some]).score(test, truth))
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    plain.append(line.fit(train[some], known[some]).score(test, truth))

plt.plot(sizes, ours, "o-", label="pre-trained on all rows, then fine-tuned")
plt.plot(sizes, plain, "s--", label="logistic regression of the labelled rows")
plt.xlabel("rows with a label")
plt.ylabel("accuracy on other rows")
plt.legend()
plt.show()
