"""
Omics: counts beside their depth
================================

Counts of genes of cells of three kinds, each sequenced to a depth of its own: with size factors,
depth is not for the code to say.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse

from narrows import Autoencoder, CodeDisplay, Count, View

rng = np.random.default_rng(0)
kind = rng.integers(0, 3, 600)
profiles = np.exp(rng.normal(size=(3, 200)))
depth = np.exp(rng.normal(size=(600, 1)))
counts = scipy.sparse.csr_array(rng.poisson(0.5 * profiles[kind] * depth).astype("float32"))

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for ax, factors in zip(axes, [False, True], strict=True):
    genes = View(slice(0, 200), types=Count(size_factors=factors))
    model = Autoencoder(2, views={"genes": genes}, max_epochs=40, random_state=0).fit(counts)
    CodeDisplay.from_estimator(model, counts, kind, ax=ax, label="kind", s=10)
    ax.set_title("with size factors" if factors else "without")
plt.show()

# %%
# Of an AnnData or MuData, ``narrows.omics.fit(data)`` does all of it, and writes codes into
# ``obsm``.
