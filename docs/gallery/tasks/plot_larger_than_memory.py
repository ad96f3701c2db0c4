"""
Larger than memory
==================

A folder of Parquet files is read window by window; here with room for a few of its pieces only.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from narrows import Autoencoder, HistoryDisplay, open_source

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
weights = rng.normal(size=(4, 20))
for number in range(6):
    rows = np.tanh(rng.normal(size=(10_000, 4)) @ weights) + 0.1 * rng.normal(size=(10_000, 20))
    table = pa.table({f"x{i}": rows[:, i].astype("float32") for i in range(20)})
    parquet.write_table(table, folder / f"part-{number}.parquet", row_group_size=2_000)

source = open_source(folder, memory="2MB")
model = Autoencoder(4, max_epochs=5, random_state=0).fit(source)
print(source, f"score {model.score(source):.3f}")

# %%
# The codes go to a folder, too, part by part: a run that was cut off goes on where it was.

written = model.transform_to(source, folder / "codes")
print(written.n_rows, "rows in", written.n_parts, "parts")
HistoryDisplay.from_estimator(model)
plt.show()
