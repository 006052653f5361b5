"""Code blocks of the pages, as a Markdown parser sees them."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A block of code and where it stands.

    Attributes:
        page: Path in the repository.
        line: Of its first line in the page.
        language: `python`, `sh`, `yaml`, ...; of an indented one what it looks like.
        text: The code.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The pages whose code is held to run."""
    written = sorted((ROOT / "docs").glob("*.md"))
    others = ["README.md", "CONTRIBUTING.md", "experiments/README.md"]
    others.append("benchmarks/README.md")
    return [*others, *(f"docs/{page.name}" for page in written)]


def blocks(page: str) -> list[Block]:
    """All code blocks of a page, in their order."""
    found = []
    text = (ROOT / page).read_text(encoding="utf-8")
    for token in MarkdownIt().enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            found.append(Block(page, line, token.info.strip(), token.content))
        elif token.type == "code_block":
            # Indented blocks with a blank line between are one to Markdown.
            for part in re.finditer(r"(?:.+\n?)+", token.content):
                at = line + token.content[: part.start()].count("\n")
                found.append(Block(page, at, _guess(part[0]), part[0]))
    return found


def docstring_blocks() -> list[Block]:
    """The examples in docstrings, with the backslashes that Python reads."""
    found = []
    for file in sorted((ROOT / "kerakd").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for match in re.finditer(r" *```python\n(.*?)```", text, re.DOTALL):
            code = textwrap.dedent(match[1]).replace("\\\\", "\\")
            line = text[: match.start()].count("\n") + 1
            place = file.relative_to(ROOT).as_posix()
            found.append(Block(place, line, "python", code))
    return found


def commands(block: Block) -> list[list[str]]:
    """The words of every command of a shell block; comments left out.

    A long command goes on behind a backslash or, in an indented synopsis, on a line
    that begins with a blank. What stands in `[--brackets]` may be given, so it is.
    """
    text = re.sub(r"\\\n\s*", " ", block.text)
    text = re.sub(r"\n[ \t]+", " ", text)
    text = re.sub(r"\[(--[^\]]*)\]", r"\1", text)
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in lines if line]


def _guess(text: str) -> str:
    first = text.strip().split(maxsplit=1)[0]
    if first in ("kerakd", "make", "pip"):
        return "sh"
    python = r"^[\w, ]+ = |^\w+(\.\w+)+\(|^(from|import|for|with) "
    return "python" if re.search(python, text, re.MULTILINE) else "text"
