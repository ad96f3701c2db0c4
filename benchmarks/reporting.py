"""The report of a large table: seconds to make it, bytes, how fast a browser opens and answers.

    PYTHONPATH=src python benchmarks/reporting.py [rows] [columns]    # 500 20000: a wide one

The browser's part needs the extra `browser` and Chromium; without them it is left out, and said so.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from machine import machine
from narrows import Autoencoder

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
COMPONENTS, HOVERS, OPENINGS = 8, 60, 5

# From a pointer's move to the words that answer it, the frame that shows them included.
HOVER = """
async (places) => {
  const canvas = document.getElementById("code-canvas"), box = canvas.getBoundingClientRect();
  const found = [];
  for (const [x, y] of places) {
    const start = performance.now();
    canvas.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + x * box.width,
      clientY: box.top + y * box.height, bubbles: true}));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    found.push(performance.now() - start);
  }
  return found;
}
"""


def main(n_rows: int = 50_000, n_columns: int = 100) -> None:
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(2 * n_rows, 6))
    mixed = np.tanh(hidden @ generator.normal(size=(6, n_columns)))
    X = mixed + 0.1 * generator.normal(size=mixed.shape)
    classes = (hidden[:, 0] > 0).astype(int) + (hidden[:, 1] > 0)
    train, test = X[:n_rows], X[n_rows:]
    model = Autoencoder(COMPONENTS, max_epochs=3, random_state=0).fit(train)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        started = time.perf_counter()
        model.report(path, test, y=classes[n_rows:], train=train)
        seconds = time.perf_counter() - started
        print(machine())
        print(f"{n_rows:,} rows x {n_columns} columns, {COMPONENTS} components")
        print(f"made in          {seconds:8.2f} s")
        print(f"page             {path.stat().st_size / 1e6:8.2f} MB")
        print(f"JSON beside it   {path.with_suffix('.json').stat().st_size / 1e6:8.2f} MB")
        in_browser(path)


def in_browser(path: Path) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("browser: left out, playwright is not installed (make browser-test does that)")
        return
    if not CHROMIUM.exists():
        print(f"browser: left out, there is no {CHROMIUM}")
        return
    places = np.random.default_rng(1).uniform(0.3, 0.7, (HOVERS, 2)).tolist()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        loaded = []
        for _ in range(OPENINGS):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(path.as_uri())
            timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            loaded.append(page.evaluate(timing))
            answered = page.evaluate(HOVER, places)
            page.close()
        browser.close()
    of = f"median of {OPENINGS}, worst {max(loaded):.0f}"
    print(f"DOMContentLoaded {np.median(loaded):8.0f} ms ({of})")
    print(
        f"hover            {np.median(answered):8.1f} ms (median of {HOVERS}, "
        f"95th percentile {np.quantile(answered, 0.95):.1f}, worst {max(answered):.1f})"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
