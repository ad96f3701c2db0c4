"""R1: the training cross-entropy of four optimisers along the epochs, on the digits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from reproduction.digits_fits import FITS, OPTIMISERS, fit
from reproduction.record import Cells, Experiment, Found
from reproduction.report import COLOURS, HEADER, INK, Picture, Section, by_seed, compare, table

CURVE = {
    "Adam": {1: 0.3296, 5: 0.2543, 10: 0.2349, 20: 0.1653, 30: 0.1277, 40: 0.1030, 50: 0.0963}
    | {60: 0.0927},
    "RMSProp": {60: 0.1020},
    "AdaGrad": {60: 0.1684},
    "SGD": {60: 0.3753},
}


def cells(found: Mapping[str, Found], seeds: int) -> Cells:
    """Return the fits of R1."""
    names = [f"36 tanh {name}" for name in OPTIMISERS]
    return {f"{n}, seed {s}": partial(fit, **FITS[n], seed=s) for s in range(seeds) for n in names}


def curves(found: Mapping[str, Found]) -> dict[str, list[list[float]]]:
    """Return the curves of every optimiser, one per seed."""
    return {name: by_seed(found, f"36 tanh {name}", "curve") for name in OPTIMISERS}


def section(found: Mapping[str, Found]) -> Section:
    """Return R1's part of the page."""
    known = curves(found)
    rows = [
        compare(f"{name}, epoch {epoch}", value, [run[epoch - 1] for run in known[name]])[:-1]
        for name in known
        for epoch, value in CURVE[name].items()
    ]
    return Section([_ABOUT, table(rows, HEADER[:-1]), *why(found, known)], [picture(known)])


def why(found: Mapping[str, Found], known: Mapping[str, list[list[float]]]) -> list[str]:
    """Return the order of the optimisers, and what the epsilon of Keras changes."""
    order = sorted(known, key=lambda name: statistics.mean(run[-1] for run in known[name]))
    keras = {
        name: by_seed(found, f"36 tanh {name}, epsilon of Keras", "curve")
        for name in ("Adam", "RMSProp")
    }
    same = "as" if order == list(CURVE) else "not as"
    text = f"Order at the end, best first: {', '.join(order)}; {same} published."
    if all(keras.values()):
        adam, rmsprop = (runs[0] for runs in keras.values())
        text += (
            f" With the epsilon of Keras (see R2), seed 0, Adam ends at {adam[-1]:.4f} and RMSProp "
            f"at {rmsprop[-1]:.4f}; Adam is at {adam[9]:.4f} in epoch 10, whose gap, the largest, "
            "is not explained."
        )
    return [text]


def picture(known: Mapping[str, list[list[float]]]) -> Picture:
    """Return the curves of the optimisers as a picture, published figures as points."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, runs), color in zip(known.items(), COLOURS, strict=False):
            mean = np.mean(runs, axis=0)
            axes.plot(range(1, len(mean) + 1), mean, color=color, linewidth=2, label=name)
            points = CURVE[name]
            axes.plot(list(points), list(points.values()), "o", color=color, markersize=5)
        axes.plot([], [], "o", color=INK, markersize=5, label="published")
        axes.set_yscale("log")
        axes.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
        axes.minorticks_off()
        axes.set_xlabel("epochs of 60,000 images")
        axes.set_ylabel("cross-entropy per pixel")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, ncols=2)

    caption = "Training cross-entropy for four optimisers; points are the published figures"
    return Picture("optimisers", caption, draw)


_ABOUT = """\
784-36-784, tanh code, sigmoid output, cross-entropy, batches of 256, constant rates (Adam and
RMSProp .001, AdaGrad and SGD .01, the last divided by the 784 pixels that our loss sums instead of
averaging). Published: 60 epochs over 60,000 images. Ours: 360 epochs over 10,000, which is nearly
as many steps (14,400 for 14,100); an epoch here is six of ours, and its figure, like the published
one, the mean over the steps of that epoch as training saw them."""

R1 = Experiment("R1", "Optimisers on the digits", "digits", cells, section)
