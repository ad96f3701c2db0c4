"""
Save, load, and hand over
=========================

A model is a folder of JSON and numbers that nobody has to trust; loaded, it says the same.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_iris

import narrows
from narrows import Autoencoder

X = load_iris(as_frame=True).data
model = Autoencoder(2, random_state=0).fit(X)
folder = Path(tempfile.mkdtemp()) / "model"
model.save(folder)
again = narrows.load(folder)
print((again.transform(X) == model.transform(X)).all(), [p.name for p in folder.iterdir()])

# %%
# ``model.export_onnx(path)`` writes one file that any ONNX runtime runs, without narrows; and
# ``narrows serve model`` answers over HTTP.

sizes = {path.name: path.stat().st_size / 1e3 for path in folder.iterdir()}
plt.barh(list(sizes), list(sizes.values()))
plt.xlabel("kB")
plt.show()
