"""Machine: what figures were measured on, in a line."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import sklearn
import torch

import narrows


def processor() -> str:
    """Return the processor's name where the system tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def machine() -> str:
    """Return processor and versions in a line."""
    return (
        f"{processor()}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, narrows {narrows.__version__}"
    )
