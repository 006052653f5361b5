"""The report as a real browser shows it."""

import json

import pytest

from kerakd.report import draw_figures, write_report
from tests.report.browser import NAMES, Browser, find_browser


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(f"there is no browser here ({', '.join(NAMES)})")
    with Browser(path) as one:
        yield one


@pytest.fixture
def page(browser, run_folder, samples):
    """The report of a small run, opened from the disk."""
    draw_figures(run_folder, samples)
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    # Paths have no place to break a line at.
    metrics["warnings"] += ["Testing/" + 30 * "very-long-" + "name.png"]
    metrics["data"]["notes"]["entered"] = 30 * "very/long/"
    path.write_text(json.dumps(metrics))
    browser.complaints.clear()
    browser.scheme("light")
    browser.open(write_report(run_folder))
    return browser


FIRST = "document.querySelector('#models table')"
CELLS = f"Array.from({FIRST}.tBodies[0].rows, r => r.cells[%d].textContent)"


def test_the_report_works_in_a_browser(page, run_folder):
    # Every picture is there and was decoded.
    images = page.ask(
        "Array.from(document.images, i => i.complete && i.naturalWidth > 0)"
    )
    assert len(images) >= 5 and all(images)

    # A click on a heading sorts by it, another the other way; dashes come last.
    before = page.ask(CELLS % 0)
    heading = f"{FIRST}.tHead.rows[0].cells[1].querySelector('button')"
    page.ask(f"{heading}.click()")
    assert page.ask(CELLS % 1) == ["400 k", "400 k", "40 M"]
    page.ask(f"{heading}.click()")
    assert page.ask(CELLS % 1) == ["40 M", "400 k", "400 k"]
    assert page.ask(f"{FIRST}.tHead.rows[0].cells[1].ariaSort") == "descending"
    assert sorted(page.ask(CELLS % 0)) == sorted(before)

    # So does the keyboard.
    page.ask(f"{FIRST}.tHead.rows[0].cells[0].querySelector('button').focus()")
    page.press("Enter")
    names = page.ask(CELLS % 0)
    assert names == sorted(names)
    assert page.ask("document.activeElement.tagName") == "BUTTON"

    # What came from outside ran nowhere.
    text = page.ask("document.body.innerText")
    assert json.loads((run_folder / "metrics.json").read_text())["name"] in text
    assert page.complaints == []


def test_nothing_runs_off_a_phones_side(page):
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        page.resize(375, 667)
        assert page.ask("document.documentElement.scrollWidth") == 375
        wide = page.ask(
            "Array.from(document.querySelectorAll('main *')).filter(e =>"
            " e.getBoundingClientRect().right > 376 && !e.closest('.scroll, pre'))"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert wide == []
        # The first column stays put; it must leave room for the others.
        first = "document.querySelectorAll('tbody tr > :first-child')"
        width = page.ask(f"Math.max(...Array.from({first}, e => e.offsetWidth))")
        assert width < 200


def test_dark_is_dark_and_can_be_read(page):
    colours = "getComputedStyle(document.body)"
    light = page.ask(f"[{colours}.color, {colours}.backgroundColor]")
    page.scheme("dark")
    dark = page.ask(f"[{colours}.color, {colours}.backgroundColor]")
    assert brightness(light[1]) > 200 > 80 > brightness(light[0])
    assert brightness(dark[0]) > 200 > 80 > brightness(dark[1])


def test_the_keyboard_reaches_the_content_first(page):
    page.press("Tab")
    page.press("Enter")
    assert page.ask("location.hash") == "#content"


def brightness(colour: str) -> float:
    numbers = colour[colour.index("(") + 1 : -1].split(",")[:3]
    return sum(map(float, numbers)) / 3
