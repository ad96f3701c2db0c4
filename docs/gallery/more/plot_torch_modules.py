"""
Torch modules of one's own
==========================

Any two modules of PyTorch are an architecture: an encoder and a decoder.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from narrows import Autoencoder, Modules, ReconstructionDisplay

train, test = train_test_split(load_digits().data, random_state=0)
encoder = nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 8))
decoder = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 64))
model = Autoencoder(8, architecture=Modules(encoder, decoder), max_epochs=60, random_state=0)
model.fit(train)
ReconstructionDisplay.from_estimator(model, test, n_rows=8, shape=(8, 8))
plt.show()
