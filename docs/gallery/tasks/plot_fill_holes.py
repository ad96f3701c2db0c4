"""
Fill holes
==========

A fifth of the cells of a table of wines is hidden; what is filled in lies beside what was there,
with how far off it may be.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from narrows import Autoencoder

wine = load_wine(as_frame=True).data
hidden = np.random.default_rng(0).random(wine.shape) < 0.2
holes = wine.mask(hidden)

model = Autoencoder(4, random_state=0).fit(holes)
filled, spread = model.impute(holes, return_std=True)

# %%
# In standard deviations of each column; the bars are intervals that should hold 90 % of the cells.

unit = wine.std().to_numpy()
truth = ((wine - wine.mean()) / unit).to_numpy()[hidden]
said = ((filled - wine.mean()) / unit).to_numpy()[hidden]
reach = 1.645 * (np.asarray(spread) / unit)[hidden]
inside = np.abs(truth - said) < reach
plt.errorbar(truth, said, reach, fmt="o", ms=3, lw=0.5, alpha=0.5)
plt.axline((0, 0), slope=1, color="grey")
plt.xlabel("hidden cell")
plt.ylabel("what was filled in")
plt.title(f"{inside.mean():.0%} of the hidden cells lie within their interval")
plt.show()
