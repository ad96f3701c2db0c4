"""Operations of our own in ONNX, against torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from narrows.export.quiet import quiet


class _Both(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        positive = F.softplus(x) + 1e-3
        bounded = x.clamp(-9, 9)
        small = (torch.exp(bounded) - torch.exp(-bounded)) * 5e-5
        return (
            torch.lgamma(positive),
            F.logsigmoid(x),
            F.softplus(x, beta=2),
            torch.log1p(positive),
            torch.log1p(small.clamp(min=-0.3)),
            torch.expm1(small),
            torch.expm1(x.clamp(max=60)),
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_they_say_what_torch_says(dtype: torch.dtype) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    from narrows.export.operators import translations

    x = torch.linspace(-80, 3000, 999).sinh().clamp(-60, 3000).view(37, 27)
    x[0] = torch.linspace(-60, 60, 27)
    x = x.to(dtype)
    with quiet():
        program: Any = torch.onnx.export(
            _Both(), (x,), dynamo=True, custom_translation_table=translations(), verbose=False
        )
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    name = session.get_inputs()[0].name
    exact = _Both()(x.double())
    for answer, expected in zip(session.run(None, {name: x.numpy()}), exact, strict=True):
        np.testing.assert_allclose(answer, expected, rtol=2e-6, atol=1e-12)
