"""
LSTM: sequences
===============

Waves of two frequencies, thirty steps each: the code tells them apart.
"""

import matplotlib.pyplot as plt
import numpy as np

from narrows import CodeDisplay, recipes

rng = np.random.default_rng(0)
steps = np.linspace(0, 2 * np.pi, 30)
kind = rng.integers(0, 2, 400)
waves = np.sin((1 + kind)[:, None] * steps + rng.uniform(0, 1, (400, 1)))
waves = (waves + 0.1 * rng.normal(size=waves.shape))[:, :, None]

model = recipes.lstm(2, random_state=0).fit(waves[:300])
CodeDisplay.from_estimator(model, waves[300:], kind[300:], label="frequency")
plt.show()
