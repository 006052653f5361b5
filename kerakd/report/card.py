"""`model_card.md`: what the student is, what it may be used for, how good it is."""

import os
from pathlib import Path
from typing import Any

from kerakd.files import write_text
from kerakd.report.lines import CLEAN, about_intervals, leaks
from kerakd.report.markdown import bullets, table, text
from kerakd.report.models_table import markdown_table, seed_table
from kerakd.report.numbers import decimal, duration, quantity, score, summary
from kerakd.report.run_folder import RunFolder
from kerakd.report.story import NOT_A_DEVICE, PHANTOM, headline
from kerakd.report.style import named_for, title


def write_model_card(run_folder: str | os.PathLike) -> Path:
    """Write `model_card.md` into a run folder, from what the folder holds.

    The headings follow "Model Cards for Model Reporting" (Mitchell et al. 2019).

    Args:
        run_folder: A folder that `kerakd run` wrote, finished or not.

    Returns:
        The path of the card.

    Raises:
        DataError: There is no such folder.
        KerakdError: Its `metrics.json` is damaged, or the card cannot be written.
    """
    run = RunFolder.open(run_folder)
    with named_for(run.metrics):
        parts = [
            f"# Model card: {text(run.name)}",
            f"**{NOT_A_DEVICE}**",
            _model(run),
            _use(run),
            _results(run),
            _data(run),
            _training(run),
            _limits(run),
            _again(run),
        ]
    return write_text(run.path / "model_card.md", "\n\n".join(parts) + "\n")


def _model(run: RunFolder) -> str:
    student = run.models.get("student", {})
    export = run.metrics.get("export") or {}
    names = [str(name) for name in run.metrics.get("class_names") or []]
    size = export.get("bytes")
    shape = " x ".join(map(str, student.get("input_shape") or ()))
    facts = {
        title("student").partition(",")[0]: student.get("title"),
        "Teacher": run.models.get("teacher", {}).get("title"),
        "Parameters": quantity(student["parameters"])
        if student.get("parameters")
        else None,
        "Input": f"one picture{shape and f' of {shape}'}, raw pixels 0..255",
        "Output": f"logits of {len(names)} classes: {', '.join(names)}"
        if names
        else None,
        "Exported file": f"{export.get('path')}, {decimal(size / 1e6)} MB"
        if size
        else None,
    }
    return "## Model\n\n" + bullets(facts)


def _use(run: RunFolder) -> str:
    lines = [
        "## Intended use",
        "Research and teaching on knowledge distillation. It is not for diagnosis, "
        "triage, or any decision about a person; it has not been tested on pictures of "
        "another hospital, scanner or protocol than those it was trained on.",
    ]
    if run.metrics.get("phantom"):
        lines.append(PHANTOM)
    return "\n\n".join(lines)


def _results(run: RunFolder) -> str:
    if not run.models:
        return "## Results\n\nThis run has no test results yet."
    lines = ["## Results", text(" ".join(headline(run.metrics)))]
    lines.append(markdown_table(run.metrics))
    headings, rows = seed_table(run.metrics)
    if rows:
        lines += ["Every seed:", table(headings, rows)]
    keys = ("precision", "recall", "specificity", "f1", "f2")
    for line, called in (
        ("test", "By class:"),
        (CLEAN, "By class, on test images without a copy in training:"),
    ):
        test = run.models.get("student", {}).get(line) or {}
        per_class = test.get("per_class") or {}
        if not per_class:
            continue
        lines.append(called)
        lines.append(
            table(
                ("Class", "Precision", "Recall", "Specificity", "F1", "F2", "Pictures"),
                [
                    (name, *(score(one.get(k)) for k in keys), f"{one['support']:g}")
                    for name, one in per_class.items()
                ],
            )
        )
    lines.append(text(about_intervals(run.metrics)))
    return "\n\n".join(line for line in lines if line)


def _data(run: RunFolder) -> str:
    data = run.metrics.get("data") or {}
    counts = data.get("counts") or {}
    facts = {"Source": data.get("source")}
    for split, classes in counts.items():
        listed = ", ".join(f"{name} {number}" for name, number in classes.items())
        facts[f"{split} ({sum(classes.values())})"] = listed
    return "## Data\n\n" + (bullets(facts) or "Nothing is noted about the data.")


def _training(run: RunFolder) -> str:
    known = run.metrics.get("distillation") or {}
    facts = {str(key).replace("_", " "): summary(value) for key, value in known.items()}
    facts["seed"] = run.metrics.get("seed", "not noted")
    return "## Training\n\n" + bullets(facts)


def _limits(run: RunFolder) -> str:
    lines = [
        *leaks(run.metrics),
        _calibrated(run),
        "A picture of no class known to the model still gets one of its classes.",
        *map(str, run.metrics.get("warnings") or []),
    ]
    return "## Limits\n\n" + "\n".join(f"- {text(line)}" for line in lines)


def _calibrated(run: RunFolder) -> str:
    known = (run.models.get("student") or {}).get("calibration") or {}
    if "temperature" not in known:
        return "The probabilities are those of the softmax and were not calibrated."
    return (
        "The model gives logits; their softmax is calibrated after division by "
        f"{decimal(known['temperature'])}, fitted on validation (calibration.json)."
    )


def _again(run: RunFolder) -> str:
    known = run.metrics
    command = known.get("command")
    facts: dict[str, Any] = {}
    if known.get("machine"):
        facts["machine"] = summary(known["machine"])
    seconds = known.get("seconds") or {}
    if seconds:
        facts["time"] = ", ".join(f"{k} {duration(v)}" for k, v in seconds.items())
    facts["kerakd"] = known.get("kerakd")
    facts.update(known.get("versions") or {})
    # Indented, not fenced: no back-ticks of a command can end it.
    code = "".join(f"    {line}\n" for line in str(command or "").splitlines())
    return "## Made with\n\n" + (f"{code}\n" if code else "") + bullets(facts)
