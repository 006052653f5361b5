import base64
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from kerakd.errors import DataError, KerakdError
from kerakd.report import write_report
from kerakd.report.sections import SECTIONS
from kerakd.report.story import NOT_A_DEVICE
from kerakd.report.style import picture, save

VOID = {"meta", "img", "br", "hr", "link"}


class Page(HTMLParser):
    """All tags with their attributes; the text; and whether tags close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def png(tmp_path_factory):
    path = tmp_path_factory.mktemp("png") / "a.png"
    figure = picture(2, 1)
    figure.subplots()
    save(figure, path)
    return path.read_bytes()


@pytest.fixture
def html(run_folder, png):
    """The page of a run with all its figures; each has bytes of its own."""
    (run_folder / "figures").mkdir()
    models = ("teacher", "student", "baseline")
    for name in (*(f"confusion_{m}" for m in models), "history", "comparison"):
        (run_folder / "figures" / f"{name}.png").write_bytes(png + name.encode())
    (run_folder / "figures" / "gallery.png").write_bytes(png)
    return write_report(run_folder).read_text(encoding="utf-8")


def test_all_sections_are_there_and_linked(html):
    page = Page(html)
    assert page.open == []
    found = [a["id"] for tag, a in page.tags if tag == "section"]
    assert found == [anchor for anchor, _, _ in SECTIONS if anchor != "sweep"]
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links == [f"#{anchor}" for anchor in found]
    assert page.text.count(NOT_A_DEVICE) == 2
    assert 'class="missing"' not in html


def test_it_is_one_file_that_fetches_nothing(html, run_folder):
    page = Page(html)
    images = [a for tag, a in page.tags if tag == "img"]
    assert len(images) == 6
    figures = {p.read_bytes() for p in (run_folder / "figures").iterdir()}
    for image in images:
        head, data = image["src"].split(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data) in figures
        assert image["alt"]
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    outside = re.sub(r'src="data:[^"]*"', "", html)
    assert "http:" not in outside and "https:" not in outside
    assert "url(" not in outside and "@import" not in outside
    assert "default-src 'none'" in html


def test_it_reads_on_a_phone_and_in_the_dark(html):
    assert 'name="viewport" content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html


def test_names_from_outside_are_text(html):
    for evil in ("<script>", "<b>run</b>", "<may>", "<data>", "<set>", "<i>not"):
        assert evil not in html
    text = unescape(Page(html).text)
    for shown in (
        "<script>alert(1)</script>",
        "a|b $x$ & c",
        "tiny <b>run</b>",
        "Test pictures <may> be in training.",
        "kerakd run recipe.yaml --data '<data>'",
        "# <i>not bold</i>",
    ):
        assert shown in text


def test_the_figures_of_the_run_are_in_it(html, run_folder):
    metrics = json.loads((run_folder / "metrics.json").read_text())
    text = Page(html).text
    test = metrics["models"]["student"]["test"]
    assert f"{100 * test['accuracy']:.2f}%" in text
    assert "1/400 of the teacher's multiply-adds" in text
    assert "3.80e-06" in text
    assert "1 h 02 min" in text  # 3725 s
    assert "hidden: 3" in text
    assert "seed 7" in text
    assert "student_float32.tflite" in text
    per_class = test["per_class"]["notumor"]
    assert f"{100 * per_class['specificity']:.2f}%".replace("100.00", "100") in text


def test_warnings_stand_out_and_only_where_the_run_has_some(html, run_folder):
    warnings = [a for _, a in Page(html).tags if a.get("class") == "warning"]
    assert len(warnings) == 1
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["warnings"] = []
    path.write_text(json.dumps(metrics))
    again = write_report(run_folder).read_text()
    assert 'class="warning"' not in again
    assert "may be in training" not in again


def test_a_sweep_and_several_seeds_have_their_tables(html, run_folder):
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["sweep"] = {
        "judged_on": "validation",
        "rows": [
            {"temperature": 2, "accuracy": 0.9},
            {"temperature": 4, "accuracy": 0.95},
        ],
        "chosen": {"temperature": 4},
    }
    metrics["models"]["student"] |= {
        "seeds": [{"seed": s, "test": {"accuracy": 0.9 + s / 50}} for s in (0, 1)],
        "mean": {"accuracy": 0.91},
        "spread": {"accuracy": 0.0141},
    }
    path.write_text(json.dumps(metrics))
    text = Page(write_report(run_folder).read_text()).text
    assert "Judged on validation" in text
    assert "4 (chosen) 0.95" in text
    assert "2 (chosen)" not in text
    assert "Student, distilled 90.00% 92.00% 91.00% 1.41" in text


def test_an_unfinished_run_is_reported_as_far_as_it_is(tmp_path):
    text = Page(write_report(tmp_path).read_text()).text
    for said in (
        "no test results yet",
        "recipe.yaml is not in this run folder",
        "Nothing is noted about the data",
        "No model is finished yet",
        "figures/history.png is not in this run folder",
        "figures/comparison.png is not in this run folder",
        "No model was exported",
    ):
        assert said in text


def test_a_damaged_or_missing_figure_is_said(html, run_folder):
    (run_folder / "figures" / "history.png").write_bytes(b"not a picture")
    (run_folder / "figures" / "gallery.png").unlink()
    text = Page(write_report(run_folder).read_text()).text
    assert "figures/history.png is damaged" in text
    assert "figures/gallery.png is not in this run folder" in text


def test_half_a_model_is_no_crash(run_folder):
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["models"] = {"teacher": {"title": "T"}, "student": {"test": {}}}
    for key in ("data", "export", "seconds", "versions", "command", "warnings"):
        metrics[key] = None
    path.write_text(json.dumps(metrics))
    text = Page(write_report(run_folder).read_text()).text
    assert "no test results yet" in text
    assert "The command is not noted" in text


def test_the_same_folder_gives_the_same_page(html, run_folder):
    assert write_report(run_folder).read_text(encoding="utf-8") == html


def test_a_folder_that_is_none_and_broken_metrics_are_named(tmp_path):
    with pytest.raises(DataError, match="no run folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(KerakdError, match=r"metrics\.json is not valid JSON"):
        write_report(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(DataError, match="does not hold the metrics"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
