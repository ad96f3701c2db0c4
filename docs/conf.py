"""How Sphinx builds the site; `make docs` runs it, without a network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl

import narrows

ROOT = Path(__file__).parents[1]
# Pages that lie at the root of the repository, and where the site has them.
OF_ROOT = {
    "CHANGELOG": "development/changes",
    "CONTRIBUTING": "development/contributing",
    "SECURITY": "development/security",
    "VISION": "development/vision",
}
mpl.use("agg")

project = "narrows"
author = "The narrows developers"
copyright = "The narrows developers"  # noqa: A001 - Sphinx's name
release = version = narrows.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "browser", "gallery", "pyplots", "**/node_modules"]
root_doc = "index"
nitpicky = False

# Markdown: the pages are read on the forge, too, so links are those of files.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# A fence of a language that nothing highlights.
suppress_warnings = ["misc.highlighting_failure"]

# Reference: from the docstrings, which are numpydoc.
autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"inherited-members": None}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

plot_html_show_source_link = False
plot_formats = [("png", 150)]
plot_html_show_formats = False
plot_rcparams = {"figure.figsize": (9, 3.4)}

html_theme = "pydata_sphinx_theme"
html_title = "narrows"
html_static_path = ["_static"]
html_context = {"default_mode": "auto"}
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options: dict[str, Any] = {
    "logo": {"text": "narrows"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars: dict[str, list[str]] = {"index": [], "getting-started": []}

sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"plot_",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "subsection_order": ["gallery/tasks", "gallery/kinds", "gallery/more"],
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (360, 240),
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
}
warnings.filterwarnings("ignore", message=".*Matplotlib is currently using agg.*")


def from_elsewhere(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what scikit-learn and torch give their classes: it is in their own references."""
    home = str(getattr(member, "__module__", None) or "")
    return True if home.partition(".")[0] in ("sklearn", "torch") else None


def from_root(app: Any, page: str, source: list[str]) -> None:
    """Give a page of the root in place of its own, with links as they are in the site."""
    names = [name for name, home in OF_ROOT.items() if home == page]
    if not names:
        return
    text = (ROOT / f"{names[0]}.md").read_text(encoding="utf-8").replace("](docs/", "](../")
    for name, home in OF_ROOT.items():
        text = text.replace(f"]({name}.md", f"]({Path(home).name}.md")
    source[0] = text


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("autodoc-skip-member", from_elsewhere)
    app.connect("source-read", from_root)
