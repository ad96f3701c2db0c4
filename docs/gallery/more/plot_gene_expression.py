"""
Gene expression: 64 rows, 6,830 columns
=======================================

The NCI60 cell lines of the package ISLP: far more genes than tumours. A short code, what kinds of
cancer it holds apart, and which components say so.
"""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from narrows import Autoencoder, CodeDisplay, factor_table

spec = importlib.util.find_spec("ISLP")  # found, not imported: it is here for its data
folder = Path(spec.origin).parent / "data"
genes = np.load(folder / "NCI60data.npy").astype("float32")
cancer = pd.read_csv(folder / "NCI60labs.csv")["label"].to_numpy()

model = Autoencoder(4, random_state=0).fit(genes)
model

# %%
# Where each kind with at least five cell lines lies.

kinds, counts = np.unique(cancer, return_counts=True)
often = np.isin(cancer, kinds[counts >= 5])
codes = model.transform(genes)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for ax, pair in zip(axes, [(0, 1), (2, 3)], strict=True):
    display = CodeDisplay(codes[often][:, pair], y=cancer[often])
    display.plot(ax=ax, label="cancer", s=25)
    ax.set_xlabel(f"component {pair[0]}")
    ax.set_ylabel(f"component {pair[1]}")
plt.show()

# %%
# The share of the variance that each component keeps, and whether the kinds differ along it:
# Kruskal and Wallis' test, corrected for the number of components.

table = factor_table(model, genes, metadata={"cancer": cancer}, n_columns=3)
pd.DataFrame(table.associations)[["component", "variable", "statistic", "q_value"]]
