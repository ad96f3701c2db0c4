"""Documentation: complete, true to the signatures, and its code runs."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import narrows
from lanes import few
from narrows.core.spec import Spec

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(
        part.startswith(".") or part in ("demo", "tests", "node_modules", "_build", "auto_examples")
        for part in path.relative_to(ROOT).parts
    )
)
WITH_CODE = [path for path in PAGES if "```python\n" in path.read_text(encoding="utf-8")]

# Pages of several seconds each, of which the parts have tests of their own.
LONG = {"large.md", "pictures.md", "components.md", "fill-holes.md", "maps.md", "adversarial.md"}
LONG |= {"pca.md", "sparse.md", "variational.md", "lstm.md", "export.md"}
LONG |= {"watching.md", "covariates.md", "types.md", "views.md", "denoising.md", "convolutional.md"}
LONG |= {"contractive.md", "supervised.md", "stacked.md", "anomalies.md", "robust.md", "hashing.md"}

NEEDED = {  # packages of extras, by page
    "export.md": ("onnxruntime", "onnxscript", "skl2onnx"),
    "serving.md": ("fastapi_offline", "prometheus_client"),
}

# Parts that nobody writes down: an operator or another setting makes them.
MADE_BY_OTHERS = {
    "PenaltySum": "what + makes of penalties",
    "CorruptionSum": "what + makes of corruptions",
    "TorchOptimizer": "what an optimiser class of PyTorch becomes",
}


def public() -> dict[str, Any]:
    return {name: getattr(narrows, name) for name in narrows.__all__}


def public_classes() -> dict[str, type]:
    return {name: value for name, value in public().items() if inspect.isclass(value)}


def public_members() -> dict[str, Callable[..., Any]]:
    """Return the public names, and the public methods that this package gives their classes."""
    members = dict(public())
    for name, cls in public_classes().items():
        for method, value in inspect.getmembers(cls, inspect.isroutine):
            if not method.startswith("_") and str(getattr(value, "__module__", "")).startswith(
                "narrows"
            ):
                members[f"{name}.{method}"] = value
    return members


def sections(value: object) -> dict[str, str]:
    """Return the sections of a numpydoc docstring by heading; the text above them under ""."""
    return sections_of(inspect.getdoc(value) or "")


def sections_of(docstring: str) -> dict[str, str]:
    """Return the same of the docstring itself."""
    pieces = re.split(r"^(\w[\w ]*)\n-+$", docstring, flags=re.MULTILINE)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def described(section: str) -> list[str]:
    """Return the names a Parameters section describes: ``a, b : int`` describes two."""
    heads = re.findall(r"^(\S.*?) : ", section, flags=re.MULTILINE)
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def undescribed(value: Any) -> bool:
    return described(sections(value).get("Parameters", "")) != taken(value)


def taken(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_every_public_name_and_method_has_a_docstring() -> None:
    members = public_members()
    assert [name for name in members if not sections(members[name])[""].strip()] == []


def test_the_parameters_sections_are_the_signatures() -> None:
    """Of all public names, and of those methods that describe any parameter."""
    wrong = [name for name, value in public().items() if undescribed(value)]
    wrong += [
        name
        for name, method in public_members().items()
        if "Parameters" in sections(method) and undescribed(method)
    ]
    assert wrong == []


def takes(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Return the names of what a function or the constructor of a class is given."""
    made = [own for own in node.body if isinstance(own, ast.FunctionDef) and own.name == "__init__"]
    function = node if isinstance(node, ast.FunctionDef) else made[0] if made else None
    if function is None:
        fields = (own.target for own in node.body if isinstance(own, ast.AnnAssign))
        return {field.id for field in fields if isinstance(field, ast.Name)}
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {own.arg for own in named if own is not None}


def test_what_any_docstring_describes_is_there() -> None:
    """Of all modules, also of what is not public; of a class without fields, its base has them."""
    wrong, n_described = [], 0
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            names = described(sections_of(ast.get_docstring(node) or "").get("Parameters", ""))
            given = takes(node)
            n_described += len(names)
            if given and not set(names) <= given:
                wrong.append(f"{path.name}: {node.name}: {set(names) - given}")
    assert n_described > 1000
    assert wrong == []


def test_every_public_name_has_a_runnable_example() -> None:
    without = [
        n for n, value in public().items() if ">>> " not in sections(value).get("Examples", "")
    ]
    assert without == []


@pytest.mark.parametrize("axis", Spec.axes())
def test_every_part_is_exported_by_its_catalogue_and_by_narrows(axis: str) -> None:
    for part in parts(axis):
        name = part.__name__
        if name not in MADE_BY_OTHERS:
            assert name in importlib.import_module(part.__module__).__all__, part.__module__
            assert name in narrows.__all__, f"add {name} to src/narrows/__init__.pyi"


@pytest.mark.parametrize("axis", Spec.axes())
def test_a_catalogue_exports_nothing_but_parts(axis: str) -> None:
    catalogues = {part.__module__ for part in parts(axis)}
    exported = {name for module in catalogues for name in importlib.import_module(module).__all__}
    exported -= {"join_views", "split_views"}  # what makes a table for views, and takes it apart
    exported -= {"Block", "Layers"}  # what architectures are made of
    assert exported <= {Spec.axes()[axis].__name__, *(part.__name__ for part in parts(axis))}


def parts(axis: str) -> list[type[Spec]]:
    """Return the parts of an axis that this package defines; a test may define more."""
    return [part for part in Spec.members(axis).values() if part.__module__.startswith("narrows.")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not resolves(page, link)] == []


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links and pictures that are not addresses elsewhere."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """Return the names that the headings of a page can be linked by."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    few(WITH_CODE, lambda page: page.name not in LONG),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_code_on_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks in one go; parts that a page defines are forgotten after it."""
    for package in NEEDED.get(page.name, ()):
        pytest.importorskip(package, reason=f"needs {package}")
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    name = f"page_{page.stem.replace('-', '_')}"
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)  # where its classes are found
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile("\n\n".join(blocks), page, "exec"), module.__dict__)


def test_the_reference_is_what_the_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == reference.page(), "run make reference"
    index = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    assert index == reference.index(), "run make reference"
    listed = set(re.findall(r"^   (\w+)$", index, flags=re.MULTILINE))
    public_names = set(narrows.__all__) - set(MADE_BY_OTHERS)
    assert public_names - {"metrics", "omics", "recipes", "testing"} <= listed


def test_a_docstring_that_forgets_a_parameter_is_caught() -> None:
    def function(known: int, forgotten: int) -> None:
        """Do nothing.

        Parameters
        ----------
        known : int
            A number.
        """

    assert described(sections(function)["Parameters"]) == ["known"] != taken(function)
