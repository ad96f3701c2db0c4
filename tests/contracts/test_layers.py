"""Layers: imports go down only, without circles, and every folder is on a layer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import narrows
from narrows.core.spec import AXIS_PACKAGES, Spec

SOURCE = Path(__file__).parents[2] / "src" / "narrows"

# From the ground up. A file imports folders below its own, and files of its own folder without a
# circle. Folders on one layer do not know each other.
LAYERS = (
    ("errors",),
    ("core",),
    ("data", "architectures", "latents", "priors", "corruptions", "codes"),
    ("losses", "penalties", "fusions", "metrics"),
    ("network",),
    ("training",),
    ("inference",),
    ("persistence",),
    ("report", "export", "observers"),
    ("estimators",),
    ("recipes", "baselines", "advice", "testing"),
    ("comparison", "serving"),
    ("displays",),
    ("factors",),
    ("omics",),
    ("cli",),
    ("__main__",),
)

# Beside the parts of their folders: what several of them are made with.
HELPERS = {
    "narrows.fusions.parallel",
    "narrows.losses.columnwise",
    "narrows.training.optimizers.algorithms",
}


def layer_of(module: str) -> int:
    """Return the layer of the folder that a module such as ``"data.table"`` lies in."""
    room = module.partition(".")[0]
    for layer, rooms in enumerate(LAYERS):
        if room in rooms:
            return layer
    raise LookupError(
        f"narrows.{room} is on no layer; add it to LAYERS in tests/contracts/test_layers.py, above "
        "everything it imports and below everything that is to import it"
    )


def violations(module: str, source: str) -> list[str]:
    """Return what is wrong with the imports of one module, in words."""
    found = []
    for imported, line in imports(source):
        where = f"narrows.{module}, line {line}, imports narrows.{imported}"
        same = module.partition(".")[0] == imported.partition(".")[0]
        if not same and layer_of(imported) >= layer_of(module):
            found.append(f"{where}: layer {layer_of(module)} to layer {layer_of(imported)}")
    return found


def imports(source: str) -> Iterator[tuple[str, int]]:
    """Yield the modules of narrows that a source imports anywhere, and on which line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the import with its full name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]  # narrows.Autoencoder
        else:
            continue
        for name in names:
            module = module_of(name)
            if module is not None:
                yield module, node.lineno


def module_of(name: str) -> str | None:
    """Return the module that ``narrows.data.files.read`` or ``narrows.Autoencoder`` stands in."""
    package, _, rest = name.partition(".")
    if package != "narrows":
        return None
    public = rest in narrows.__all__  # not narrows.recipes, which is a module itself
    parts = narrows._HOME[rest].split(".")[1:] if public else rest.split(".")
    while parts:
        if SOURCE.joinpath(*parts).with_suffix(".py").is_file():
            return ".".join(parts)
        parts.pop()
    return None  # narrows itself, such as narrows.__version__, or a room


def modules() -> dict[str, Path]:
    """Return every module by name; the files ``__init__`` are doors, not rooms."""
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts): path
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__init__.py"
    }


def test_imports_go_down_only() -> None:
    found = (violations(name, path.read_text(encoding="utf-8")) for name, path in modules().items())
    assert [violation for own in found for violation in own] == []


def test_the_layers_name_only_what_exists() -> None:
    rooms = [room for layer in LAYERS for room in layer]
    there = {module.partition(".")[0] for module in modules()}
    assert sorted(rooms) == sorted(there)


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return modules that import each other in a circle, the first again as the last, or none."""
    done: set[str] = set()

    def visited(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for imported in graph.get(module, ()):
            around = visited(imported, [*path, module])
            if around:
                return around
        done.add(module)
        return []

    return next(filter(None, (visited(module, []) for module in graph)), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: sorted({name for name, _ in imports(path.read_text(encoding="utf-8"))} - {module})
        for module, path in modules().items()
    }
    assert circle(graph) == []
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]


def test_every_file_in_the_folder_of_an_axis_has_a_part_or_its_base() -> None:
    """So that no file lies dead there."""
    parts = [*Spec.axes().values(), *Spec.classes().values()]
    having = {part.__module__ for part in parts}
    folders = [name.replace(".", "/") for name in AXIS_PACKAGES if "/" not in name]
    files = [
        path
        for folder in folders
        for path in (SOURCE / folder).glob("*.py")
        if path.name != "__init__.py"
    ]
    names = {f"narrows.{'.'.join(p.relative_to(SOURCE).with_suffix('').parts)}" for p in files}
    assert names - having <= HELPERS


@pytest.mark.parametrize(
    "room",
    [path.parent for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE],
    ids=lambda room: room.name,
)
def test_the_door_of_a_room_imports_nothing(room: Path) -> None:
    assert list(imports((room / "__init__.py").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("losses.loss", "from narrows.estimators.autoencoder import Autoencoder"),
        ("losses.loss", "from narrows import Autoencoder"),
        ("losses.loss", "from narrows import recipes"),
        ("losses.loss", "import narrows\n\ndef f():\n    return narrows.Autoencoder()"),
        ("losses.loss", "from narrows.network import objective"),
        ("losses.loss", "from narrows.penalties.weights import WeightDecay"),  # the same layer
        ("data.table", "def f():\n    from narrows.training.trainer import Trainer"),
        ("data.table", "if TYPE_CHECKING:\n    import narrows.training.trainer"),
        ("estimators.autoencoder", "from narrows.cli import tables as t"),
    ],
)
def test_an_upward_import_is_caught(module: str, source: str) -> None:
    assert "imports" in violations(module, source)[0]


def test_a_downward_import_is_allowed() -> None:
    source = "import narrows.errors\nfrom narrows import __version__"
    assert violations("estimators.autoencoder", source) == []


def test_a_new_folder_is_asked_for_its_layer() -> None:
    with pytest.raises(LookupError, match="add it to LAYERS"):
        layer_of("brand_new")


# Of one room, but of no single module of it.
OF_A_ROOM = {"cli/test_manners.py", "cli/test_processes.py", "cli/test_round_trip.py"}


def test_unit_tests_lie_where_their_modules_do() -> None:
    unit = Path(__file__).parents[1] / "unit"
    names = [path.relative_to(unit).as_posix() for path in unit.rglob("test_*.py")]
    modules_of = {name: SOURCE / re.sub(r"(^|/)test_", r"\1", name) for name in names}
    assert {name for name, path in modules_of.items() if not path.is_file()} == OF_A_ROOM
