"""
Find anomalies
==============

Benign tumours are what the detector knows; malignant ones should look strange to it.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from narrows import AnomalyDetector, Autoencoder

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
benign, malignant = X[y == 1], X[y == 0]
train, test = benign[:250], benign[250:]

detector = AnomalyDetector(Autoencoder(5), contamination=0.05, random_state=0).fit(train)
usual, strange = -detector.score_samples(test), -detector.score_samples(malignant)
area = roc_auc_score([0] * len(usual) + [1] * len(strange), [*usual, *strange])

plt.hist([usual, strange], bins=40, range=(0, 40), label=["benign", "malignant"])
plt.axvline(-detector.offset_, color="black", ls="--", label="threshold")
plt.xlabel("strangeness")
plt.ylabel("rows")
plt.title(f"area under the ROC curve {area:.3f}")
plt.legend()
plt.show()

# %%
# Why is the strangest one strange? What each column adds.

row = malignant.iloc[[strange.argmax()]]
parts = -detector.explain(row).columns[0]
top = parts.argsort()[-8:]
plt.figure(figsize=(8, 4), layout="constrained")
plt.barh(X.columns[top], parts[top])
plt.xlabel("adds to the strangeness")
plt.show()
