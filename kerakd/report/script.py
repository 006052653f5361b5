"""The page's only script: tables are sorted by a click on a heading."""

import base64
import hashlib

# Headings are buttons already in the HTML, so that the keyboard reaches them; without
# the script they do nothing.
SCRIPT = """
"use strict";
(function () {
  var units = { k: 1e3, M: 1e6, G: 1e9 };
  function key(cell) {
    var text = cell.getAttribute("data-value") || cell.textContent.trim();
    var found = /^[<>]?\\s*([+\\-\\u2212]?[\\d,]*\\.?\\d+(?:e[+\\-]?\\d+)?)\\s*([kMG]?)/
      .exec(text);
    if (!found) { return text === "\\u2013" || text === "" ? null : text; }
    var number = parseFloat(found[1].replace(/,/g, "").replace("\\u2212", "-"));
    return number * (units[found[2]] || 1);
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") { return a - b; }
    return String(a).localeCompare(String(b));
  }
  function sort(table, column, down) {
    var body = table.tBodies[0];
    var rows = Array.prototype.map.call(body.rows, function (row, place) {
      return { row: row, place: place, key: key(row.cells[column]) };
    });
    rows.sort(function (a, b) {
      // What was not measured comes last, whichever way.
      if (a.key === null || b.key === null) {
        return (a.key === null) - (b.key === null) || a.place - b.place;
      }
      return (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place;
    });
    rows.forEach(function (one) { body.appendChild(one.row); });
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell, place) {
      cell.setAttribute(
        "aria-sort", place === column ? (down ? "descending" : "ascending") : "none");
    });
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("th button");
    if (!button) { return; }
    var cell = button.parentNode;
    sort(cell.closest("table"), cell.cellIndex,
      cell.getAttribute("aria-sort") === "ascending");
  });
})();
"""


def policy() -> str:
    """What the browser may do with the page: no network, and no script but this."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
