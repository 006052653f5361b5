"""The notebooks run, and what is kept of them is what their sources gave."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
_spec = importlib.util.spec_from_file_location("notebooks_build", FOLDER / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

NAMES = [
    "01_first_distillation",
    "02_brats_segmentation",
    "03_to_the_phone",
    "04_can_you_trust_it",
]
# Homes, temporary folders and environments of whoever made it.
MACHINE = re.compile(r"(/(home|root|Users|tmp|work|opt|var|mnt)/)|\.venv|site-packages")


def kept(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_these_are_the_notebooks():
    assert [source.stem for source in build.sources()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_kept_cells_are_those_of_the_source(name):
    source = build.read(FOLDER / f"{name}.py")
    expected = [(cell.cell_type, cell.source) for cell in source.cells]
    cells = kept(name)["cells"]
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    assert found == expected, "run `make notebooks`"


@pytest.mark.parametrize("name", NAMES)
def test_it_was_run_from_the_first_cell_to_the_last(name):
    cells = code_cells(kept(name))
    counts = [cell["execution_count"] for cell in cells]
    assert counts == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_what_it_showed_is_there(name):
    outputs = [one for cell in code_cells(kept(name)) for one in cell["outputs"]]
    kinds = [kind for one in outputs for kind in one.get("data", {})]
    assert kinds.count("image/png") >= 2
    assert any(one["output_type"] == "stream" for one in outputs)
    assert [one for one in outputs if one["output_type"] == "error"] == []
    assert [one for one in outputs if one.get("name") == "stderr"] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_nothing_of_the_machine(name):
    notebook = kept(name)
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            shown = dict(output, data={**output.get("data", {}), "image/png": ""})
            assert not MACHINE.search(json.dumps(shown)), shown
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_enough_to_be_kept(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_its_code_compiles_and_it_has_exercises(name):
    notebook = build.read(FOLDER / f"{name}.py")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
    told = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert told[0].startswith("# ") and any("## Exercises" in text for text in told)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_in_a_fresh_kernel(name):
    notebook = build.read(FOLDER / f"{name}.py")
    build.execute(notebook)  # An error in a cell is raised.
    build.tidy(notebook)
    shown = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert sum("image/png" in one.get("data", {}) for one in shown) >= 2
