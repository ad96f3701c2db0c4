"""Packages of the extra ``onnx``, imported when a file is written."""

from __future__ import annotations

import functools

from narrows.core import extras

required = functools.partial(extras.required, extra="onnx", purpose="an ONNX file")
