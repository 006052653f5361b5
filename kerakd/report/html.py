"""`report.html`: the whole run on one page that needs no network."""

import os
from html import escape
from pathlib import Path

from kerakd.files import write_text
from kerakd.report.page import document, section
from kerakd.report.run_folder import RunFolder
from kerakd.report.sections import SECTIONS
from kerakd.report.story import NOT_A_DEVICE
from kerakd.report.style import named_for, without_teacher


def write_report(run_folder: str | os.PathLike) -> Path:
    """Write `report.html` into a run folder, from what the folder holds.

    The page is one file: pictures, style and the script that sorts its tables are
    inside, nothing is fetched. It reads on a phone, in dark and light, and by keyboard.
    What the run has not made (yet) is said in its place.

    ```python
    kerakd.report.write_report("runs/brain-tumor")
    ```

    Args:
        run_folder: A folder that `kerakd run` wrote, finished or not.

    Returns:
        The path of the page.

    Raises:
        DataError: There is no such folder.
        KerakdError: Its `metrics.json` is damaged, or the page cannot be written.
    """
    run = RunFolder.open(run_folder)
    sections, links = [], []
    for anchor, heading, make in SECTIONS:
        with named_for(run.metrics):
            inside = make(run)
        if inside:
            sections.append(section(anchor, heading, inside))
            links.append(f'<a href="#{anchor}">{escape(heading)}</a>')
    task = str(run.metrics.get("task") or "run")
    kind = "Knowledge distillation"
    if without_teacher(run.metrics):
        kind = "A network on labels alone"
    header = (
        f"<header><h1>{escape(run.name)}</h1>"
        f'<p class="muted">{kind}, {escape(task)}: report of a kerakd '
        f'run</p><p class="device">{NOT_A_DEVICE}</p>'
        f'<nav aria-label="Sections">{" ".join(links)}</nav></header>'
    )
    footer = (
        f"<footer><p><b>{NOT_A_DEVICE}</b></p>"
        "<p>Written by kerakd from the files of the run folder; nothing was computed "
        "anew.</p></footer>"
    )
    body = "\n".join([header, '<main id="content">', *sections, "</main>", footer])
    return write_text(run.path / "report.html", document(run.name, body))
