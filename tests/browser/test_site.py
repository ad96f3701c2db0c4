"""The documentation site, as `make docs` builds it, opened in a browser."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlparse

import pytest

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
PAGES = (
    "index.html",
    "getting-started.html",
    "guide/index.html",
    "views.html",
    "techniques.html",
    "auto_examples/index.html",
    "auto_examples/tasks/plot_anomalies.html",
    "api/index.html",
    "api/generated/narrows.Autoencoder.html",
    "coming-from/keras.html",
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not SITE.is_dir(), reason="the site was not built: make docs"),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *unused: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    own = context.new_page()
    own.complaints = []
    own.on("console", lambda m: m.type == "error" and own.complaints.append(m.text))
    own.on("pageerror", lambda error: own.complaints.append(str(error)))
    own.asked = []
    own.on(
        "response",
        lambda answer: answer.status >= 400 and own.complaints.append(answer.url),
    )
    own.on("request", lambda request: own.asked.append(request.url))
    yield own
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_complaint_and_asks_no_one_else(
    page: Any, address: str, name: str
) -> None:
    page.goto(address + name)
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").first.is_visible()
    assert page.complaints == []
    hosts = {urlparse(url).netloc for url in page.asked if url.startswith("http")}
    assert hosts == {urlparse(address).netloc}


@pytest.mark.parametrize("name", ["index.html", "views.html", "auto_examples/index.html"])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_never_scrolls_sideways(page: Any, address: str, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address + name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_navigation_leads_from_home_to_an_example(page: Any, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="Gallery").first.click()
    page.wait_for_url("**/auto_examples/index.html")
    page.locator('.sphx-glr-thumbcontainer a[href*="plot_anomalies"]').first.click(force=True)
    page.wait_for_url("**/plot_anomalies.html")
    assert page.locator("img.sphx-glr-single-img").first.is_visible()
    assert page.get_by_role("link", name="Download Jupyter notebook").count()


def test_search_finds_a_class(page: Any, address: str) -> None:
    page.goto(f"{address}search.html?q=AnomalyDetector")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("AnomalyDetector" in text for text in found)


def test_dark_mode_is_dark(page: Any, address: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in color[4:-1].split(",")[:3]) < 200


def test_no_link_within_the_site_is_broken() -> None:
    from html.parser import HTMLParser

    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.targets: list[str] = []

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            name = {"a": "href", "img": "src"}.get(tag)
            self.targets += [value for key, value in attributes if key == name and value]

    broken = []
    for path in SITE.rglob("*.html"):
        parser = Links()
        parser.feed(path.read_text(encoding="utf-8"))
        for target in parser.targets:
            if urlparse(target).scheme or target.startswith("#"):
                continue
            own = urlparse(urljoin(path.as_uri(), target)).path
            if not Path(own.replace("%20", " ")).exists():
                broken.append((path.relative_to(SITE).as_posix(), target))
    assert broken == []
