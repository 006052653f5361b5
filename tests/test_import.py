"""What importing kerakd costs, and that no floor of the house stands on one above."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import kerakd

HOUSE = Path(kerakd.__file__).parent
# From the ground up, as docs/design.md has it.
FLOORS = [
    {"errors", "files", "hardware"},
    {"data"},
    {"models"},
    {"distillation", "losses"},
    {"evaluation"},
    {"training"},
    {"compress"},
    {"explain"},
    {"report"},
    {"recipe"},
    {"predict", "predict_case", "segmenter"},
    {"run"},
    {"benchmark"},
    {"cli"},
]
HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "pandas")


def heavy_after(code: str) -> list[str]:
    """Which heavy packages a fresh interpreter holds after running `code`."""
    tail = f"\nimport sys\nprint(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_importing_kerakd_loads_nothing_heavy():
    assert heavy_after("import kerakd; dir(kerakd)") == []


def test_importing_the_command_line_loads_nothing_heavy():
    assert heavy_after("import kerakd.cli") == []


def test_reading_a_recipe_loads_no_tensorflow():
    loaded = heavy_after("import kerakd.recipe")
    assert not {"tensorflow", "keras"} & set(loaded)


@pytest.mark.parametrize("name", kerakd.__all__)
def test_every_public_name_is_there(name):
    assert getattr(kerakd, name) is not None


@pytest.mark.parametrize(
    "package",
    ["compress", "data", "distillation", "explain", "models", "report", "training"],
)
def test_every_name_of_a_lazy_room_is_there(package):
    module = importlib.import_module(f"kerakd.{package}")
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def floor_of(module: str) -> int | None:
    """The floor of `kerakd.data.images`; None for what is no room (`kerakd`)."""
    parts = module.split(".")
    if len(parts) < 2:
        return None
    return next((i for i, names in enumerate(FLOORS) if parts[1] in names), None)


def imports_of(path: Path) -> set[str]:
    """The kerakd modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "kerakd":
                found |= {f"kerakd.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name for name in found if name.startswith("kerakd")}


def test_no_floor_uses_one_above():
    wrong = []
    for path in sorted(HOUSE.rglob("*.py")):
        module = ".".join(["kerakd", *path.relative_to(HOUSE).with_suffix("").parts])
        own = floor_of(module)
        if own is None:
            continue
        wrong += [
            f"{module} uses {other}"
            for other in sorted(imports_of(path))
            if (floor_of(other) or 0) > own
        ]
    assert wrong == []


def test_every_room_has_a_floor():
    rooms = {p.name for p in HOUSE.iterdir() if (p / "__init__.py").is_file()}
    rooms |= {p.stem for p in HOUSE.glob("*.py")} - {"__init__"}
    assert rooms <= set().union(*FLOORS)
