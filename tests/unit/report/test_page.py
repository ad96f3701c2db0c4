"""Page: one inert file, whatever the data are called, that asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder

Made = Callable[..., tuple[str, dict[str, Any]]]


def embedded(page: str) -> dict[str, Any]:
    """Return the data that a page carries for its own script."""
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


class Outline(HTMLParser):
    """The elements and attributes of a page, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open = ""
        self.attributes: list[tuple[str, str, str | None]] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open = tag
        if tag in self.blocks:
            self.blocks[tag].append("")
        self.attributes.extend((tag, name, value) for name, value in attrs)

    def handle_data(self, data: str) -> None:
        if self.open in self.blocks:
            self.blocks[self.open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.open = ""


@pytest.fixture
def hostile_page(
    made: Made, hostile: list[str], comparison: Callable[..., dict[str, Any]]
) -> tuple[str, dict[str, Any]]:
    """Make a report in which every text that comes from outside tries to be more than text."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(90, len(hostile))), columns=hostile)
    frame["levels"] = pd.Categorical(generator.choice(hostile, 90))
    frame.iloc[60:70, 0] = np.nan
    views = {hostile[0]: hostile[:4], hostile[1]: [*hostile[4:], "levels"]}
    model = Autoencoder(2, views=views, max_epochs=2, random_state=0).fit(frame[:60])
    labels = np.resize(hostile, 30).astype(object)
    other = comparison((hostile[0], hostile[1]))
    other["metrics"][0] |= {"label": hostile[2], "meaning": hostile[3]}
    options = {"y": labels, "ids": labels, "comparison": other, "title": hostile[0]}
    return made(model, frame[60:], train=frame[:60], **options)


def test_hostile_names_labels_and_cells_stay_text(hostile_page: Any) -> None:
    page, _ = hostile_page
    outline = Outline(page)
    assert outline.tags.count("script") == 2
    assert outline.tags.count("style") == outline.tags.count("title") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "form"} & set(outline.tags)
    assert [a for a in outline.attributes if a[1].startswith("on") or a[1] == "style"] == []
    assert "49" not in re.findall(r"<bdi>(\d+)</bdi>", page)  # no template in a template
    assert [
        v for _, name, v in outline.attributes if name == "href" and not v.startswith("#")
    ] == []


def test_hostile_strings_come_back_whole_from_the_data(
    hostile_page: Any, hostile: list[str]
) -> None:
    page, twin = hostile_page
    for data in (embedded(page), twin):
        assert [column["name"] for column in data["code"]["columns"]] == [*hostile, "levels"]
        assert sorted(data["code"]["classes"]["names"]) == sorted(hostile)
        assert data["title"] == hostile[0]


def test_the_page_asks_nothing_of_the_network_and_says_so_to_the_browser(made: Made) -> None:
    page, _ = made()
    outline = Outline(page)
    assert [a for a in outline.attributes if a[1] in ("src", "srcset", "action", "poster")] == []
    styles = outline.blocks["style"][0]
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(value for _, name, value in outline.attributes if name == "content")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    # The data are the first script and not run; the second must be the one that is named.
    for kind, text in (("script", outline.blocks["script"][-1]), ("style", styles)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_page_carries_what_the_json_beside_it_has(made: Made, table: Any) -> None:
    page, twin = made(train=table[:160])
    inside = embedded(page)
    assert inside.keys() == twin.keys()
    assert twin["format"] == "narrows report"
    assert twin["version"] == 1
    for section in ("overview", "data", "training", "explained", "importance", "anomalies"):
        assert inside[section] == twin[section]
    assert len(twin["code"]["codes"]) == inside["code"]["codes"]["rows"] == 80


def test_every_section_is_linked_and_every_picture_has_words(
    made: Made, table: Any, comparison: Any
) -> None:
    page, _ = made(train=table[:160], comparison=comparison())
    outline = Outline(page)
    ids = [value for tag, name, value in outline.attributes if (tag, name) == ("section", "id")]
    links = [value for tag, name, value in outline.attributes if (tag, name) == ("a", "href")]
    assert len(ids) == 11
    assert {f"#{name}" for name in ids} <= set(links)
    assert page.count('role="img"') == page.count('role="img" aria-label="')
    assert re.search(r"<html lang=", page)


def test_a_page_of_a_small_table_is_small(made: Made) -> None:
    page, _ = made()
    assert len(page) < 500_000


def test_what_is_not_given_has_no_place_on_the_page(made: Made) -> None:
    page, data = made()
    assert data["comparison"] is None
    assert 'id="comparison"' not in page
    assert "missing-map" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
