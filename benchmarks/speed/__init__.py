"""Speed: how long fits take, beside hand-written loops and other libraries."""

from __future__ import annotations
