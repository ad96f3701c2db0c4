"""Demo pictures: loss curve, codes, reconstructions, and the page that has them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import jinja2
import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Matrix = NDArray[Any]
Picture = dict[str, str]
INK, ACCENT, SOFT = "#24303c", "#0b6e99", "#d9822b"


def losses(history: list[dict[str, Any]], title: str) -> Picture:
    """Draw the loss per feature over the epochs."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss_per_feature"] for row in history], color=ACCENT, linewidth=2)
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("squared error per column")
    _plain(axes)
    return _picture("loss", figure, f"Training loss of {title.lower()} over the epochs")


def codes(ours: Matrix, linear: Matrix, y: Matrix, classes: Sequence[str]) -> Picture:
    """Draw the two components of largest variance, coloured by class, beside PCA's."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    shown = [(_two(ours), "narrows"), (_two(linear), "PCA")]
    palette = colormaps["tab10"]
    for axes, (points, name) in zip(figure.subplots(1, 2), shown, strict=True):
        for label, kind in enumerate(classes):
            mine = points[y == label]
            axes.scatter(mine[:, 0], mine[:, 1], s=9, alpha=0.7, color=palette(label), label=kind)
        axes.set_title(name, color=INK, fontsize=11, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        _plain(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, markerscale=2)
    caption = "The two components of largest variance, a point per row, coloured by class"
    return _picture("codes", figure, caption)


def reconstructions(
    X: Matrix,
    reconstructed: Matrix,
    y: Matrix,
    columns: Sequence[str],
    image_shape: tuple[int, int] | None,
) -> Picture:
    """Draw originals and reconstructions: as images, or as the columns of two rows."""
    if image_shape is not None:
        return _images(X, reconstructed, y, image_shape)
    return _rows(X, reconstructed, columns)


def page(studies: list[dict[str, Any]], folds: int) -> str:
    """Return the page of the demo, in one file that needs no network."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_PAGE).render(studies=studies, folds=folds)


def _two(points: Matrix) -> Matrix:
    widest = np.sort(np.argsort(points.var(axis=0))[-2:])
    found: Matrix = points[:, widest]
    return found


def _images(X: Matrix, reconstructed: Matrix, y: Matrix, shape: tuple[int, int]) -> Picture:
    chosen = [int(np.flatnonzero(y == label)[0]) for label in np.unique(y)]
    figure = Figure(figsize=(9, 2.1), layout="constrained")
    grid = figure.subplots(2, len(chosen))
    for column, row in enumerate(chosen):
        for axes, source in zip(grid[:, column], (X, reconstructed), strict=True):
            axes.imshow(source[row].reshape(shape), cmap="gray_r", vmin=X.min(), vmax=X.max())
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
    for axes, name in zip(grid[:, 0], ("original", "from the code"), strict=True):
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
    caption = "The first image of each class, and what its code gives back"
    return _picture("reconstructions", figure, caption)


def _rows(X: Matrix, reconstructed: Matrix, columns: Sequence[str]) -> Picture:
    center, scale = X.mean(axis=0), X.std(axis=0)
    z, r = (X - center) / scale, (reconstructed - center) / scale
    error = ((z - r) ** 2).mean(axis=1)
    order = np.argsort(error)
    chosen = {"median row": order[len(order) // 2], "worst row": order[-1]}
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    height = np.arange(len(columns))[::-1]
    for axes, (name, row) in zip(figure.subplots(1, 2, sharey=True), chosen.items(), strict=True):
        axes.hlines(height, z[row], r[row], color="#b8c2cc", linewidth=1.5)
        axes.scatter(z[row], height, s=22, color=INK, label="original", zorder=3)
        axes.scatter(r[row], height, s=22, color=SOFT, label="from the code", zorder=3)
        axes.set_yticks(height, columns, fontsize=7.5)
        axes.set_title(f"{name} (number {row})", color=INK, fontsize=11, loc="left")
        axes.set_xlabel("standard deviations from the mean")
        _plain(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    caption = "Two rows of the table: what was measured, and what two numbers give back"
    return _picture("reconstructions", figure, caption)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)


def _picture(name: str, figure: Figure, caption: str) -> Picture:
    buffer = io.StringIO()
    # No date and no random names, so that the same run leaves the same bytes.
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return {"name": name, "svg": text[text.index("<svg") :], "caption": caption}


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>narrows: the demo</title>
<style>
:root { color-scheme: light dark;
        --ink: #24303c; --soft: #5b6b7a; --back: #fff; --line: #d8dee4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #a3b1bf; --back: #14191f; --line: #36424e; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
       max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 3rem; } p.lead { color: var(--soft); margin-top: .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0;
        font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .4rem .7rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; background: #fff; border: 1px solid var(--line); border-radius: 8px;
         padding: .8rem; }
figure svg { max-width: 100%; height: auto; display: block; margin: auto; }
figcaption { color: #5b6b7a; font-size: .9rem; text-align: center; margin-top: .4rem; }
</style>
</head>
<body>
<h1>narrows: the demo</h1>
<p class="lead">Many columns through one narrow channel, beside PCA with as many components.
Every number is of held-out rows, the mean of {{ folds }} folds; everything is fitted inside the
fold.</p>
{% for study in studies %}
<h2>{{ study.title }}: {{ study.n_columns }} columns into {{ study.n_components }}</h2>
<p>{{ study.verdict }}</p>
<div class="scroll">
<table>
<thead><tr><th>method</th><th>variance lost</th><th>5-NN accuracy</th><th>logistic accuracy</th>
<th>seconds per fit</th></tr></thead>
<tbody>
{% for method in study.methods %}
<tr><td>{{ method.name }}</td><td>{{ '%.3f' % method.unexplained }}</td>
<td>{{ '%.3f' % method.knn }}</td><td>{{ '%.3f' % method.logistic }}</td>
<td>{{ '%.2f' % method.seconds_per_fit }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% for picture in study.pictures %}
<figure role="img" aria-label="{{ picture.caption }}">{{ picture.svg | safe }}
<figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}
{% endfor %}
</body>
</html>
"""
