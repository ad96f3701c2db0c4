"""Products of matrices are the same by whichever library they are made, and nobody notices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core import products

needs_onednn = pytest.mark.skipif(products._linear() is None, reason="torch has no oneDNN here")


class Calls:
    """Notes each product that goes to oneDNN."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.function = products._linear()

    def __call__(self, x: Tensor, weight: Tensor, *more: object) -> Tensor:
        self.shapes.append((*x.shape, weight.shape[0]))
        # Of others oneDNN takes its slowest way.
        assert weight.is_contiguous() or weight.T.is_contiguous()
        made: Tensor = self.function(x, weight, *more)
        return made


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Let oneDNN be the faster one, from the smallest product on."""
    calls = Calls()
    monkeypatch.setattr(products, "_linear", lambda: calls)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "WORTH_A_CALL", 1)
    monkeypatch.setattr(products, "FEWEST_COLUMNS", 1)
    return calls


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Return numbers in float32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


@needs_onednn
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (drawn(40, 30), drawn(30, 20, seed=1)),
        (drawn(30, 40).T, drawn(20, 30, seed=1).T),
        (drawn(40, 50)[:, 7:37], drawn(30, 60, seed=1)[:, 5:25]),
        (drawn(1, 30), drawn(30, 1, seed=1)),
    ],
    ids=["rows", "transposed", "columns of wider ones", "vectors"],
)
def test_products_are_those_of_float64(onednn: Calls, a: Tensor, b: Tensor) -> None:
    exact = a.double() @ b.double()
    torch.testing.assert_close(products.product(a, b).double(), exact, rtol=1e-5, atol=1e-5)
    wide = torch.full((a.shape[0], b.shape[1] + 3), torch.nan)
    into = wide[:, 1 : 1 + b.shape[1]]
    bias = drawn(b.shape[1], seed=2)
    products.put(a, b, into, bias)()
    torch.testing.assert_close(into.double(), exact + bias.double(), rtol=1e-5, atol=1e-5)
    products.put(a, b, into)()
    torch.testing.assert_close(into.double(), exact, rtol=1e-5, atol=1e-5)
    assert wide[:, [0, -2, -1]].isnan().all()
    assert len(onednn.shapes) == 3


@needs_onednn
def test_large_products_are_put_there_some_rows_at_a_time(
    onednn: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "MOST_CELLS", 45)
    a, b, bias, into = drawn(30, 23).T, drawn(30, 20, seed=1), drawn(20), torch.empty(23, 20)
    products.put(a, b, into, bias)()
    assert [shape[0] for shape in onednn.shapes] == [2] * 11 + [1]
    torch.testing.assert_close(into, a @ b + bias, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(products, "MOST_CELLS", 1)  # a row is the least
    products.put(a, b, into)()
    torch.testing.assert_close(into, a @ b, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_a_turned_factor_beside_few_columns_stays(
    onednn: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "FEWEST_COLUMNS", 4)
    for n_columns in (3, 4):
        products.put(drawn(5, 8).T, drawn(5, n_columns), torch.empty(8, n_columns))()
        products.product(drawn(8, 5), drawn(5, n_columns))
    assert onednn.shapes == [(8, 5, 3), (8, 5, 4), (8, 5, 4)]


@needs_onednn
def test_a_put_reads_what_is_there_when_it_is_called(onednn: Calls) -> None:
    a, b, into = drawn(8, 4), drawn(4, 5, seed=1), torch.empty(8, 5)
    call = products.put(a, b, into)
    a.mul_(2)
    call()
    torch.testing.assert_close(into, a @ b)


@needs_onednn
def test_a_layer_goes_there_where_nobody_differentiates_it(onednn: Calls) -> None:
    x, weight, bias = drawn(6, 4), drawn(3, 4, seed=1).requires_grad_(), drawn(3, seed=2)
    plain = products.linear(x, weight, bias)
    plain.sum().backward()
    assert weight.grad is not None
    assert not onednn.shapes
    with torch.inference_mode():
        torch.testing.assert_close(products.linear(x, weight, bias), plain.detach())
    assert onednn.shapes == [(6, 4, 3)]


@needs_onednn
def test_a_compiled_layer_has_no_call_of_a_library(
    onednn: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with torch.inference_mode():
        products.linear(drawn(6, 4), drawn(3, 4), drawn(3))
    assert not onednn.shapes


@needs_onednn
def test_float64_and_small_products_stay_with_torch(
    onednn: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = drawn(4, 3), drawn(3, 2, seed=1)
    torch.testing.assert_close(
        products.product(a.double(), b.double()), a.double() @ b.double(), rtol=0, atol=0
    )
    monkeypatch.setattr(products, "WORTH_A_CALL", 4 * 3 * 2 + 1)
    products.product(a, b)
    products.put(a, b, torch.empty(4, 2))()
    with torch.inference_mode():
        torch.testing.assert_close(
            products.linear(a, b.T, drawn(2)), F.linear(a, b.T, drawn(2)), rtol=0, atol=0
        )
    assert not onednn.shapes


@pytest.mark.parametrize("times", [1.0, 1.4, 2.0])
def test_the_faster_library_is_found_by_the_clock(
    monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    """Where both have the same instructions, torch's own products stay."""
    asked: list[bool] = []

    def seconds(call: Callable[[], object]) -> float:
        asked.append(True)
        call()
        assert torch.get_num_threads() == 1  # two would wait for each other on a busy machine
        is_onednn = getattr(call, "func", None) is products._put_by_onednn
        slow = 5.0 if len(asked) % 3 else 0.0  # another program has the processor
        return 1.0 / times + slow if is_onednn else 1.0 + slow

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(products, "_linear", lambda: lambda x, weight, *more: x @ weight.T)
    monkeypatch.setattr(products, "_seconds", seconds)
    before = torch.get_num_threads()
    assert products.onednn_is_faster.__wrapped__() == (times > products.TIMES)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("answer", [lambda x, weight: x, lambda x, weight, *more: -x])
def test_a_call_that_another_torch_has_otherwise_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Tensor]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(products, "_linear", lambda: answer)
    monkeypatch.setattr(products, "TIMES", 0.0)
    assert not products.onednn_is_faster.__wrapped__()


def test_without_wide_instructions_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_seconds", None)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not products.onednn_is_faster.__wrapped__()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(products, "_linear", lambda: None)
    assert not products.onednn_is_faster.__wrapped__()


@pytest.mark.slow
def test_a_busy_machine_gives_the_same_answer() -> None:
    code = "from narrows.core import products; print(products.onednn_is_faster())"

    def answers(n_asked: int) -> set[str]:
        asked = [sys.executable, "-c", code]
        return {subprocess.check_output(asked, text=True).strip() for _ in range(n_asked)}

    quiet = answers(1)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        assert answers(5) == quiet
    finally:
        for other in others:
            other.kill()
            other.wait()
