"""
Basic, linear, tied
===================

What goes in and what comes back of 8 numbers a digit: a deep network, a linear one, and one whose
decoder is the encoder turned round.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import Autoencoder, Dense, ReconstructionDisplay

train, test = train_test_split(load_digits().data, random_state=0)
models = {
    "basic": Autoencoder(8, random_state=0),
    "linear": Autoencoder(8, architecture=Dense(()), random_state=0),
    "tied": Autoencoder(8, architecture=Dense((64,), tied=True), random_state=0),
}
for name, model in models.items():
    model.fit(train)
    display = ReconstructionDisplay.from_estimator(model, test, n_rows=8, shape=(8, 8))
    display.figure_.suptitle(f"{name}: score {model.score(test):.2f}")
plt.show()
