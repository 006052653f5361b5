"""One HTML page that holds all it needs: its style, its pictures, one small script."""

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from kerakd.report.numbers import summary
from kerakd.report.script import SCRIPT, policy
from kerakd.report.style import DPI

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
main, header, footer { max-width: 70rem; margin: 0 auto; padding: 0 1.1rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; padding-top: 1.1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
p, li, h2, h3, summary, figcaption { overflow-wrap: anywhere; }
li { max-width: 46rem; margin: .25rem 0; }
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
.card span.name { color: var(--ink); font-weight: 600; margin-bottom: .3rem; }
.card b.second { font-size: 1.25rem; margin-top: .45rem; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .94rem; }
th, td { padding: .42rem .55rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; color: var(--muted); vertical-align: bottom;
  white-space: normal; line-height: 1.25; min-width: 4.2rem; }
tbody th { font-weight: 400; }
.text { text-align: left; }
tr > :first-child { text-align: left; padding-left: 0; color: var(--ink);
  position: sticky; left: 0; background: var(--paper); }
th button { all: unset; cursor: pointer; display: block; width: 100%; }
th button:hover { color: var(--ink); text-decoration: underline; }
th button::after { content: "\\00a0\\2195"; opacity: .45; font-size: .85em; }
th[aria-sort=ascending] button::after { content: "\\00a0\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\00a0\\2193"; opacity: 1; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .3rem .6rem; }
details { margin: .8rem 0; }
summary { cursor: pointer; font-weight: 600; }
small { display: block; color: var(--muted); white-space: normal;
  max-width: 16rem; }
tbody th small { min-width: 9rem; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .5em; }
figure { margin: 1rem 0; }
figure .scroll { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: .4rem; width: fit-content; max-width: 100%; }
img { display: block; max-width: 100%; height: auto; }
.pair { display: grid; gap: 0 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
dl { display: grid; grid-template-columns: minmax(7rem, auto) minmax(0, 1fr);
  gap: .3rem 1.2rem; margin: .8rem 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--panel); border-radius: 8px; padding: .8rem 1rem;
  overflow-x: auto; font: .86rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
code { font: .9em ui-monospace, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: .92rem; padding-bottom: 3rem;
  margin-top: 3rem; }
@media (max-width: 40rem) { .wide img { min-width: 38rem; }
  main, header, footer { padding: 0 .8rem; }
  /* A first column as wide as the screen would hide all others under it. */
  tr > :first-child { white-space: normal; max-width: 9.5rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: .6rem; } }
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
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body>\n<a class="skip" href="#content">To the content</a>\n{body}\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
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


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    name: str = "Table",
    sortable: bool = True,
    texts: int = 1,
) -> str:
    """A table that scrolls on a narrow screen and is sorted by its headings.

    Args:
        headings: Plain text.
        rows: The first cell of each is HTML, the others are plain text.
        name: What it holds, for those who cannot see it.
        sortable: Whether its rows may stand in another order.
        texts: How many columns are text, flush left.
    """
    rows = list(rows)
    sortable = sortable and len(rows) > 1
    kinds = [' class="text"' if k < texts else "" for k in range(len(headings))]
    tops = []
    for heading, kind in zip(headings, kinds, strict=True):
        inside = escape(heading)
        if sortable and heading:
            inside = f'<button type="button">{inside}</button>'
        order = ' aria-sort="none"' if sortable else ""
        tops.append(f'<th scope="col"{kind}{order}>{inside}</th>')
    lines = []
    for first, *cells in rows:
        others = "".join(
            f"<td{kind}>{escape(str(cell))}</td>"
            for cell, kind in zip(cells, kinds[1:], strict=True)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{others}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f"<table>\n<thead><tr>{''.join(tops)}</tr></thead>\n"
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
        f'<figure{kind}><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(alt)}">'
        f'<img {shown} alt="{escape(alt)}" src="{source}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
