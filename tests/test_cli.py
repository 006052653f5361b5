"""The command line, from `kerakd --help` to a finished run and its JSON."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import kerakd
from kerakd.cli import app, interrupt
from kerakd.cli.errors import as_sentence
from kerakd.errors import DataError
from kerakd.recipe import strict_yaml
from tests.run.tiny import finished_run, page

RUN = [sys.executable, "-c", "from kerakd.cli import main; main()"]
ROOT = Path(kerakd.__file__).parents[1]


@pytest.fixture
def call():
    """Call a command in this process."""

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_run(tmp_path_factory.getbasetemp())


@pytest.fixture
def write_recipe(tmp_path):
    def write(**changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(strict_yaml.dump(page(**changes)))
        return path

    return write


# Help ------------------------------------------------------------------------------


def test_help_answers_in_half_a_second():
    # The best of five, in time of this process and its child: other work on the machine
    # is no fault of kerakd.
    def once():
        before = os.times()
        subprocess.run([*RUN, "--help"], check=True, capture_output=True, cwd=ROOT)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    assert min(once() for _ in range(5)) < 0.5


def test_help_lists_every_command(call):
    text = call("--help").stdout
    for name in (
        "run",
        "train-teacher",
        "distill",
        "evaluate",
        "predict",
        "demo",
        "split",
        "report",
        "benchmark",
    ):
        assert f"\n  {name} " in text


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "train-teacher",
        "distill",
        "evaluate",
        "predict",
        "demo",
        "split",
        "report",
        ("benchmark", "pipeline"),
    ],
)
def test_every_command_teaches_by_an_example(call, name):
    words = (name,) if isinstance(name, str) else name
    text = call(*words, "--help").stdout
    assert "Examples:\n    kerakd " + " ".join(words) in text


@pytest.mark.parametrize(
    "name",
    ["run", "train-teacher", "distill", "evaluate", "predict", "demo", "split"],
)
def test_every_command_with_figures_writes_json(call, name):
    assert "--json FILE" in call(name, "--help").stdout


def test_the_version_is_told(call):
    assert call("--version").stdout == f"kerakd {kerakd.__version__}\n"


def test_a_mistyped_command_names_the_nearest(call):
    result = call("pedict", code=2)
    assert "predict" in result.output


# The whole way ----------------------------------------------------------------------


def test_teacher_first_then_distil(call, write_recipe, tmp_path):
    path, out = write_recipe(baseline=False), tmp_path / "run"
    call("distill", path, "--out", out, "--quiet", code=2)
    assert not out.exists()
    call("train-teacher", path, "--out", out, "--quiet")
    assert (out / "teacher.keras").is_file()
    assert not (out / "student.keras").exists()
    known = json.loads((out / "metrics.json").read_text())["models"]
    assert "test" not in known["teacher"]
    call("distill", path, "--out", out, "--quiet")
    assert (out / "report.html").is_file()


def test_distil_from_a_file_prints_the_table_and_writes_json(
    call, write_recipe, tmp_path, finished
):
    out, figures = tmp_path / "run", tmp_path / "figures.json"
    result = call(
        *("distill", write_recipe(), "--out", out, "--set", "baseline=false"),
        *("--teacher", finished / "teacher.keras", "--quiet", "--json", figures),
    )
    found = json.loads(figures.read_text())
    assert found == json.loads((out / "metrics.json").read_text())
    assert found["command"].startswith(f"kerakd distill {tmp_path}")
    text = result.stdout
    for part in ("Parameters", "MB", "Test accuracy", "Macro F2", "ms / image"):
        assert part in text
    assert "Phantoms drawn by a program, not MRI data." in text
    assert "logits differ from Keras's by at most" in text
    assert f"Report: {out / 'report.html'}" in text
    told = json.loads((finished / "metrics.json").read_text())
    assert found["models"]["teacher"]["test"] == told["models"]["teacher"]["test"]
    assert set(found["models"]) == {"teacher", "student", "student_float32"}
    # Its splits.json lies beside it, and they are those of this run: no warning.
    assert found["warnings"] == []
    # The student is the one that was distilled when that teacher was trained.
    weights = [
        kerakd.load(folder / "student.keras").get_weights()
        for folder in (out, finished)
    ]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["student.keras", "student_float32.tflite"])
def test_evaluate_finds_the_runs_own_test_images(call, finished, tmp_path, name):
    figures = tmp_path / "figures.json"
    result = call("evaluate", finished / name, "--json", figures)
    told = json.loads((finished / "metrics.json").read_text())
    found = json.loads(figures.read_text())
    assert (
        found["confusion_matrix"]
        == (told["models"]["student"]["test"]["confusion_matrix"])
    )
    assert f"accuracy {found['accuracy']:.2%}" in result.stdout


def test_evaluate_takes_another_split(call, finished, tmp_path):
    figures = tmp_path / "figures.json"
    call(
        *("evaluate", finished / "teacher.keras", "--split", "validation"),
        *("--json", figures),
    )
    told = json.loads((finished / "metrics.json").read_text())
    known = told["models"]["teacher"]["validation"]
    assert json.loads(figures.read_text())["log_loss"] == pytest.approx(
        known["log_loss"], rel=1e-4
    )


def test_evaluate_takes_a_folder_of_images(call, finished, tmp_path):
    model = tmp_path / "student.keras"
    model.write_bytes((finished / "student.keras").read_bytes())
    result = call("evaluate", model, "--data", finished / "phantom", "--split", "all")
    assert "32 images: accuracy" in result.stdout
    assert "was not looked for" in result.stdout


def test_evaluate_takes_images_from_elsewhere_under_other_names(
    call, finished, tmp_path
):
    import shutil

    elsewhere, figures = tmp_path / "elsewhere", tmp_path / "figures.json"
    testing = finished / "phantom" / "Testing"
    for name in ("glioma", "meningioma"):
        shutil.copytree(testing / name, elsewhere / "yes" / name)
    shutil.copytree(testing / "notumor", elsewhere / "no")
    shutil.copytree(testing / "pituitary", elsewhere / "odd")
    model = finished / "student_float32.tflite"
    result = call(
        *("evaluate", model, "--external", elsewhere, "--json", figures),
        *("--map", "yes=glioma,meningioma"),
    )
    found = json.loads(figures.read_text())
    odd = len(list((testing / "pituitary").iterdir()))
    assert found["left_out"] == {"odd": odd}
    assert sum(found["left_out_called"]["model"]["odd"].values()) == odd
    assert found["without_counterpart"] == ["pituitary"]
    metrics = found["models"]["model"]
    assert metrics["class_names"] == ["no", "yes", "(no counterpart)"]
    assert metrics["count"] == len(list(testing.rglob("*.png"))) - odd
    assert f"left out: odd ({odd} images)" in result.stdout
    assert "the answer counts as wrong" in result.stdout
    result = call("evaluate", model, "--external", elsewhere, "--map", "x", code=2)
    assert "--map takes THEIRS=OURS" in result.stderr


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "reads the environment variable TF_CONFIG, which is not set"),
        ("{'cluster'}", "TF_CONFIG is malformed: it is no JSON"),
        ('{"cluster": {"worker": ["a:1"]}}', "must hold the objects `cluster` and"),
    ],
)
def test_several_workers_have_to_be_told_of_one_another(
    call, write_recipe, tmp_path, monkeypatch, value, reason
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_CONFIG", value)
    out = tmp_path / "run"
    for command in ("run", "train-teacher"):
        arguments = (command, write_recipe(), "--out", out)
        result = call(*arguments, "--strategy", "multi_worker", code=2)
        (sentence,) = result.stderr.strip().splitlines()
        assert sentence.startswith("error: ") and reason in sentence
        assert not out.exists()


def test_predict_answers_for_both_kinds_of_file(call, finished, tmp_path):
    images = sorted((finished / "phantom" / "Testing").rglob("*.png"))[:2]
    answers = []
    for name in ("student.keras", "student_float32.tflite"):
        figures = tmp_path / f"{name}.json"
        result = call("predict", finished / name, *images, "--json", figures)
        answers.append(json.loads(figures.read_text()))
        assert f"{images[0]}: " in result.stdout
        assert "not a medical device" in result.stdout
    for one, other in zip(*answers, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)


def test_report_draws_the_pages_anew(call, finished, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    (copy / "report.html").unlink()
    result = call("report", copy)
    assert (copy / "report.html").is_file()
    assert f"Report: {copy / 'report.html'}" in result.stdout


def test_split_writes_table_and_splits(call, finished, tmp_path):
    out, figures = tmp_path / "splits", tmp_path / "figures.json"
    result = call(
        *("split", finished / "phantom", "--out", out, "--json", figures),
        *("--groups", r"phantom-(p\d+)", "--seed", "0"),
    )
    splits = json.loads((out / "splits.json").read_text())
    assert (
        splits["splits"] == json.loads((finished / "splits.json").read_text())["splits"]
    )
    assert json.loads(figures.read_text())["counts"] == splits["counts"]
    assert "glioma" in result.stdout


def test_the_demos_recipe_is_run_by_demo(call, monkeypatch, tmp_path):
    asked = {}

    def run_recipe(recipe, out, **options):
        asked.update(recipe=recipe, out=out, options=options)
        raise DataError("far enough")

    monkeypatch.setattr("kerakd.run.run_recipe", run_recipe, raising=False)
    call("demo", "--out", tmp_path / "demo", code=2)
    assert asked["recipe"].data.source == "phantom"
    assert asked["recipe"].baseline
    assert asked["out"] == tmp_path / "demo"


# Audit --------------------------------------------------------------------------------


def test_an_audit_of_nothing_leaves_no_folder(call, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        call("audit", tmp_path / folder, "--out", tmp_path / "audit", code=2)
        assert not (tmp_path / "audit").exists()


# Interruption -------------------------------------------------------------------------


def test_ctrl_c_is_heard_in_a_destructor():
    """Python drops what a destructor raises; the run must end all the same."""
    script = """
import os, signal, time, typer
from kerakd.cli.errors import SentenceGroup
app = typer.Typer(cls=SentenceGroup)
class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
@app.callback()
def group(): pass
@app.command()
def run():
    Dropped()
    time.sleep(60)
app()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert ended.returncode == 130, ended.stderr
    assert "Interrupted." in ended.stderr


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(write_recipe, tmp_path):
    out = tmp_path / "run"
    command = [*RUN, "run", write_recipe(teacher__training__epochs=500), "--out", out]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What is started in the background by a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    checkpoint = out / "checkpoints" / "teacher" / "checkpoint.json"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() and process.poll() is None:
        assert time.monotonic() < deadline, "no epoch was finished"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted." in errors
    assert f"Go on with: kerakd run {tmp_path}" in errors
    assert errors.rstrip().endswith("--resume")
    assert "Traceback" not in errors
    assert json.loads(checkpoint.read_text())["epoch"] >= 1


def test_a_dropped_ctrl_c_is_given_again(monkeypatch):
    monkeypatch.setattr(interrupt, "_AGAIN", 0.05)
    # Where the tests were started in the background it is ignored, and stays so.
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    dropped = 0
    with pytest.raises(KeyboardInterrupt), interrupt.insisting():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            dropped += 1
        time.sleep(30)
    assert dropped == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    time.sleep(0.2)  # It is over: nothing comes any more.
    signal.signal(signal.SIGINT, outer)


# Errors -------------------------------------------------------------------------------


def test_a_fault_of_kerakd_keeps_its_traceback(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a fault")

    monkeypatch.setattr("kerakd.recipe.load_recipe", broken)
    result = CliRunner().invoke(app, ["run", "any.yaml"])
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (DataError("No data."), "No data."),
        (OSError(28, "No space left on device", "a.h5"), "a.h5: the disk is full"),
        (OSError("write failed: errno = 28, No space left on device"), "disk is full"),
        (PermissionError(13, "Permission denied", "a"), "a: no permission"),
        (MemoryError(), "lower `batch_size`"),
    ],
)
def test_what_a_user_can_mend_is_a_sentence(error, part):
    assert part in as_sentence(error)


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), OSError(5, "x")])
def test_what_a_user_cannot_mend_is_none(error):
    assert as_sentence(error) is None
