"""The report in a real browser: it answers, stays inert and quiet, and can be read by everybody."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

KINDS = ("table", "images", "sequences")
Open = Callable[..., Any]

PICTURE = "document.getElementById('code-canvas').toDataURL()"

# (L1 + 0.05) / (L2 + 0.05) of relative luminances, as WCAG 2 defines it; backgrounds are opaque.
CONTRASTS = """
() => {
  const linear = (v) => (v <= 10.31475 ? v / 3294.6 : ((v + 14.025) / 269.025) ** 2.4);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("main *, nav *, header *")) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const ink = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [least, most] = [luminance(rgb(ink)), luminance(behind(node))].sort((a, b) => a - b);
    found.push([(most + 0.05) / (least + 0.05), node.outerHTML.slice(0, 80)]);
  }
  return found;
}
"""
NAMELESS = """
() => [...document.querySelectorAll("button, select, input, a, [role]")]
  .filter((n) => !(n.getAttribute("aria-label") || n.textContent.trim() || (n.labels || []).length))
  .map((n) => n.outerHTML)
"""


def find_point(found: Any) -> tuple[float, float]:
    """Move the pointer over the codes until it meets a row; return where it is then."""
    box = found.page.locator("#code-canvas").bounding_box()
    for i in range(400):
        x = box["x"] + box["width"] * (0.2 + 0.6 * (i % 20) / 20)
        y = box["y"] + box["height"] * (0.15 + 0.7 * (i // 20) / 20)
        found.page.mouse.move(x, y)
        if found.page.locator("#code-tip").is_visible():
            return x, y
    raise AssertionError("there was no row under the pointer anywhere")


def show(found: Any) -> None:
    found.page.locator("#code-plot").scroll_into_view_if_needed()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_opens_without_complaint_and_asks_nothing(
    opened: Open, kind: str, scheme: str
) -> None:
    found = opened(kind, color_scheme=scheme)
    assert found.page.locator("h1").is_visible()
    assert found.page.locator("#curves svg").count() == len(found.data["training"]["parts"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_never_scrolls_sideways(opened: Open, kind: str, width: int) -> None:
    found = opened(kind, width)
    found.page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    assert found.page.evaluate("document.documentElement.scrollWidth") == width


def test_hostile_names_are_shown_as_they_are(opened: Open) -> None:
    found = opened()
    assert found.page.locator("h1").inner_text() == found.data["title"]
    labels = found.page.locator("#code-legend bdi").all_inner_texts()
    assert [label.rstrip("…") for label in labels] == [
        name[:39] if len(name) > 40 else name for name in found.data["code"]["classes"]["names"]
    ]


def test_pointing_at_a_row_says_which_it_is_and_what_it_is_off_in(opened: Open) -> None:
    found = opened()
    show(found)
    find_point(found)
    said = found.page.locator("#code-tip").inner_text()
    code = found.data["code"]
    row = next(i for i, name in enumerate(code["names"]) if f"row {name}\n" in f"{said}\n")
    assert code["classes"]["names"][int(code["classes"]["values"][row])] in said
    assert all(measured in said and back in said for _, measured, back, _ in code["why"][row])
    found.page.mouse.move(5, 5)
    assert not found.page.locator("#code-tip").is_visible()


def test_pointing_at_an_image_shows_it(opened: Open) -> None:
    found = opened("images")
    show(found)
    find_point(found)
    assert found.page.locator("#code-tip canvas").count() == 1


def test_dragging_chooses_rows_and_lists_them(opened: Open) -> None:
    found = opened()
    show(found)
    found.page.get_by_role("button", name="All rows").click()
    box = found.page.locator("#code-canvas").bounding_box()
    found.page.mouse.move(box["x"] + 55, box["y"] + 12)
    found.page.mouse.down()
    found.page.mouse.move(box["x"] + box["width"] - 14, box["y"] + box["height"] - 42, steps=4)
    found.page.mouse.up()
    chosen = found.page.locator("#code-chosen")
    assert "100 rows selected" in chosen.inner_text()
    assert chosen.locator("tbody tr").count() == 50
    worst = found.data["anomalies"]["rows"][0]["name"]
    assert chosen.locator("tbody th").first.inner_text() == worst
    chosen.get_by_role("button", name="Clear").click()
    assert not chosen.is_visible()


def test_a_click_on_a_row_chooses_it_alone(opened: Open) -> None:
    found = opened()
    show(found)
    found.page.mouse.click(*find_point(found))
    assert found.page.locator("#code-chosen tbody tr").count() == 1


def test_keys_go_from_row_to_row(opened: Open) -> None:
    found = opened()
    found.page.locator("#code-canvas").focus()
    seen = set()
    for _ in range(3):
        found.page.keyboard.press("ArrowRight")
        seen.add(found.page.locator("#code-live").inner_text())
    assert len(seen) == 3
    found.page.keyboard.press("Enter")
    assert found.page.locator("#code-chosen").is_visible()
    found.page.keyboard.press("Escape")
    assert not found.page.locator("#code-chosen").is_visible()


def test_components_and_colours_can_be_chosen(opened: Open) -> None:
    found = opened()
    before = found.page.evaluate(PICTURE)
    found.page.locator("#code-x").select_option("2")
    moved = found.page.evaluate(PICTURE)
    found.page.locator("#code-colour").select_option("1")
    assert len({before, moved, found.page.evaluate(PICTURE)}) == 3
    assert found.page.locator("#code-legend button").count() == 0
    offered = found.page.locator("#code-colour").locator("option").count()
    assert offered == 2 + len(found.data["code"]["columns"])


def test_a_class_can_be_hidden_and_shown_again(opened: Open) -> None:
    found = opened()
    before = found.page.evaluate(PICTURE)
    button = found.page.locator("#code-legend button").first
    button.click()
    assert found.page.locator("#code-legend button").first.get_attribute("aria-pressed") == "false"
    assert found.page.evaluate(PICTURE) != before
    found.page.locator("#code-legend button").first.click()
    assert found.page.evaluate(PICTURE) == before


def test_zoom_and_move_change_the_view_and_whole_brings_all_back(opened: Open) -> None:
    found = opened()
    show(found)
    press = lambda name: found.page.get_by_role("button", name=name, exact=True).click()  # noqa: E731
    press("All rows")
    whole = found.page.evaluate(PICTURE)
    press("Zoom in")
    near = found.page.evaluate(PICTURE)
    press("Pan")
    box = found.page.locator("#code-canvas").bounding_box()
    found.page.mouse.move(box["x"] + 300, box["y"] + 200)
    found.page.mouse.down()
    found.page.mouse.move(box["x"] + 400, box["y"] + 250, steps=3)
    found.page.mouse.up()
    found.page.mouse.move(5, 5)
    assert len({whole, near, found.page.evaluate(PICTURE)}) == 3
    assert "outside this view" in found.page.locator("#code-outside").inner_text()
    press("All rows")
    assert found.page.evaluate(PICTURE) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_the_slider_goes_along_a_component(opened: Open, kind: str) -> None:
    found = opened(kind)
    walk = found.data["traversal"]["components"][0]
    slider = found.page.locator("#walk-value")
    slider.focus()
    pictures, values = set(), []
    for _ in range(3):
        found.page.keyboard.press("ArrowRight")
        values.append(float(found.page.locator("#walk-output").inner_text().replace(",", "")))
        inside = found.page.evaluate(
            "[...document.querySelectorAll('#walk svg')].map((s) => s.outerHTML).join() +"
            "[...document.querySelectorAll('#walk canvas')].map((c) => c.toDataURL()).join()"
        )
        pictures.add(inside)
    assert len(pictures) == 3
    assert values == pytest.approx(walk["values"][6:9], rel=0.01, abs=1e-3)


def test_the_comparison_follows_its_metric(opened: Open) -> None:
    found = opened()
    assert found.page.locator("#comparison-plot circle").count() == 3
    found.page.locator("#comparison-metric").select_option("1")
    assert found.page.locator("#comparison-plot circle").count() == 3
    label = found.data["comparison"]["metrics"][1]["label"]
    assert found.page.locator("#comparison-caption").inner_text().startswith(label)


def test_colours_follow_the_system_and_the_button(opened: Open) -> None:
    found = opened(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark, picture = found.page.evaluate(background), found.page.evaluate(PICTURE)
    found.page.locator("#theme").click()
    assert found.page.locator("#theme").inner_text() == "Colours: light"
    assert found.page.evaluate(background) == "rgb(255, 255, 255)" != dark
    assert found.page.evaluate(PICTURE) != picture
    found.page.locator("#theme").click()
    assert found.page.evaluate(background) == dark


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(opened: Open, kind: str, scheme: str) -> None:
    found = opened(kind, color_scheme=scheme)
    contrasts = found.page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [(round(ratio, 2), what) for ratio, what in contrasts if ratio < 4.5] == []


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_can_be_used_or_seen_has_a_name(opened: Open, kind: str) -> None:
    found = opened(kind)
    nameless = found.page.evaluate(NAMELESS)
    assert nameless == []
    levels = found.page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_print_is_light_whole_and_without_controls(opened: Open) -> None:
    found = opened(color_scheme="dark")
    screen = found.page.evaluate(PICTURE)
    found.page.emulate_media(media="print", color_scheme="dark")
    background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    for hidden in ("nav", "#print", "#code-x"):
        assert not found.page.locator(hidden).is_visible()
    assert found.page.evaluate(PICTURE) != screen
    pdf = found.page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3


def test_without_scripts_tables_are_there_and_it_says_what_is_not(opened: Open) -> None:
    found = opened(java_script_enabled=False)
    assert found.page.locator("#anomalies tbody tr").count() == 20
    assert found.page.get_by_text("need JavaScript").is_visible()


RECORDED = """
() => {
  const proto = CanvasRenderingContext2D.prototype, texts = [], points = [];
  const { fillText, arc } = proto;
  proto.fillText = function (text, x, y) {
    if (this.font.startsWith("600")) texts.push([text, x, y, this.measureText(text).width / 2]);
    return fillText.call(this, text, x, y);
  };
  proto.arc = function (x, y, ...rest) {
    points.push([x, y]);
    return arc.call(this, x, y, ...rest);
  };
  document.getElementById("code-reset").click();
  Object.assign(proto, { fillText, arc });
  return { texts, points };
}
"""


def test_class_names_never_cover_points(opened: Open) -> None:
    found = opened()
    drawn = found.page.evaluate(RECORDED)
    assert drawn["texts"]
    assert drawn["points"]
    for _, x, y, half in drawn["texts"]:
        for px, py in drawn["points"]:
            assert not (abs(px - x) < half and y - 11 < py < y + 4)


def test_the_map_of_missing_cells_names_its_columns(opened: Open) -> None:
    found = opened()
    names = found.page.locator("#missing-map svg text").all_text_contents()
    shown = [name.rstrip("…") for name in names]
    columns = found.data["data"]["map"]["columns"]
    assert shown == [name[: len(short)] for name, short in zip(columns, shown, strict=True)]


def test_wide_screens_are_used(opened: Open) -> None:
    found = opened("table", 1800)
    assert found.page.locator("main").bounding_box()["width"] > 1300
    panels = found.page.locator("#curves > div")
    right = panels.last.bounding_box()
    main = found.page.locator("main").bounding_box()
    assert right["x"] + right["width"] > main["x"] + main["width"] - 40
