"""The section of versions, seed, settings and calls that lead to the same report."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import inspect
import platform

from narrows.core.fit_settings import settings_of_fit
from narrows.core.types import Estimator, Json, JsonValue

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")


def recipe(model: Estimator, call: str, command: str | None) -> Json:
    """Return all that is needed to get the same model and the same report again.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    call : str
        How this report was asked for.
    command : str or None
        The command line that did, if one did.
    """
    seed = model.random_state
    return {
        "made": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": {
            "narrows": importlib.metadata.version("narrows"),
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "seed": None if seed is None else repr(seed),
        "model": expression(model),
        "call": call,
        "command": command,
        "n_parameters": int(model.n_parameters_),
    }


def expression(model: Estimator) -> str:
    """Return the call that makes the unfitted model: settings of fit, but for defaults."""
    defaults = inspect.signature(type(model)).parameters
    settings = settings_of_fit(model)
    written = [
        f"    {name}={_written(value)},"
        for name, value in settings.items()
        if repr(value) != repr(defaults[name].default)
    ]
    name = type(model).__name__
    return "\n".join([f"{name}(", *written, ")"]) if written else f"{name}()"


def _written(value: JsonValue) -> str:
    if isinstance(value, dict):
        inner = (f"        {key!r}: {_written(item)}," for key, item in value.items())
        return "\n".join(["{", *inner, "    }"])
    # scikit-learn cuts long parts short; one line each is what a person can copy.
    if hasattr(value, "get_params"):
        defaults = inspect.signature(type(value)).parameters
        settings = value.get_params(deep=False).items()
        changed = [
            f"{name}={_written(item)}"
            for name, item in settings
            if name in defaults and repr(item) != repr(defaults[name].default)
        ]
        return f"{type(value).__name__}({', '.join(changed)})"
    if isinstance(value, (list, tuple)) and any(hasattr(item, "get_params") for item in value):
        return repr(value)
    return repr(value.tolist()) if hasattr(value, "tolist") else repr(value)
