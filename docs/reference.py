"""Write docs/reference.md: every public name, as its docstring describes it. `make reference`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import narrows
from narrows.core.spec import Spec

PAGE = Path(__file__).with_suffix(".md")
INDEX = PAGE.parent / "api" / "index.rst"

OPENING = """# Reference

Every public name, made of the docstrings by `make reference`; `help(narrows.Autoencoder)` and so on have shapes, sources and examples.

Two conventions to know. The loss is summed over features and averaged over samples, so a penalty weight that was published beside a
mean over d features is reached by multiplying it by d. `score` and `score_samples` are minus the loss of scaled rows, so higher is better."""

ESTIMATORS = (
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderRegressor",
    "AnomalyDetector",
    "MarginalizedDenoisingAutoencoder",
    "Baseline",
    "SammonMapping",
)
RESULTS = ("Advice", "Comparison", "FactorTable", "Group", "Source")
GIVEN = ("Checkpoint",)
OBSERVERS = ("Observer", "TensorBoard", "MLflow")
DISPLAYS = (
    "HistoryDisplay",
    "CodeDisplay",
    "ReconstructionDisplay",
    "VarianceDisplay",
    "ImportanceDisplay",
    "ComparisonDisplay",
)

# Of each axis: its heading, and what to say below its table.
AXES = {
    "architecture": (
        "Architectures: the layers",
        (
            "Activations: linear, relu, selu, elu, gelu, sigmoid, tanh, softplus, softsign; for the code also binary (trained as a sigmoid, 0 or 1\n"
            "when transforming). `output_activation=None` takes the loss's own link. Weights are drawn Glorot-uniform, LeCun-normal for selu. Pages:\n"
            "[convolutions](kinds/convolutional.md), [recurrent layers](kinds/lstm.md), [torch modules](parts.md#encoder-and-decoder-as-torch-modules)."
        ),
    ),
    "latent": ("Latents: the code of a sample", ""),
    "loss": (
        "Losses: distance of x and its reconstruction",
        'Use `scaling="minmax"` with `CrossEntropy`, which needs data in [0, 1].',
    ),
    "penalty": (
        "Penalties: further terms of the objective",
        "Penalties add up with `+`; a term of a sum is reached as `penalty__weight_decay__weight`.",
    ),
    "prior": (
        "Priors: what codes are drawn towards",
        "`KL`, `MMD` and `Adversarial` take one as `prior`; `Autoencoder.sample` draws from it.",
    ),
    "corruption": (
        "Corruptions: what the encoder sees while training",
        "Corruptions add up with `+`, in their order.",
    ),
    "fusion": (
        "Fusions: where several views meet",
        "`join_views` makes one table, and its `views`, of several sources: [how to](views.md).",
    ),
    "view": ("Views: several sources in one table", ""),
    "type": (
        "Types of columns",
        "Given by the dtypes of a data frame, and by `types=` for the columns where these do not say it: [how they work](types.md).",
    ),
    "schedule": ("Schedules: the phases of training", ""),
    "optimizer": (
        "Optimisers: how the weights move",
        (
            'A class such as `torch.optim.NAdam` works too. `"auto"`, the default, is `AdamW`, with a pace of its own where training begins at a PCA:\n'
            "[the rule](optimizers.md). `LBFGS` and `ConjugateGradient` take all rows in one step."
        ),
    ),
    "learning_rate": (
        "Learning rates: the size of the steps",
        'A number stays constant; `"auto"` is `OneCycle`, or `Constant` for optimisers with a line search.',
    ),
}
BASES = (
    "Penalty",
    "Loss",
    "Corruption",
    "Latent",
    "Architecture",
    "Layers",
    "Block",
    "Fusion",
    "ColumnType",
    "ForwardPass",
    "CodeSlopes",
)
MODULES = {
    "recipes": "The named kinds: each function takes the length of the code, and any setting of `Autoencoder`.",
    "omics": "AnnData and MuData: [how to](omics.md).",
    "metrics": "What a code and a reconstruction are worth, as functions of arrays.",
    "testing": "A check for each kind of part of one's own: [how](parts.md).",
}


def main() -> None:
    """Write the page, and the index of the site's reference."""
    PAGE.write_text(page(), encoding="utf-8")
    INDEX.parent.mkdir(exist_ok=True)
    INDEX.write_text(index(), encoding="utf-8")


def index() -> str:
    """Return the index of the site's reference, from which Sphinx makes a page for each name."""
    functions_ = [name for name in narrows.__all__ if inspect.isfunction(value(name))]
    groups = [
        ("Estimators", ESTIMATORS),
        ("Functions", functions_),
        ("What functions return", RESULTS),
        ("What fit is given beside a table", GIVEN),
        ("What is told of a fit", OBSERVERS),
        ("Pictures", DISPLAYS),
    ]
    groups += [(heading.split(":")[0], _parts(axis)) for axis, (heading, _) in AXES.items()]
    groups.append(("Bases of parts of one's own", BASES))
    text = ["Reference", "=========", "", "Every public name, by what it is for."]
    text += ["", ".. currentmodule:: narrows"]
    for heading, names in groups:
        text += ["", heading, "-" * len(heading), "", ".. autosummary::", "   :toctree: generated"]
        text += ["   :nosignatures:", "", *(f"   {name}" for name in names)]
    for module in MODULES:
        heading = f"narrows.{module}"
        text += ["", heading, "-" * len(heading), "", f".. currentmodule:: narrows.{module}", ""]
        text += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        text += [f"   {name}" for name in value(module).__all__]
    return "\n".join(text) + "\n"


def _parts(axis: str) -> list[str]:
    """Return the public parts of an axis that are no bases."""
    names = set(narrows.__all__) - set(BASES)
    return sorted({part.__name__ for part in Spec.members(axis).values()} & names)


def page() -> str:
    """Return the page."""
    parts = [OPENING, "## Estimators"]
    parts += [described(name) for name in ESTIMATORS]
    parts.append("## Functions")
    parts += [described(n) for n in narrows.__all__ if inspect.isfunction(value(n))]
    parts += ["## What functions return", *(described(name) for name in RESULTS)]
    parts += ["## What `fit` is given beside a table", *(described(name) for name in GIVEN)]
    parts += ["## What is told of a fit", "[How to](watching.md)."]
    parts += [described(name) for name in OBSERVERS]
    parts += ["## Pictures", *(described(name) for name in DISPLAYS)]
    for axis, (heading, note) in AXES.items():
        parts += [f"## {heading}", members(axis)]
        parts += [note] if note else []
    parts += ["## Parts of one's own", "The bases of parts: [how to write one](parts.md)."]
    parts.append(table("name", "what it is", [(f"`{n}`", summary(value(n))) for n in BASES]))
    for name, text in MODULES.items():
        parts += [f"## `narrows.{name}`", text, functions(name)]
    parts.append(kept())
    return "\n\n".join(parts) + "\n"


def value(name: str) -> Any:
    """Return what a public name stands for."""
    return getattr(narrows, name)


def described(name: str) -> str:
    """Return a heading, what a name is, and its settings, methods and attributes."""
    thing = value(name)
    text = [f"### `{name}`", summary(thing)]
    fields = section(thing, "Parameters")
    if fields:
        text.append(table("parameter", "what it is", [(default(thing, n), t) for n, t in fields]))
    if inspect.isclass(thing):
        methods = [
            (f"`{method}`", summary(function))
            for method, function in inspect.getmembers(thing, inspect.isfunction)
            if not method.startswith("_") and function.__module__.startswith("narrows")
        ]
        text.append(table("method", "what it does", methods))
        attributes = section(thing, "Attributes")
        if attributes:
            text.append(table("attribute", "what it is", [(f"`{n}`", t) for n, t in attributes]))
    return "\n\n".join(text)


def default(thing: Any, names: str) -> str:
    """Return parameters with their default, as a call has them."""
    known = inspect.signature(thing).parameters
    written = []
    for name in names.split(", "):
        parameter = known.get(name.lstrip("*"))
        given = parameter is not None and parameter.default is not inspect.Parameter.empty
        written.append(f"`{name}={parameter.default!r}`" if parameter and given else f"`{name}`")
    return ", ".join(written)


def members(axis: str) -> str:
    """Return the parts of an axis: what a name is enough for, what they are, their settings."""
    rows = []
    for name, cls in sorted(Spec.members(axis).items()):
        if cls.__module__.startswith("narrows.") and cls.__name__ in narrows.__all__:
            alone = f'`"{name}"`' if name in Spec.named(axis) else ""
            settings = ", ".join(f"`{n}`" for n in inspect.signature(cls).parameters)
            rows.append((f"`{cls.__name__}`", alone, summary(cls), settings))
    return table("part", "by name", "what it is", "settings", rows)


def functions(module: str) -> str:
    """Return the functions of a public module."""
    home = value(module) if module in narrows.__all__ else getattr(narrows, module)
    names = getattr(home, "__all__", None) or [
        name
        for name, function in inspect.getmembers(home, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == home.__name__
    ]
    return table(
        "name",
        "what it does",
        [(f"`narrows.{module}.{n}`", summary(getattr(home, n))) for n in names],
    )


def summary(thing: Any) -> str:
    """Return the first sentence of a docstring, on one line."""
    text = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return cell(" ".join(text.split()))


def section(thing: Any, heading: str) -> list[tuple[str, str]]:
    """Return names and first sentences of a section of a numpydoc docstring."""
    text = inspect.getdoc(thing) or ""
    found = re.search(rf"^{heading}\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, re.M | re.S)
    if found is None:
        return []
    entries = re.findall(r"^(\S.*?) : .*\n((?:^ +.*\n?|^\n)*)", found[1] + "\n", re.M)
    return [(name, cell(first(" ".join(body.split())))) for name, body in entries]


def first(text: str) -> str:
    """Return the first sentence of a text."""
    return re.split(r"(?<=\.)\s(?=[A-Z`\"0-9])", text, maxsplit=1)[0]


def cell(text: str) -> str:
    """Return text that stays in its cell of a table."""
    return text.replace("|", "\\|")


def table(*columns: Any) -> str:
    """Return a table of headings and rows."""
    *headings, rows = columns
    lines = [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def kept() -> str:
    """Return the last part of the page, which is written by hand: the pairs that are refused."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index("## Pairs that are refused") :].rstrip("\n")


if __name__ == "__main__":
    main()
