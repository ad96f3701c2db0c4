"""What exporters say of themselves."""

from __future__ import annotations

import logging
import warnings

import pytest

from narrows.export.quiet import quiet


def test_it_is_kept_back_and_all_else_is_not(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with quiet():
        warnings.warn("will be removed", FutureWarning, stacklevel=1)
        logging.getLogger("torch.onnx.exporter").warning("not installed")
        logging.getLogger("of a user").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]
    assert logger.level == level
