"""Floors: imports go down only, and parts on different axes do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import narrows

SOURCE = Path(__file__).parents[2] / "src" / "narrows"

# From the ground up. A module imports modules of lower floors only, never its own floor. A pattern
# such as "architectures.*" is for the files of a room that have no floor of their own. The whole
# number is the floor that docs/architecture.md speaks of; the decimals order one floor's files.
FLOORS = {
    0.0: ["errors"],
    0.1: ["checks", "forward", "isolation"],
    0.2: ["spec"],
    0.9: ["codes"],
    1.0: ["data.column_types", "data.delimited", "data.text_numbers", "data.views"],
    1.1: ["data.columns"],
    1.2: ["data.encoding", "data.schema"],
    1.22: ["data.frames"],
    1.25: ["data.containers", "data.fingerprint"],
    1.3: ["data.arrays", "data.detection", "data.layout"],
    1.35: ["data.table"],
    1.4: ["data.batches", "data.files", "data.learning", "data.sequences"],
    1.5: ["activations"],
    1.6: ["priors"],
    2.0: ["latents", "losses", "penalties.penalty", "corruptions", "architectures.block"],
    2.4: ["architectures.dense"],
    2.5: ["architectures.*", "penalties.*"],
    2.6: ["fusions", "likelihoods", "sides"],
    3.0: ["network"],
    4.0: ["objective"],
    4.05: ["composition"],
    4.1: [
        "training.history",
        "training.interrupt",
        "training.minimizers",
        "training.runtime",
        "training.start",
    ],
    4.12: ["training.flat", "training.program", "training.recorded"],
    4.15: ["training.fused", "training.phase"],
    4.2: ["training.optimizers", "training.progress", "training.rates", "training.schedules"],
    4.25: ["training.decomposition", "training.layerwise"],
    4.3: ["training.budget", "training.monitor", "training.step"],
    4.4: ["training.settings"],
    4.5: ["training.trainer"],
    5.0: ["persistence"],
    5.5: ["registry"],
    5.55: ["stored"],
    5.58: ["schema_state"],
    5.6: ["autoencoder_state", "hashing", "model_folder", "walks"],
    5.8: ["fitted"],
    5.82: ["report.plain"],
    5.83: ["report.cells"],
    5.84: ["report.subject"],
    5.85: ["report.comparison", "report.reproduction", "report.rows", "report.training"],
    5.86: ["report.codes", "report.table"],
    5.87: ["report.components", "report.overview"],
    5.88: ["report.*"],
    5.9: ["explanation", "generation", "missing"],
    5.95: ["reporting"],
    6.0: ["estimator", "marginalized"],
    6.5: ["nested"],
    6.9: ["baselines.adapters", "baselines.extension", "baselines.sammon", "metrics"],
    6.95: ["baselines.catalogue"],
    7.0: ["baselines.baseline", "detector", "recipes", "supervised.headed", "supervised.labels"],
    7.1: ["advice.profile", "advice.remark", "supervised.fine_tuned"],
    7.2: ["advice.*", "supervised.*"],
    7.3: ["advice.advice"],
    7.5: ["comparison.journal", "comparison.memory", "comparison.space", "comparison.statistics"],
    7.55: ["comparison.measures", "comparison.methods", "comparison.progress"],
    7.6: ["comparison.runner", "comparison.summary"],
    7.65: ["comparison.comparison"],
    7.7: ["comparison.compare"],
    8.0: ["demo", "loading"],
    9.0: ["cli.options", "cli.output", "cli.settings"],
    9.1: ["cli.exits", "cli.tables"],
    9.15: ["cli.joining"],
    9.2: ["cli.models", "cli.data_description", "cli.places", "cli.verb", "cli.viewing"],
    9.25: ["cli.applying"],
    9.3: ["cli.summary", "cli.model_description"],
    9.4: ["cli.*"],
    9.5: ["cli.main"],
    9.9: ["__main__"],
}

# A file of one axis never imports a file of another, whatever their floors.
AXES = {
    "architecture": ["architectures.*"],
    "latent": ["latents"],
    "loss": ["losses"],
    "penalty": ["penalties.*"],
    "corruption": ["corruptions"],
    "schedule": ["training.schedules", "training.decomposition", "training.layerwise"],
    "optimizer": ["training.optimizers", "training.minimizers"],
    "learning rate": ["training.rates"],
}


def floor_of(module: str) -> float:
    """Return the floor of a module such as ``"data.table"``: its own, or else its room's."""
    for matches in (str.__eq__, fnmatch):
        for floor, patterns in FLOORS.items():
            if any(matches(module, pattern) for pattern in patterns):
                return floor
    raise LookupError(
        f"narrows.{module} is on no floor; add it to FLOORS in tests/contracts/test_floors.py, "
        "above everything it imports and below everything that is to import it"
    )


def axis_of(module: str) -> str | None:
    for axis, patterns in AXES.items():
        if any(fnmatch(module, pattern) for pattern in patterns):
            return axis
    return None


def violations(module: str, source: str) -> list[str]:
    """Return what is wrong with the imports of one module, in words."""
    found = []
    for imported, line in imports(source):
        where = f"narrows.{module}, line {line}, imports narrows.{imported}"
        if floor_of(imported) >= floor_of(module):
            found.append(f"{where}: floor {floor_of(module)} to floor {floor_of(imported)}")
        here, there = axis_of(module), axis_of(imported)
        if here and there and here != there:
            found.append(f"{where}: {here} to {there}, which is another axis")
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
    parts = narrows._HOME[rest].split(".")[1:] if rest in narrows._HOME else rest.split(".")
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


@pytest.mark.parametrize("module", modules())
def test_imports_go_down_only(module: str) -> None:
    assert not violations(module, modules()[module].read_text(encoding="utf-8"))


def test_the_table_of_floors_names_only_modules_that_exist() -> None:
    listed = [name for names in FLOORS.values() for name in names]
    assert [name for name in listed if not any(fnmatch(found, name) for found in modules())] == []
    assert len(listed) == len(set(listed))


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
        ("losses", "from narrows.estimator import Autoencoder"),
        ("losses", "from narrows import Autoencoder"),
        ("losses", "import narrows\n\ndef f():\n    return narrows.Autoencoder()"),
        ("losses", "from narrows import network"),
        ("data.table", "def f():\n    from narrows.training.trainer import Trainer"),
        ("data.table", "if TYPE_CHECKING:\n    import narrows.training.trainer"),
        ("estimator", "from narrows.cli import tables as t"),
        ("data.arrays", "from narrows.data.table import Table"),  # the same floor
    ],
)
def test_an_upward_import_is_caught(module: str, source: str) -> None:
    assert "imports" in violations(module, source)[0]


def test_a_part_that_imports_another_axis_is_caught() -> None:
    source = "from narrows.losses import SquaredError"
    assert "another axis" in violations("architectures.dense", source)[0]


def test_a_downward_import_is_allowed() -> None:
    assert violations("estimator", "import narrows.errors\nfrom narrows import __version__") == []


def test_a_new_module_is_asked_for_its_floor() -> None:
    with pytest.raises(LookupError, match="add it to FLOORS"):
        floor_of("brand_new")
