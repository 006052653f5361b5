import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from kerakd.errors import DataError, KerakdError
from kerakd.evaluation import (
    bootstrap_intervals,
    calibration,
    classification_metrics,
    compare_all,
    fidelity,
    read_predictions,
)
from kerakd.report import draw_figures, write_report
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
        if self.open and self.open[-1] not in ("style", "script"):
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
    absent = {"sweep", "folds", "external"}
    assert found == [anchor for anchor, _, _ in SECTIONS if anchor not in absent]
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links == ["#content", *(f"#{anchor}" for anchor in found)]
    assert page.text.count(NOT_A_DEVICE) == 3
    # What other commands make is said with the command.
    for command in ("evaluate", "explain", "compress"):
        assert f"`kerakd {command} RUN --data DIR`" in page.text


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
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object"}
    assert [a for tag, a in page.tags if tag == "script"] == [{}]
    outside = re.sub(r'src="data:[^"]*"', "", html)
    assert "http:" not in outside and "https:" not in outside
    assert "url(" not in outside and "@import" not in outside
    policy = next(a["content"] for tag, a in page.tags if "http-equiv" in a)
    assert "default-src 'none'" in policy
    # The browser runs this script and no other.
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_reads_on_a_phone_and_in_the_dark(html):
    assert 'name="viewport" content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html


def test_names_from_outside_are_text(html):
    assert html.count("<script") == 1
    for evil in ("<script>alert", "<b>run</b>", "<may>", "<data>", "<set>", "<i>not"):
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
    (tmp_path / "metrics.json").write_text("{}")
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


# Both lines, and what the evidence says ----------------------------------------------


@pytest.fixture
def with_copies(html, run_folder):
    """The same run where a third of the test images has a copy in training."""
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    said = read_predictions(run_folder / "predictions.csv")
    rows = np.arange(12) >= 4
    metrics["audit"] = {
        "looked": True,
        "groups": "clusters of copies",
        "test_images": 12,
        "with_a_copy": 4,
        "without_a_copy": 8,
    }
    lines = {"test": np.arange(12), "test_without_copies": np.flatnonzero(rows)}
    metrics["comparisons"], metrics["fidelity"] = {}, {}
    for line, chosen in lines.items():
        labels = said.labels[chosen]
        logits = {m: z[chosen] for m, z in said.logits.items()}
        for model, values in logits.items():
            known = metrics["models"][model]
            known[line] = classification_metrics(labels, values, said.class_names)
            known[line]["intervals"] = bootstrap_intervals(labels, values)
            known.setdefault("calibration", {"temperature": 1.5})[line] = calibration(
                labels, values, 1.5
            )
        metrics["comparisons"][line] = compare_all(labels, logits, resamples=100)
        metrics["fidelity"][line] = {
            m: fidelity(labels, logits["teacher"], logits[m])
            for m in ("student", "baseline")
        }
    path.write_text(json.dumps(metrics))
    return metrics


def test_no_figure_stands_without_the_line_of_images_without_copies(
    with_copies, run_folder
):
    text = Page(write_report(run_folder).read_text()).text
    told = with_copies["models"]["student"]
    both = [
        f"{100 * told[line]['accuracy']:.2f}%"
        for line in ("test", "test_without_copies")
    ]
    assert f"names {both[0]} of the 12 test pictures" in text
    assert f"and {both[1]} of the 8 without a copy in training" in text
    assert "4 of the 12 test images (33.33%) have a copy in training" in text
    assert f"{both[1]} of the 8 without a copy in training 95% interval" in text
    for model in ("Teacher", "Student, distilled", "Student, no teacher"):
        assert f"{model} All test images 12 " in text
        assert f"{model} Without copies 8 " in text
    pair = "Student, distilled against Student, no teacher"
    assert f"{pair} All test images" in text
    assert f"{pair} Without copies" in text


def test_where_nothing_was_looked_for_that_is_said(html):
    assert "was not looked for: if they have, every figure here is too good" in html


def test_intervals_and_tests_are_those_of_the_metrics(with_copies, run_folder):
    text = Page(write_report(run_folder).read_text()).text
    one = with_copies["comparisons"]["test"][0]
    difference = one["accuracy"]["difference"]
    low, high = one["accuracy"]["interval"]
    row = (
        f"{100 * difference:+.2f} {100 * low:+.2f} to {100 * high:+.2f} "
        f"{one['mcnemar']['only_a_right']} {one['mcnemar']['only_b_right']} "
        f"{one['mcnemar']['p_value']:.4f}"
    )
    assert row in text
    known = with_copies["models"]["student"]["calibration"]["test"]
    assert f"{100 * known['scaled']['ece']:.2f}%" in text
    kl = with_copies["fidelity"]["test_without_copies"]["student"]["mean_kl"]
    assert f"{kl:.4f}" in text


def test_figures_of_both_lines_and_calibration_are_drawn(with_copies, run_folder):
    drawn = {path.name for path in draw_figures(run_folder)}
    assert "reliability.png" in drawn
    assert {"confusion_student.png", "confusion_student_without_copies.png"} <= drawn
    page = Page(write_report(run_folder).read_text())
    shown = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert "Confusion matrix of Student, distilled: Without copies" in shown


def test_what_audit_explain_and_compress_left_is_shown(with_copies, run_folder, png):
    (run_folder / "explain").mkdir()
    finding = {"text": "4 pairs contradict <one> another.", "level": "warning"}
    (run_folder / "audit.json").write_text(json.dumps({"findings": [finding]}))
    mean = {"mean": 0.61, "interval": [0.5, 0.7], "count": 12, "chance": 0.2}
    agreement = {
        "methods": {"gradcam": {"all": {"iou": mean}, "empty": {"teacher": 0}}}
    }
    (run_folder / "explain" / "agreement.json").write_text(json.dumps(agreement))
    method = {
        "masks": {"pointing": mean},
        "deletion": {"area": mean, "better_than_random": mean},
        "insertion": {"area": mean},
        "randomisation": {"rank_correlation": [0.9, 0.05]},
    }
    faithful = {
        "student": {"methods": {"gradcam": method}},
        "exports": {"a": {}},
        "count": 3,
    }
    (run_folder / "explain" / "faithfulness.json").write_text(json.dumps(faithful))
    variant = {
        "file": "student_int8<b>.tflite",
        "bytes": 500_000,
        "gzip_bytes": 400_000,
        "accuracy": 0.875,
        "accuracy_interval": [0.8, 0.9],
        "verify": {"top1_agreement": 0.99},
        "milliseconds": {"1": {"median_ms": 9}, "2": {"median_ms": 5.25}},
        "outside_xnnpack": {"HARD_SWISH": 2},
    }
    (run_folder / "compression.json").write_text(json.dumps({"variants": [variant]}))
    (run_folder / "figures" / "attention_gradcam.png").write_bytes(png)
    (run_folder / "audit_contradictions.png").write_bytes(png)
    (run_folder / "figures" / "summary_visualization.png").write_bytes(png)
    html = write_report(run_folder).read_text()
    page = Page(html)
    assert "Mind: 4 pairs contradict <one> another." in page.text
    assert "<one>" not in html and "int8<b>" not in html
    assert "Grad-CAM all 12 0.610 (0.500 to 0.700) 0.200" in page.text
    assert "Student, distilled Grad-CAM 12 0.610 (0.500 to 0.700) 0.200" in page.text
    assert "0.05" in page.text
    row = "student_int8<b>.tflite 0.5 0.4 87.50% 80.00 to 90.00% 99.00% 5.25 2 1"
    assert row in page.text
    shown = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert "Heat maps of teacher and student by Grad-CAM" in shown
    assert "Copies that bear different labels" in shown
    assert "No heat maps were made" not in page.text


def test_images_from_elsewhere_and_folds_have_their_sections(with_copies, run_folder):
    path = run_folder / "metrics.json"
    with_copies["external"] = [
        {
            "source": "else<where>",
            "mapping": {"no": ["notumor"], "odd": []},
            "without_counterpart": ["a|b $x$ & c"],
            "models": {"student": with_copies["models"]["student"]["test"]},
        }
    ]
    with_copies["folds"] = {
        "method": "Stratified 2 folds.",
        "models": ["teacher", "student"],
        "rows": [{"fold": 1, "test": {"teacher": 0.9, "student": 0.8}}],
        "mean": {"teacher": 0.9, "student": 0.8},
        "spread": {"teacher": 0.01, "student": 0.02},
    }
    path.write_text(json.dumps(with_copies))
    text = Page(write_report(run_folder).read_text()).text
    assert "odd left out, without a counterpart" in text
    assert "Naming one of them counts as wrong" in text
    assert "Fold 1 90.00% 80.00%" in text
    assert "Standard deviation 1.00% 2.00%" in text
