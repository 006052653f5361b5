"""Markdown in which names from the user are text and nothing else."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def text(value: Any) -> str:
    """One line that Markdown, and the HTML it allows, leave as it is."""
    line = " ".join(str(value).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", line)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of plain text: the first column on the left, the others on the right."""
    lines = [headings, ("---", *["---:"] * (len(headings) - 1))]
    lines += [tuple(text(cell) for cell in row) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(facts: Mapping[str, Any]) -> str:
    """`- name: value` for each fact that is known."""
    return "\n".join(
        f"- {text(key)}: {text(value)}"
        for key, value in facts.items()
        if value is not None and value != ""
    )
