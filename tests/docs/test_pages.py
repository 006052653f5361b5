"""The pages say what is true: their code runs, and their commands exist."""

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import kerakd
from kerakd.cli import app
from kerakd.recipe import recipe_from, strict_yaml
from tests.docs.pages import ROOT, Block, blocks, commands, docstring_blocks, pages
from tests.docs.stage import Stage, prepare

# A list of names and of rooms, no code.
LISTS = {"docs/design.md"}
BLOCKS = [b for page in pages() if page not in LISTS for b in blocks(page)]
EXAMPLES = docstring_blocks()
# Shown, not run: other languages, changes to a file, trees of folders.
SHOWN = {"kotlin", "swift", "diff", "text"}
# Run by another test, which is named.
ELSEWHERE = {"docs/mobile.md": "tests/compress/test_mobile_page.py"}
# Pages whose Python takes seconds; the others are slow.
QUICK = {"docs/own-loss.md", "docs/own-backbone.md", "docs/own-data.md"}
# int8 is calibrated on 100 images or more.
MANY_IMAGES = {"docs/bridge.md"}
SMALL_AND_GREY = {
    "docs/backends.md",
    "docs/cache.md",
    "docs/own-backbone.md",
    "docs/own-data.md",
    "docs/own-loss.md",
    "docs/resume.md",
    "docs/several-gpus.md",
    "docs/start.md",
}


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def python_pages() -> list:
    names = dict.fromkeys(b.page for b in of("python") if b.page not in ELSEWHERE)
    slow = pytest.mark.slow
    return [pytest.param(n, marks=[] if n in QUICK else [slow], id=n) for n in names]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    prepare(folder)
    return folder


def test_every_block_is_of_a_kind_that_is_held_to_something():
    known = {"python", "sh", "yaml"} | SHOWN
    assert [str(b) for b in BLOCKS if b.language not in known] == []


@pytest.mark.parametrize("page", python_pages())
def test_the_python_of_a_page_runs(page, prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    # Two pages call a folder so, each for a teacher of its own.
    shutil.rmtree(prepared / "cache", ignore_errors=True)
    shape = (64, 64, 1) if page in SMALL_AND_GREY else (128, 128, 3)
    stage = Stage(prepared, shape)
    if page in MANY_IMAGES:
        folder = prepared / "many"
        kerakd.data.write_phantom(folder, patients=96, slices_per_patient=2, size=64)
        stage.names["samples"] = kerakd.data.split(kerakd.data.load_images(folder))
    for block in blocks(page):
        if block.language == "python":
            stage.run(block.text, str(block))


@pytest.mark.parametrize("page", ELSEWHERE)
def test_what_runs_elsewhere_does(page):
    other = ROOT / ELSEWHERE[page]
    assert Path(page).name in other.read_text()
    assert ELSEWHERE[page] in (ROOT / page).read_text()


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    # Code may hold brackets; pages that the site makes are in docs/hooks.py.
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    made = {"experiments.md", "benchmarks.md", "contributing.md", "reference/index.md"}
    links = {found.split("#")[0] for found in re.findall(r"\]\(([^)\s]+)\)", text)}
    for link in links - made - {""}:
        if ":" not in link:
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


# Calls -------------------------------------------------------------------------------


def calls(code: str) -> list[tuple[str, ast.Call]]:
    """Calls of kerakd's own names: `("kerakd.data.batches", node)`."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if re.fullmatch(r"kerakd(\.\w+)+", name):
                found.append((name, node))
    return found


def resolve(name: str):
    parts = name.split(".")
    found = importlib.import_module(parts[0])
    for k, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            found = importlib.import_module(".".join(parts[:k]))
        else:
            found = getattr(found, part)
    return found


@pytest.mark.parametrize("block", [*of("python"), *EXAMPLES], ids=str)
def test_calls_have_the_arguments_that_exist(block):
    for name, node in calls(block.text):
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            continue
        function = resolve(name)
        keywords = {k.arg: None for k in node.keywords if k.arg is not None}
        inspect.signature(function).bind_partial(*[None] * len(node.args), **keywords)


def test_names_on_the_pages_exist():
    missing = []
    # What is to be written by a reader of CONTRIBUTING is not there yet.
    for page in set(pages()) - {"CONTRIBUTING.md"}:
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in set(re.findall(r"(?<![\w/])kerakd(?:\.\w+)+", text)):
            try:
                resolve(name)
            except (ImportError, AttributeError):
                missing.append(f"{page}: {name}")
    # A file in a `.tflite` file, and no name in Python.
    assert set(missing) <= {"docs/mobile.md: kerakd.json"}


# Commands ----------------------------------------------------------------------------


def parse(words: list[str]):
    """Let the real command line read a command without carrying it out."""
    command = typer.main.get_command(app)
    context = command.make_context("kerakd", words[1:], resilient_parsing=False)
    rest = [*context._protected_args, *context.args]
    while rest and hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
    return context


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_commands_exist(block):
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    for words in commands(block):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets
        elif words[0] == "kerakd" and words[1:] != ["--help"]:
            parse(words)
        else:
            assert words[0] in ("kerakd", "pip", "git", "python", "pytest"), words


def test_a_command_that_does_not_exist_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        parse(["kerakd", "run", "recipe.yaml", "--tyni"])


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_recipes_are_valid(block):
    recipe_from(strict_yaml.parse(block.text, str(block)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "recipe"),
    [
        ("docs/start.md", "first.yaml"),
        ("docs/own-data.md", "scans.yaml"),
        ("docs/audit.md", None),
    ],
)
def test_the_commands_of_a_page_run(page, recipe, prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    for block in blocks(page):
        if block.language == "yaml":
            Path(recipe).write_text(block.text)
        if block.language != "sh":
            continue
        for words in commands(block):
            if words[0] == "kerakd" and Path(words[-1]).suffix != ".png":
                run = [sys.executable, "-c", "from kerakd.cli import main; main()"]
                done = subprocess.run(
                    [*run, *words[1:]],
                    capture_output=True,
                    text=True,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
                assert done.returncode == 0, (words, done.stderr[-2000:])
