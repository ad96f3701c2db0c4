"""
Convolutional: images as they are
=================================

Digits of 8 x 8 pixels go in as images, and come back as images.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from narrows import ReconstructionDisplay, recipes

train, test = train_test_split(load_digits().images, random_state=0)
model = recipes.convolutional(8, max_epochs=20, random_state=0).fit(train)
print(model.reconstruct(test).shape)
ReconstructionDisplay.from_estimator(model, test)
plt.show()
