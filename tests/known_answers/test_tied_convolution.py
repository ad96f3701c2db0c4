"""A tied decoder's convolution is the transpose of the encoder's, with the same kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from narrows import Autoencoder, Convolutional, WeightDecay, load
from narrows.architectures.block import Block

LAYOUTS: dict[str, Convolutional] = {
    "signal": Convolutional((11,), (4,)),
    "signal, stride 3": Convolutional((11,), (4,), kernel_size=4, stride=3),
    "image": Convolutional((7, 10), (3,), stride=1, in_channels=2),
    "image, odd": Convolutional((7, 9), (3,), stride=2),
    "image, each axis its own": Convolutional(
        (8, 11), (3,), kernel_size=((2, 5),), stride=((3, 2),), padding=((0, 1),), in_channels=2
    ),
    "volume": Convolutional((3, 5, 4), (2,), stride=2),
}


def tied_pair(settings: Convolutional) -> tuple[Block, Block]:
    """Return the first block and its mirror, linear, tied and with biases of 0, in float64."""
    assert settings.input_shape is not None
    n_features = settings.in_channels * torch.Size(settings.input_shape).numel()
    spec = Convolutional(**{**settings.get_params(), "activation": "linear", "tied": True})
    layers = spec.build(n_features, 2)
    block, mirror = layers.encoder[0].double(), layers.decoder[-1].double()
    for part in (block, mirror):
        part.initialize(torch.Generator().manual_seed(0))
    return block, mirror


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_mirror_is_the_adjoint_of_the_block(name: str) -> None:
    """<f(x), y> = <x, g(y)> for every x and y."""
    block, mirror = tied_pair(LAYOUTS[name])
    assert mirror.weight is block.weight
    x, y = normal(6, block.n_in), normal(6, block.n_out)
    torch.testing.assert_close((block(x) * y).sum(1), (x * mirror(y)).sum(1))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_matrix_of_the_mirror_is_the_transpose_of_the_blocks(name: str) -> None:
    block, mirror = tied_pair(LAYOUTS[name])
    down = block(torch.eye(block.n_in, dtype=torch.float64))
    up = mirror(torch.eye(block.n_out, dtype=torch.float64))
    torch.testing.assert_close(up, down.T)


def test_repeating_over_a_window_is_the_adjoint_of_its_mean_times_its_cells() -> None:
    block, mirror = tied_pair(Convolutional((6, 8), (3,), pooling="average"))
    x, y = normal(6, block.n_in), normal(6, block.n_out)
    torch.testing.assert_close(4 * (block(x) * y).sum(1), (x * mirror(y)).sum(1))


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_the_mirror_of_stride_1_correlates_with_the_flipped_kernels(n_axes: int) -> None:
    size = (7, 6, 5)[:n_axes]
    block, mirror = tied_pair(Convolutional(size, (3,), stride=1, in_channels=2))
    kernels = block.weight.transpose(0, 1).flip(tuple(range(2, 2 + n_axes)))
    y = normal(4, block.n_out)
    correlate: Any = (F.conv1d, F.conv2d, F.conv3d)[n_axes - 1]
    expected = correlate(y.view(4, 3, *size), kernels, padding=1)
    torch.testing.assert_close(mirror(y), expected.flatten(1))


def test_the_mirror_of_a_signal_is_the_convolution_written_out() -> None:
    """g(y)_t = sum over s of w_(t - s + 1) y_s: indices run against each other."""
    block, mirror = tied_pair(Convolutional((5,), (1,), stride=1))
    w, y = block.weight[0, 0], normal(1, 5)
    expected = [
        sum(w[t - s + 1] * y[0, s] for s in range(5) if 0 <= t - s + 1 < 3) for t in range(5)
    ]
    torch.testing.assert_close(mirror(y)[0], torch.stack([torch.as_tensor(v) for v in expected]))


def test_tied_kernels_are_one_parameter_and_counted_once(digits: Any, tmp_path: Any) -> None:
    model = Autoencoder(
        3,
        architecture=Convolutional((8, 8), (4, 6), tied=True),
        penalty=WeightDecay(1e-4),
        max_epochs=1,
        random_state=0,
    ).fit(digits[:200])
    model.save(tmp_path / "model")
    matrices = 4 * 1 * 9 + 6 * 4 * 9 + 3 * 24
    biases = (4 + 6 + 3) + (24 + 4 + 1)
    for found in (model, load(tmp_path / "model")):
        assert all(mirror.weight is block.weight for block, mirror in found.network_.pairs)
        assert all(mirror.bias is not block.bias for block, mirror in found.network_.pairs)
        assert len(found.network_.weights()) == 3
        assert found.n_parameters_ == matrices + biases
