"""One HTML page that holds all it needs: its style and its pictures."""

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from kerakd.report.numbers import summary
from kerakd.report.style import DPI

# No script, no network: the browser itself is told to refuse both.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --muted: #5a5a5a; --paper: #fff;
  --panel: #f5f6f7; --line: #d9dcdf; --accent: #0060a0; --warn: #8a4b00;
  --warn-paper: #fff6e5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --muted: #a9adb2;
  --paper: #15171a; --panel: #1e2125; --line: #3a3f45; --accent: #6db8f2;
  --warn: #ffc766; --warn-paper: #2e2413; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, header, footer { max-width: 64rem; margin: 0 auto; padding: 0 1.1rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; padding-top: 1.1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--accent); }
nav { font-size: .92rem; margin: 1rem 0 0; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.muted, figcaption { color: var(--muted); font-size: .92rem; }
.lead { font-size: 1.1rem; }
.device { font-weight: 600; color: var(--warn); margin: .2rem 0; }
.warning { background: var(--warn-paper); border-left: 4px solid var(--warn);
  padding: .6rem .9rem; margin: .8rem 0; max-width: 46rem; }
.missing { color: var(--muted); border: 1px dashed var(--line); border-radius: 6px;
  padding: .8rem 1rem; }
.cards { display: grid; gap: .8rem; margin: 1.2rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.card { background: var(--panel); border-radius: 8px; padding: .8rem 1rem;
  border-top: 4px solid var(--line); }
.card b { display: block; font-size: 1.6rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.card span { display: block; color: var(--muted); font-size: .88rem;
  line-height: 1.35; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .94rem; }
th, td { padding: .42rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--muted); vertical-align: bottom;
  white-space: normal; line-height: 1.25; }
th:first-child, td:first-child { text-align: left; padding-left: 0; color: var(--ink);
  position: sticky; left: 0; background: var(--paper); }
details { margin: .8rem 0; }
summary { cursor: pointer; font-weight: 600; }
td small { display: block; color: var(--muted); white-space: normal;
  max-width: 16rem; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .5em; }
figure { margin: 1rem 0; }
figure .scroll { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: .4rem; width: fit-content; max-width: 100%; }
img { display: block; max-width: 100%; height: auto; }
.pair { display: grid; gap: 0 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: .3rem 1.2rem;
  margin: .8rem 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--panel); border-radius: 8px; padding: .8rem 1rem;
  overflow-x: auto; font: .86rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
code { font: .9em ui-monospace, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: .92rem; padding-bottom: 3rem;
  margin-top: 3rem; }
@media (max-width: 40rem) { .wide img { min-width: 38rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; } }
@media print { nav { display: none; } h2, figure { break-inside: avoid; } }
"""


def document(title: str, body: str) -> str:
    """A whole page around its body.

    Args:
        title: Plain text.
        body: HTML.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def join(*parts: str) -> str:
    """Pieces of HTML below one another; empty ones are left out."""
    return "\n".join(part for part in parts if part)


def section(anchor: str, heading: str, inside: str) -> str:
    """A section with its heading around HTML."""
    heading = f"<h2>{escape(heading)}</h2>"
    return f'<section id="{anchor}">\n{heading}\n{inside}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    kind = f' class="{kind}"' if kind else ""
    return f"<p{kind}>{escape(text)}</p>"


def missing(text: str) -> str:
    """A sentence where something would stand that the run has not made."""
    return paragraph(text, "missing")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls on a narrow screen.

    Args:
        headings: Plain text.
        rows: The first cell of each is HTML, the others are plain text.
    """
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    lines = []
    for first, *cells in rows:
        others = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        lines.append(f"<tr><td>{first}</td>{others}</tr>")
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def entries(values: Mapping[str, Any]) -> str:
    """A list of names and notes; empty notes are left out."""
    lines = []
    for key, value in values.items():
        if value is None or value == "" or value == {} or value == []:
            continue
        name = escape(str(key).replace("_", " "))
        lines.append(f"<dt>{name}</dt><dd>{escape(summary(value))}</dd>")
    return f"<dl>{''.join(lines)}</dl>" if lines else ""


def block(text: str) -> str:
    """Text as it stands: a recipe or a command."""
    return f"<pre>{escape(text.rstrip())}</pre>"


def figure(path: Path, alt: str, caption: str, wide: bool = False) -> str:
    """A PNG inside the page, or a sentence that it is not there.

    Args:
        path: The PNG.
        alt: What it shows, for those who cannot see it.
        caption: What stands under it.
        wide: Let it scroll on a narrow screen, so that its type stays legible.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        state = "damaged" if content else "not in this run folder"
        return missing(f"The figure {path.parent.name}/{path.name} is {state}.")
    width, height = struct.unpack(">II", content[16:24])
    # The size at which its type has the size that it was set in.
    shown = f'width="{width * 96 // DPI}" height="{height * 96 // DPI}"'
    source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    kind = ' class="wide"' if wide else ""
    return (
        f'<figure{kind}><div class="scroll" tabindex="0">'
        f'<img {shown} alt="{escape(alt)}" src="{source}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
