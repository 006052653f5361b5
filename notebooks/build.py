"""Carry the notebooks out and keep what they show.

    python notebooks/build.py                      all of them
    python notebooks/build.py 03_to_the_phone      one

A notebook is written as a Python file with cells (`# %%`), which reads well in a diff;
the `.ipynb` beside it is made here: every cell is run in a fresh kernel, pictures are
made small, and nothing of this machine is kept.
"""

import base64
import io
import re
import resource
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
SECONDS = 1800  # of one cell, on a machine that does other things too
WIDEST = 900


def sources() -> list[Path]:
    """The notebooks' sources, in their order."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def read(source: Path):
    """A source as a notebook without outputs; cells are numbered, not random."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
    kernel = notebook.metadata.get("kernelspec")
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def execute(notebook) -> float:
    """Run all cells in a fresh kernel; seconds that it took.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    begun = time.monotonic()
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
    )
    client.execute()
    return time.monotonic() - begun


def tidy(notebook) -> None:
    """Keep what a reader wants to see: no warnings of libraries, small pictures."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kept = [one for one in cell.outputs if not _idle(one)]
        cell["outputs"] = [_as_shown(one) for one in kept]


def _idle(output) -> bool:
    """Warnings of libraries, and objects that say nothing but where they lie."""
    said = output.get("data", {}).get("text/plain", "")
    return output.get("name") == "stderr" or bool(re.fullmatch(r"<.* at 0x\w+>", said))


def _as_shown(output):
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = _small(data["image/png"])
        # `<Figure size ...>` says nothing beside the figure.
        data.pop("text/plain", None)
    return output


def _small(encoded: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.quantize(128).save(written, format="png", optimize=True)
    return base64.b64encode(written.getvalue()).decode("ascii")


def build(source: Path) -> float:
    """Make the `.ipynb` of a source; seconds that its cells took."""
    notebook = read(source)
    seconds = execute(notebook)
    tidy(notebook)
    text = nbformat.writes(notebook)
    source.with_suffix(".ipynb").write_text(text + "\n", encoding="utf-8")
    return seconds


def main(names: list[str]) -> None:
    """Build the notebooks of these names, or all."""
    for source in sources():
        if names and source.stem not in names:
            continue
        seconds = build(source)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{source.stem}: {seconds:.0f} s; of the processor, all so far, "
            f"{used.ru_utime + used.ru_stime:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
