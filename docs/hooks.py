"""What the site has beyond the pages in this folder.

- `reference/`: a page for each public room, made from its table of public names, so
  that none is missing; mkdocstrings fills in the docstrings from the sources.
- `experiments.md`, `benchmarks.md`, `contributing.md`: pages that live elsewhere in the
  repository. Links to files of the repository become links to pages of the site.
"""

import ast
import importlib
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
BORROWED = {
    "experiments.md": "experiments/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
}
ROOMS = {
    "kerakd": "The front door: what `import kerakd` gives.",
    "kerakd.losses": "Distillation losses: pure functions, and a Keras loss of each.",
    "kerakd.models": "Networks that end in logits, and what can be done with a graph.",
    "kerakd.data": "Folders to samples to splits to batches; the audit.",
    "kerakd.data.phantom": "Heads drawn by a program.",
    "kerakd.data.volumes": "NIfTI cases to slices and back.",
    "kerakd.training": "Training teachers and students, options, exact resume.",
    "kerakd.evaluation": "Metrics of classifiers, intervals, comparisons, calibration.",
    "kerakd.evaluation.segmentation": "Metrics of volumes, in 3-D.",
    "kerakd.explain": "Heat maps, their agreement, and whether to believe them.",
    "kerakd.compress": "Files for a phone, and what was lost on the way.",
    "kerakd.report": "Figures, the report and the model card.",
    "kerakd.errors": "What can go wrong: each error is one sentence.",
}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Add the pages that are made."""
    made = {
        name: (ROOT / source).read_text(encoding="utf-8")
        for name, source in BORROWED.items()
    }
    rows = [f"| [{room}]({room}.md) | {about} |" for room, about in ROOMS.items()]
    made["reference/index.md"] = "\n".join(
        ["# Reference", "", "| room | |", "|---|---|", *rows, ""]
    )
    made |= {f"reference/{room}.md": page_of(room) for room in ROOMS}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links to files of the repository to pages of the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(BORROWED.get(here, f"docs/{here}"))

    def turned(match):
        text, target, anchor = match[1], match[2], match[3] or ""
        found = posixpath.normpath(posixpath.join(folder, target))
        shown = page_that_shows(found)
        if shown is None:
            # A recipe or a source file has no page; what it is called is enough.
            return text if (ROOT / found).exists() else match[0]
        shown = posixpath.relpath(shown, posixpath.dirname(here) or ".")
        return f"[{text}]({shown}{anchor})"

    return _LINK.sub(turned, markdown)


def page_that_shows(path: str) -> str | None:
    """The page of the site for a file or folder of the repository, if there is one."""
    for name, source in BORROWED.items():
        if path == source or path == posixpath.dirname(source):
            return name
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def page_of(room: str) -> str:
    """The reference page of a room."""
    names = dict.fromkeys(place_of(room, name) for name in public_names(room))
    blocks = "\n\n".join(f"::: {place}" for place in names)
    return f"# {room}\n\n{ROOMS[room]}\n\n{blocks}\n"


def public_names(room: str) -> list[str]:
    """Functions, classes and constants that a room offers, in its own order."""
    if room == "kerakd":
        return list(_literal(_tree(room), "_NAMES"))
    if room == "kerakd.errors":
        return [n.name for n in _tree(room).body if isinstance(n, ast.ClassDef)]
    # Loading `losses` would load TensorFlow; its list stands in the file as it is.
    names = _literal(_tree(room), "__all__") or importlib.import_module(room).__all__
    return [name for name in names if f"{room}.{name}" not in ROOMS]


def place_of(room: str, name: str) -> str:
    """Follow a public name to where it is defined, such as `kerakd.load` to
    `kerakd.distillation.saving.load`, by reading sources alone."""
    tree = _tree(room)
    module = (_literal(tree, "_NAMES") or {}).get(name)
    if module is not None:
        return place_of(module if "." in module else f"{room}.{module}", name)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return place_of(node.module, alias.name)
    folder = _file(room).parent
    if name not in _defined(tree) and _file(room).name == "__init__.py":
        for file in sorted(folder.glob("*.py")):
            if name in _defined(_tree(f"{room}.{file.stem}")):
                return f"{room}.{file.stem}.{name}"
    return f"{room}.{name}"


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.removesuffix(".__init__").split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _defined(tree: ast.Module) -> set[str]:
    kinds = ast.FunctionDef | ast.ClassDef
    return {node.name for node in tree.body if isinstance(node, kinds)}


def _literal(tree: ast.Module, name: str):
    """The value of an assignment, where it can be read without running it."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None
