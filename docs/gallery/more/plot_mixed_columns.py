"""
Numbers and text in one table
=============================

The wages of 3,000 men, from the package ISLP: years, ages, and text of two to five levels, taken
as they are. What fit made of each column; then the education of people who did not say.
"""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from narrows import Autoencoder

spec = importlib.util.find_spec("ISLP")  # found, not imported: it is here for its data
people = pd.read_csv(Path(spec.origin).parent / "data" / "Wage.csv")
people = people.drop(columns=["logwage", "region"])  # the wage again; one region
train, test = people[:2000], people[2000:]

model = Autoencoder(5, random_state=0).fit(train)
pd.DataFrame(model.columns_)[["column", "type"]]

# %%
# Education hidden from people that fit has not seen. Beside it, how often the most frequent one
# would be right.

filled = model.impute(test.assign(education=None))["education"]
right = (filled.to_numpy() == test["education"].to_numpy()).mean()
usual = (test["education"] == train["education"].mode()[0]).mean()
print(f"right: {right:.1%}; always the most frequent: {usual:.1%}")

levels = sorted(people["education"].unique())
table = pd.crosstab(test["education"], filled.to_numpy(), normalize="index")
table = table.reindex(index=levels, columns=levels, fill_value=0)
figure, ax = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
ax.imshow(table, cmap="Blues", vmin=0, vmax=1)
for (row, column), share in np.ndenumerate(table.to_numpy()):
    ax.text(column, row, f"{share:.0%}", ha="center", color="white" if share > 0.5 else "black")
ax.set_xticks(range(len(levels)), levels, rotation=30, ha="right")
ax.set_yticks(range(len(levels)), levels)
ax.set_xlabel("what was filled in")
ax.set_ylabel("education")
plt.show()
