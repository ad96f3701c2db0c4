"""Tables: how good the defaults are on many tables, beside the best simple methods."""

from __future__ import annotations
