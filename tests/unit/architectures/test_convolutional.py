"""Convolutional: sizes, what a block computes, what is refused, and that it goes with the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.nn import functional as F

from narrows import (
    Autoencoder,
    Contraction,
    Convolutional,
    Layerwise,
    Masking,
    WeightDecay,
    load,
)
from narrows.architectures.convolutional import ConvolutionBlock, TransposedBlock
from narrows.core.activations import ACTIVATIONS
from narrows.errors import ParameterError
from narrows.latents import Point
from narrows.network.network import Network

SHAPES = [(1,), (2,), (13,), (7, 7), (1, 9), (28, 27), (3, 5, 7), (4, 1, 6)]


def network(spec: Convolutional, n_features: int, n_components: int = 3) -> Network:
    layers = spec.build(n_features, n_components)
    found = Network(layers, Point(), ACTIVATIONS["linear"], n_features, n_components)
    found.initialize(torch.Generator().manual_seed(0))
    return found


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pooling", [None, "max", "average"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_size_comes_back_exactly(shape: Any, pooling: Any, stride: int) -> None:
    for kernel_size in (1, 3, 5):
        spec = Convolutional(shape, (2, 3), kernel_size, stride, pooling=pooling)
        found = network(spec, math.prod(shape))
        forward = found(normal(4, math.prod(shape)))
        assert forward.code.shape == (4, 3)
        assert forward.reconstruction.shape == (4, math.prod(shape))


@pytest.mark.parametrize("pooling", [None, "max", "average"])
def test_a_stride_divides_the_size_and_rounds_up(pooling: Any) -> None:
    found = network(Convolutional((9, 12), (2, 3), stride=((2, 3), 2), pooling=pooling), 108)
    sizes = [block.convolution.out_size for block in found.body]
    assert sizes == [(5, 4), (3, 2)]
    assert [block.n_out for block in found.body] == [2 * 5 * 4, 3 * 3 * 2]


def test_blocks_are_flat_and_a_mirror_undoes_its_block() -> None:
    found = network(Convolutional((5, 9), (2, 3)), 45)
    x = normal(4, 45)
    for block, mirror in found.pairs:
        assert (mirror.n_in, mirror.n_out) == (block.n_out, block.n_in)
        y = block(x)
        assert y.shape == (4, block.n_out)
        assert mirror(y).shape == x.shape
        x = y
    assert [len(found.pairs), x.shape[1]] == [3, 3]


@pytest.mark.parametrize("shape", [(1,), (13,), (7, 7), (1, 9), (3, 5, 7)], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_small_block_is_a_matrix_of_its_kernels(
    shape: Any, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("narrows.architectures.convolutional.UNROLLED", 10**7)
    for kernel_size in (1, 3, 5):
        spec = Convolutional(shape, (2, 3), kernel_size, stride, activation="tanh")
        layers = network(spec, math.prod(shape)).double()
        for block in (*layers.body, *layers.decoder[1:]):
            for parameter in block.parameters():
                torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(2))
            stage = block.unrolled()
            assert stage is not None
            (whole,) = stage.parts
            assert whole.spread is not None
            weight = torch.cat([block.weight.flatten(), torch.zeros(1, dtype=torch.float64)])
            matrix, bias = weight[whole.spread.numbers], block.bias[whole.spread.biases]
            x = normal(4, block.n_in, dtype=torch.float64)
            torch.testing.assert_close(whole.activation(x @ matrix.T + bias), block(x))


def test_its_places_are_found_from_the_narrower_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eye of the wider side, here 16,384 cells, would take 2 GB."""
    sizes: list[int] = []
    eye = torch.eye
    monkeypatch.setattr(torch, "eye", lambda n, **how: sizes.append(n) or eye(n, **how))  # type: ignore[func-returns-value]
    found = network(Convolutional((128, 128), (2,), stride=64), 128 * 128)
    down, up = found.body[0].unrolled(), found.decoder[-1].unrolled()
    assert (down.n_in, down.n_out) == (up.n_out, up.n_in) == (16_384, 8)
    assert sizes == [8, 8]
    torch.testing.assert_close(down.parts[0].spread.numbers, up.parts[0].spread.numbers.T)


def test_blocks_with_pooling_or_large_matrices_are_no_matrix() -> None:
    for spec in (Convolutional((6,), (2,), pooling="max"), Convolutional((28, 28), (16,))):
        found = network(spec, math.prod(spec.input_shape))  # type: ignore[arg-type]
        assert all(block.unrolled() is None for block in (found.body[0], found.decoder[-1]))
    small = network(Convolutional((6,), (2,)), 6)
    assert all(block.unrolled() is not None for block in (small.body[0], small.decoder[-1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_strided_block_is_torchs_convolution(dtype: torch.dtype) -> None:
    spec = Convolutional((7, 9), (4,), (5,), stride=2, activation="tanh", in_channels=3)
    (block, *_), x = network(spec, 189).to(dtype).body, normal(6, 189, dtype=dtype)
    images = x.reshape(6, 3, 7, 9)
    expected = torch.tanh(F.conv2d(images, block.weight, block.bias, stride=2, padding=2))
    assert block(x).dtype == dtype
    torch.testing.assert_close(block(x), expected.flatten(1))


def test_a_mirror_is_torchs_transposed_convolution() -> None:
    found = network(Convolutional((8, 9), (4,), activation="tanh"), 72)
    mirror, y = found.decoder[-1], normal(6, 4 * 4 * 5)
    expected = F.conv_transpose2d(
        y.view(6, 4, 4, 5), mirror.weight, mirror.bias, 2, padding=1, output_padding=(1, 0)
    )
    torch.testing.assert_close(mirror(y), expected.flatten(1))


def test_pooling_takes_windows_of_what_is_activated_and_its_mirror_repeats() -> None:
    settings = {"kernel_size": 1, "stride": 2, "activation": "linear"}
    x = torch.tensor([[1.0, 4.0, 2.0, -6.0, 5.0]])
    for pooling, expected in {"max": [4.0, 2.0, 5.0], "average": [2.5, -2.0, 5.0]}.items():
        found = network(Convolutional((5,), (1,), pooling=pooling, **settings), 5)
        block, mirror = found.pairs[0]
        for part in (block, mirror):
            torch.nn.init.ones_(part.weight)
        torch.testing.assert_close(block(x), torch.tensor([expected]))
        a, b, c = expected
        torch.testing.assert_close(mirror(block(x)), torch.tensor([[a, a, b, b, c]]))


def test_a_row_holds_one_channel_after_the_other() -> None:
    """A kernel that looks at the second channel alone sees the row's second half."""
    found = network(Convolutional((4,), (1,), 1, 1, activation="linear", in_channels=2), 8)
    block = found.body[0]
    block.weight.data = torch.tensor([[[0.0], [1.0]]])
    torch.testing.assert_close(block(normal(3, 8)), normal(3, 8)[:, 4:])


def test_without_a_shape_the_row_is_one_signal() -> None:
    assert network(Convolutional(), 30).body[0].convolution.in_size == (30,)
    assert network(Convolutional(in_channels=3), 30).body[0].convolution.in_size == (10,)


def test_each_layer_has_its_own_kernel_stride_padding_and_activation() -> None:
    spec = Convolutional(
        (12, 12),
        (2, 3),
        kernel_size=(5, (3, 1)),
        stride=[1, (2, 3)],
        padding=(0, (1, 0)),
        activation=("relu", "tanh"),
    )
    found = network(spec, 144)
    first, second = (block.convolution for block in found.body)
    assert (first.kernel_size, first.stride, first.padding) == ((5, 5), (1, 1), (0, 0))
    assert (second.kernel_size, second.stride, second.padding) == ((3, 1), (2, 3), (1, 0))
    assert [b.activation.name for b in [*found.body, *found.heads]] == ["relu", "tanh", "linear"]
    assert [b.activation.name for b in found.decoder] == ["tanh", "relu", "linear"]
    assert found(normal(2, 144)).reconstruction.shape == (2, 144)


def test_kernels_start_from_the_fan_in_of_their_own_direction() -> None:
    spec = Convolutional((8, 8), (32, 64), activation="selu", stride=1)
    found = network(spec, 64)
    down, up = found.pairs[1]
    assert isinstance(down, ConvolutionBlock)
    assert isinstance(up, TransposedBlock)
    # 9 cells of the 32 maps that come in on the way down, of the 64 on the way up.
    assert float(down.weight.detach().std()) == pytest.approx(1 / math.sqrt(9 * 32), rel=0.02)
    assert float(up.weight.detach().std()) == pytest.approx(1 / math.sqrt(9 * 64), rel=0.02)
    tanh = network(Convolutional((8, 8), (32, 64), activation="tanh", stride=1), 64)
    bound = math.sqrt(6 / (9 * (32 + 64)))
    for block in tanh.pairs[1]:
        assert float(block.weight.detach().abs().max()) == pytest.approx(bound, rel=0.01)


def test_a_twin_has_the_same_shape_and_weights_of_its_own() -> None:
    found = network(Convolutional((6,), (2,), tied=True), 6)
    for block in found.pairs[0]:
        twin = block.copy_with(block.activation)
        assert type(twin) is type(block)
        assert twin.weight is not block.weight
        assert twin.weight.shape == block.weight.shape
        assert twin.bias.shape == block.bias.shape
        assert (twin.n_in, twin.n_out) == (block.n_in, block.n_out)
        back = block.mirror(tied=False, activation=block.activation)
        assert (back.n_in, back.n_out) == (block.n_out, block.n_in)


@pytest.mark.parametrize("pooling", [None, "max", "average"])
@pytest.mark.parametrize("shape", [(6,), (3, 3), (2, 2, 3)], ids=str)
def test_gradients_of_both_directions_are_those_of_finite_differences(
    pooling: Any, shape: Any
) -> None:
    n = math.prod(shape)
    spec = Convolutional(shape, (2,), activation="tanh", pooling=pooling, tied=True)
    found = network(spec, n).double()
    x = normal(2, n, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: found.decode(found.encode(x)), (x,))


@pytest.mark.parametrize(
    ("settings", "n_features", "message"),
    [
        ({"input_shape": (8, 8)}, 30, "input_shape=.8, 8. .*1 x 8 x 8 = 64 cells, but .* 30"),
        ({"input_shape": (5, 6), "in_channels": 2}, 30, "2 x 5 x 6 = 60 cells.*choose a shape"),
        ({"in_channels": 4}, 30, "in_channels=4 does not divide the 30 features"),
        ({"input_shape": 30}, 30, "input_shape=30 must be a sequence"),
        ({"input_shape": (1, 1, 1, 30)}, 30, "must have 1 to 3 axes.*in_channels"),
        ({"input_shape": ()}, 30, "must have 1 to 3 axes"),
        ({"input_shape": (30, 0)}, 30, r"input_shape\[1\]=0 must be a whole number at least 1"),
        ({"channels": 16}, 30, r"channels=16 must be a sequence.*channels=\(16, 32\)"),
        ({"channels": (0,)}, 30, r"channels\[0\]=0 must be a whole number at least 1"),
        ({"kernel_size": (3,)}, 30, "kernel_size=.* one entry per convolution, that is 2"),
        ({"kernel_size": ((3, 3), 3)}, 30, r"kernel_size\[0\]=.* one entry per axis.* that is 1"),
        ({"kernel_size": 2.5}, 30, r"kernel_size\[0\]=2.5 must be a whole number"),
        ({"stride": 0}, 30, r"stride\[0\]=0 must be a whole number at least 1"),
        ({"padding": -1}, 30, r"padding\[0\]=-1 must be a whole number at least 0"),
        ({"pooling": "mean"}, 30, "pooling='mean' must be one of 'max', 'average'"),
        ({"activation": "rellu"}, 30, "did you mean 'relu'"),
        ({"activation": ("relu",)}, 30, "activation=.* one entry per convolution"),
        ({"code_activation": None}, 30, "code_activation=None must be one of"),
        ({"in_channels": 0}, 30, "in_channels=0 must be a whole number at least 1"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(settings: Any, n_features: int, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Convolutional(**settings).build(n_features, 2)


def test_maps_that_shrink_to_nothing_are_refused_with_the_layer_and_a_remedy() -> None:
    spec = Convolutional(channels=(4, 4, 4), kernel_size=4, stride=3, padding=0)
    with pytest.raises(ParameterError, match=r"convolution 3 .* size \(2,\) .* choose a smaller"):
        spec.build(30, 2)


def test_without_convolutions_the_dense_layer_is_left() -> None:
    found = network(Convolutional((2, 15), ()), 30)
    assert [len(found.pairs), found(normal(2, 30)).reconstruction.shape[1]] == [1, 30]


@pytest.fixture(scope="module")
def images(digits: Any) -> np.ndarray:
    return digits[:200] / 16


def fitted(images: np.ndarray, **settings: Any) -> Autoencoder:
    made = {
        "architecture": Convolutional((8, 8), (4, 6)),
        "scaling": None,
        "max_epochs": 3,
        "random_state": 0,
        **settings,
    }
    return Autoencoder(4, **made).fit(images)


@pytest.mark.slow
def test_digits_are_reconstructed_better_than_by_as_many_principal_components(
    digits: Any,
) -> None:
    X = digits / 16
    model = Autoencoder(
        4,
        architecture=Convolutional((8, 8)),
        optimizer="muon",
        scaling=None,
        max_epochs=15,
        random_state=0,
    ).fit(X)
    centred = X - X.mean(0)
    values = np.linalg.svd(centred, compute_uv=False)
    lost_by_pca = (values[4:] ** 2).sum()
    assert ((X - model.reconstruct(X)) ** 2).sum() < 0.8 * lost_by_pca


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("pooling", [None, "max", "average"])
def test_penalties_and_corruption_combine(images: Any, tied: bool, pooling: Any) -> None:
    spec = Convolutional((8, 8), (4, 6), activation="tanh", tied=tied, pooling=pooling)
    model = fitted(
        images,
        architecture=spec,
        penalty=Contraction(1e-2) + WeightDecay(1e-4),
        corruption=Masking(0.2),
    )
    last = model.history_[-1]
    assert last["objective"] < model.history_[0]["objective"]
    parts = last["loss"] + last["contraction"] + last["weight_decay"]
    assert last["objective"] == pytest.approx(parts, rel=1e-5)


def test_contraction_is_the_squared_jacobian(images: Any) -> None:
    model = fitted(images, penalty=Contraction(1.0), precision="float64", max_epochs=1)
    x = torch.from_numpy(images[:5])
    forward = model.network_(x)
    rows = [torch.autograd.functional.jacobian(model.network_.encode, row[None]) for row in x]
    expected = torch.stack([row.square().sum() for row in rows]).mean()
    torch.testing.assert_close(Contraction(1.0)(forward), expected)


@pytest.mark.parametrize("tied", [False, True])
def test_layers_are_trained_one_by_one(images: Any, tied: bool) -> None:
    spec = Convolutional((8, 8), (4, 6), tied=tied)
    model = fitted(images, architecture=spec, schedule=Layerwise(epochs=2, finetune=2))
    phases = [row["phase"] for row in model.history_]
    assert phases == [name for name in ("layer 1", "layer 2", "layer 3", "fine-tune") for _ in "ab"]
    for first, second in zip(model.history_[::2], model.history_[1::2], strict=True):
        assert second["objective"] < first["objective"]


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    ("shape", "pooling"), [((64,), "max"), ((8, 8), None), ((4, 4, 4), "average")]
)
def test_every_precision_trains(images: Any, shape: Any, precision: str, pooling: Any) -> None:
    spec = Convolutional(shape, (4, 6), pooling=pooling)
    model = fitted(images, architecture=spec, precision=precision)
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    stored = torch.float64 if precision == "float64" else torch.float32
    assert {parameter.dtype for parameter in model.network_.parameters()} == {stored}
    for dtype in (np.float32, np.float64):
        assert model.transform(images.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("tied", [False, True])
def test_a_saved_model_and_a_clone_give_the_same_bits(
    images: Any, tied: bool, tmp_path: Any
) -> None:
    spec = Convolutional((8, 8), (4, 6), (5, (3, 1)), pooling="max", tied=tied)
    model = fitted(images, architecture=spec)
    model.save(tmp_path / "model")
    for other in (load(tmp_path / "model"), clone(model).fit(images)):
        np.testing.assert_array_equal(other.transform(images), model.transform(images))
        np.testing.assert_array_equal(other.reconstruct(images), model.reconstruct(images))


def test_a_fit_neither_reads_nor_moves_the_global_generator(images: Any) -> None:
    torch.manual_seed(1)  # noqa: TID251 - to see that it is left alone
    before = torch.get_rng_state()
    first = fitted(images)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)  # noqa: TID251
    np.testing.assert_array_equal(fitted(images).transform(images), first.transform(images))


def test_the_first_layer_sees_neighbours_only() -> None:
    """A change of one cell moves what lies under the kernels that cover it, and nothing else."""
    found = network(Convolutional((8, 8), (1,), stride=1, activation="linear"), 64)
    x = torch.zeros(1, 8, 8)
    x[0, 4, 5] = 1.0
    moved = found.body[0](x.flatten(1)).view(8, 8) != 0
    assert moved.nonzero().tolist() == [[i, j] for i in (3, 4, 5) for j in (4, 5, 6)]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
def test_a_signal_may_be_of_any_width(width: int, breast_cancer: Any) -> None:
    X = breast_cancer[:80, :width]
    model = Autoencoder(1, architecture=Convolutional("signal"), max_epochs=2, random_state=0).fit(
        X
    )
    assert model.reconstruct(X).shape == X.shape
