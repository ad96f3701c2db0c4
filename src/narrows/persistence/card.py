"""The model card: what the README.md of a model folder says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from narrows.core.fit_settings import settings_of_fit
from narrows.core.harmless import harmless
from narrows.core.types import Estimator, Named
from narrows.data.automatic_scaling import in_words
from narrows.persistence.config import settings_in_code
from narrows.training import trials

MOST_COLUMNS, FIRST = 200, 20  # listed one by one; of more, so many are named
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of a function, another one in every process


def model_card(estimator: Estimator, config: Named) -> str:
    """Return what a person reads who opens the folder, in Markdown."""
    fitted = config["fitted"]
    history = fitted.get("history") or [{}]
    settings = {
        key: _inert(_ADDRESS.sub("", repr(value)))
        for key, value in settings_of_fit(estimator).items()
    }
    code = settings_in_code(config["settings"])
    given = "".join(f", {name}={called}" for name, called in code.items())
    use = "results = model.transform(X)" if hasattr(estimator, "transform") else "model"
    return harmless(f"""---
library_name: narrows
tags: [autoencoder, feature-fusion, tabular]
---

# {_title(config)}

```python
import narrows

model = narrows.load("this folder"{given})
{use}
```

{_made(estimator, config)}.

## Last epoch

| | |
|---|---|
{_table(history[-1])}

## Settings

| setting | value |
|---|---|
{_table(settings)}

## Columns

{_columns(estimator, fitted)}
""")


def _columns(estimator: Estimator, fitted: Named) -> str:
    """Return the columns as a table, with what was decided about each where anything was."""
    names = fitted["feature_names_in"] or [f"x{i}" for i in range(fitted["n_features_in"])]
    columns = getattr(estimator, "columns_", None)
    if columns is None:
        listed = _lines(f"- {_inert(name)}" for name in names[:MOST_COLUMNS])
        return f"{listed}{_and_more(names)}"
    scaled = _scaled(columns)
    if len(names) > MOST_COLUMNS:
        return f"{scaled}{_summarised(columns)}\n\n{_first(names)}{_and_more(names)}"
    rows = [
        f"| {_inert(name)} | {'' if column['view'] is None else _inert(column['view'])} "
        f"| {column['type']} | {column['missing']:.1%} |"
        for name, column in zip(names, columns, strict=True)
    ]
    table = _lines(["| column | view | type | missing in fit |", "|---|---|---|---|", *rows])
    return scaled + table


def _scaled(columns: Sequence[Named]) -> str:
    """Return how columns were scaled; nothing of models whose files do not say so."""
    rules = [column["scaling"] for column in columns if column["scaling"] is not None]
    return f"Scaling: {'; '.join(in_words(rules))}.\n\n" if rules else ""


def _summarised(columns: Sequence[Named]) -> str:
    """Return how many columns each view has of each type, and what was missing there."""
    groups: dict[tuple[str, str], list[float]] = {}
    for column in columns:
        groups.setdefault((column["view"] or "", column["type"]), []).append(column["missing"])
    rows = [
        f"| {_inert(view) if view else ''} | {kind} | {len(shares)} "
        f"| {sum(shares) / len(shares):.1%} |"
        for (view, kind), shares in list(groups.items())[:MOST_COLUMNS]
    ]
    return _lines(["| view | type | columns | missing in fit |", "|---|---|---|---|", *rows])


def _first(names: Sequence[str]) -> str:
    return f"They begin with {', '.join(_inert(name) for name in names[:FIRST])}"


def _and_more(names: Sequence[str]) -> str:
    """Say where the names of many columns are."""
    if len(names) <= MOST_COLUMNS:
        return ""
    return f" and are {len(names)} in all; `config.json` has every name."


def _title(config: Named) -> str:
    fitted = config["fitted"]
    title = f"{config['estimator']}: {fitted['n_features_in']} columns"
    return f"{title} into {fitted['n_components']}" if "n_components" in fitted else title


def _made(estimator: Estimator, config: Named) -> str:
    fitted = config["fitted"]
    made = f"Made with narrows {config['narrows_version']} and torch {config['torch_version']}"
    if "stop_reason" not in fitted:
        return made
    chosen = trials.in_words(fitted.get("trials", []))
    choice = "" if chosen is None else f". Chosen was {chosen}"
    return (
        f"{made}; {estimator.n_parameters_} parameters; training ended with "
        f"`{fitted['stop_reason']}` after {estimator.n_iter_} epochs{choice}"
    )


def _table(values: Named) -> str:
    return _lines(f"| {key} | {value} |" for key, value in values.items())


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _inert(text: str) -> str:
    """Return text that cannot act as Markdown or HTML, or leave its cell of a table."""
    line = " ".join(text.split())
    return "`" + line.replace("`", "'").replace("|", "\\|") + "`"
