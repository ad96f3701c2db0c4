"""Tables as text and as HTML."""

from __future__ import annotations

from narrows.core.text_table import as_html, as_text


def test_columns_stand_below_each_other() -> None:
    text = as_text(("k", "method", "error"), [("2", "pca", "0.25"), ("16", "a longer one", "0.1")])
    assert text.splitlines() == [
        "k   method        error",
        "2   pca            0.25",
        "16  a longer one    0.1",
    ]


def test_nothing_of_a_cell_is_a_tag() -> None:
    table = as_html(("<b>",), [("<script>alert(1)</script>",)], caption="a & b")
    assert "<script>" not in table
    assert "&lt;b&gt;" in table
    assert "a &amp; b" in table
    assert table.count("<tr>") == 2
