"""`model_card.md` of a segmentation run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerakd.files import write_text
from kerakd.report.markdown import bullets, table, text
from kerakd.report.numbers import decimal, duration, quantity, summary
from kerakd.report.segmentation import export_rows, headings, model_rows
from kerakd.report.story import NOT_A_DEVICE


def write_segmentation_card(
    folder: str | os.PathLike, metrics: Mapping[str, Any]
) -> Path:
    """Write `model_card.md` from what is in `metrics.json`.

    The headings follow "Model Cards for Model Reporting" (Mitchell et al. 2019).

    Args:
        folder: The run folder.
        metrics: What is in its `metrics.json`.
    """
    parts = [
        f"# Model card: {text(metrics['name'])}",
        f"**{NOT_A_DEVICE}**",
        _model(metrics),
        "## Intended use\n\nResearch and teaching on knowledge distillation. It is not "
        "for diagnosis, planning of treatment, or any decision about a person; it has "
        "not been tested on volumes of another hospital, scanner or protocol than "
        "those it was trained on.",
        _results(metrics),
        _data(metrics),
        _training(metrics),
        _limits(metrics),
        _again(metrics),
    ]
    return write_text(Path(folder) / "model_card.md", "\n\n".join(parts) + "\n")


def _model(metrics: Mapping[str, Any]) -> str:
    about = metrics["segmentation"]
    student = metrics["models"].get("student", {})
    teacher = metrics["models"].get("teacher", {})
    files = [
        f"{one['file']} ({decimal(one['bytes'] / 1e6)} MB)"
        for one in metrics.get("export", {}).values()
    ]
    facts = {
        "Student": student.get("title"),
        "Teacher": teacher.get("title"),
        "Parameters": quantity(student.get("parameters")),
        "Input": f"axial slices of {', '.join(about['modalities'])}; "
        f"{about['normalisation']}",
        "Output": f"logits of each pixel: {about['target'].replace('_', ' ')}",
        "Exported files": ", ".join(files),
    }
    return "## Model\n\n" + bullets(facts)


def _results(metrics: Mapping[str, Any]) -> str:
    lines = ["## Results"]
    regions = metrics["models"].get("student", {}).get("test") or {}
    if not regions:
        return "\n\n".join([*lines, "This run has no test results yet."])
    about = metrics["segmentation"]
    lines.append(
        "Means over the test patients, whole volumes in 3-D, with a bootstrap over "
        f"patients. On empty masks: {about['empty']}; surface Dice within "
        f"{about['tolerance_mm']:g} mm."
    )
    for region in regions:
        lines += [f"### {region}", table(headings(), model_rows(metrics, region))]
    rows = export_rows(metrics)
    if rows:
        lines += [
            "### Exported files, on the same patients",
            table(rows[0], rows[1:]),
        ]
    return "\n\n".join(lines)


def _data(metrics: Mapping[str, Any]) -> str:
    data = metrics["data"]
    facts = {
        "Source": data["source"],
        "Patients": summary(data["patients"]),
        "Cases": summary(data["cases"]),
        "Slices": f"{data['slices']:,}",
        "Cases left out": len(data["bad_cases"]),
    }
    return "## Data\n\nPatients are in one split each.\n\n" + bullets(facts)


def _training(metrics: Mapping[str, Any]) -> str:
    facts = {
        k.replace("_", " "): summary(v) for k, v in metrics["distillation"].items()
    }
    facts["seeds"] = summary(metrics["seeds"])
    return "## Training\n\n" + bullets(facts)


def _limits(metrics: Mapping[str, Any]) -> str:
    lines = [
        "Slices are segmented one by one: nothing but resizing joins neighbours.",
        "A case without tumour still gets whatever the network takes for one.",
        *map(str, metrics["warnings"]),
    ]
    return "## Limits\n\n" + "\n".join(f"- {text(line)}" for line in lines)


def _again(metrics: Mapping[str, Any]) -> str:
    facts: dict[str, Any] = {"machine": summary(metrics["machine"])}
    seconds = metrics.get("seconds") or {}
    facts["time"] = ", ".join(f"{k} {duration(v)}" for k, v in seconds.items())
    facts["kerakd"] = metrics["kerakd"]
    facts.update(metrics["versions"])
    # Indented, not fenced: no back-ticks of a command can end it.
    lines = str(metrics.get("command") or "").splitlines()
    code = "".join(f"    {line}\n" for line in lines)
    return "## Made with\n\n" + (f"{code}\n" if code else "") + bullets(facts)
