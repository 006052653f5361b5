"""Sections of the report that other commands fill: attention, compression; limits."""

from collections.abc import Mapping
from html import escape
from typing import Any

from kerakd.report.evidence import name_of
from kerakd.report.lines import about_intervals, leaks
from kerakd.report.numbers import UNKNOWN, decimal, interval, score
from kerakd.report.page import block, figure, join, missing, paragraph, table
from kerakd.report.run_folder import RunFolder
from kerakd.report.story import NOT_A_DEVICE, PHANTOM

_PARTS = {
    "all": "all",
    "right": "both right",
    "student_wrong": "student wrong",
    "teacher_wrong": "teacher wrong",
}
_METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
    "scorecam": "Score-CAM",
    "layercam": "LayerCAM",
    "saliency": "Saliency",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "Integrated gradients",
    "attention_rollout": "Attention rollout",
    "rise": "RISE",
}


def attention(run: RunFolder) -> str:
    """Where teacher and student look, and whether the maps can be believed."""
    agreed, faithful = (
        run.json(f"explain/{n}.json") for n in ("agreement", "faithfulness")
    )
    pictures = [run.figure("heat_maps"), run.figure("summary_visualization")]
    pictures += run.figures("attention_*")
    pictures = [path for path in pictures if path.is_file()]
    if not agreed and not faithful and not pictures:
        return missing(
            "No heat maps were made of this run; `kerakd explain RUN --data DIR` makes "
            "them, and `kerakd report RUN` then shows them here."
        )
    shown = [path for path in pictures if not path.stem.startswith("attention_")]
    return join(
        paragraph(
            "A heat map says which parts of a picture move the answer; it is no "
            "segmentation and no proof. Chance is what maps of other pictures of the "
            "same class, or random maps, reach."
        ),
        *(_picture(path) for path in shown),
        _agreement(agreed),
        _masks(faithful),
        _faithfulness(faithful),
        figure(
            run.figure("faithfulness"),
            "Deletion and insertion curves of the methods",
            "Deletion: the class is lost as what the map marks is taken away. "
            "Insertion: it comes back as that is shown.",
            wide=True,
        )
        if run.figure("faithfulness").is_file()
        else "",
        _folded([_picture(path) for path in pictures if path not in shown]),
    )


def compression(run: RunFolder) -> str:
    """What smaller files cost in accuracy and gain in size and time."""
    found = run.json("compression.json")
    variants = [v for v in found.get("variants") or [] if isinstance(v, Mapping)]
    pareto = run.figure("pareto")
    if not variants and not pareto.is_file():
        return missing(
            "No smaller files were made of this student; `kerakd compress RUN --data "
            "DIR` makes them, and `kerakd report RUN` then shows them here."
        )
    return join(
        paragraph(
            f"Files were judged on the {found.get('split', 'test')} images, all of "
            "them: copies in training make each accuracy too good, but not the "
            "differences between files. Intervals take images as independent."
        ),
        figure(
            pareto,
            "Accuracy of each file against its size and its time",
            "The dashed line joins files that no other beats in both.",
            wide=True,
        )
        if pareto.is_file()
        else "",
        table(_VARIANT, [_variant(one) for one in variants], name="Compression")
        if variants
        else "",
        figure(
            run.figure("layer_errors"),
            "Layers by the error that int8 makes in their output",
            "Error of each layer in int8; orange ones were left in float.",
            wide=True,
        )
        if run.figure("layer_errors").is_file()
        else "",
    )


_VARIANT = (
    *("File", "MB", "MB, gzipped", "Accuracy", "95% interval"),
    *("Same class as Keras", "ms / image, median", "Threads"),
    "Operators outside XNNPACK",
)


def _variant(one: Mapping[str, Any]) -> tuple[str, ...]:
    times = one.get("milliseconds") or {}
    threads = max(times, key=int) if times else None
    accuracy = one.get("accuracy", one.get("dice"))
    within = one.get("accuracy_interval") or one.get("dice_interval")
    outside = one.get("outside_xnnpack")
    if isinstance(outside, Mapping | list):
        outside = len(outside)
    return (
        f"<code>{escape(str(one.get('file') or one.get('name')))}</code>",
        *(_megabytes(one.get(key)) for key in ("bytes", "gzip_bytes")),
        score(accuracy),
        interval(within) or UNKNOWN,
        score((one.get("verify") or {}).get("top1_agreement")),
        decimal(times[threads].get("median_ms") if threads else None),
        threads or UNKNOWN,
        UNKNOWN if outside is None else str(outside),
    )


def _megabytes(value: float | None) -> str:
    return UNKNOWN if value is None else decimal(value / 1e6)


def limits(run: RunFolder) -> str:
    """What these figures do not say."""
    metrics = run.metrics
    lines = [
        NOT_A_DEVICE + " Nothing here may decide about a person.",
        *leaks(metrics),
        "The test images come from the same source as the training images; other "
        "hospitals, scanners and protocols were not tried"
        + ("." if not metrics.get("external") else ", beyond those told above."),
        "A picture of no class known to the model still gets one of its classes.",
        about_intervals(metrics),
        "Seeds, not only images, make results differ: one training is one draw.",
    ]
    if metrics.get("phantom"):
        lines.append(PHANTOM)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>"


def repeat(run: RunFolder) -> str:
    """The commands that make the run and its pages again."""
    command = run.metrics.get("command")
    lines = [str(command)] if command else []
    # Of the folder only its name: the path is that of another machine.
    name = run.path.resolve().name
    lines += [
        f"kerakd evaluate {name} --data DIR   # audit, test and report anew",
        f"kerakd explain {name} --data DIR    # heat maps",
        f"kerakd compress {name} --data DIR   # smaller files",
        f"kerakd report {name} --data DIR     # this page from the folder's files",
    ]
    return block("\n".join(lines))


def _agreement(found: Mapping[str, Any]) -> str:
    rows = []
    for method, parts in (found.get("methods") or {}).items():
        for part, called in _PARTS.items():
            one = parts.get(part) or {}
            known = {k: v for k, v in one.items() if isinstance(v, Mapping)}
            if known and any(v.get("mean") is not None for v in known.values()):
                count = max(v.get("count") or 0 for v in known.values())
                rows.append((method, called, count, known))
    if not rows:
        return ""
    names = list(dict.fromkeys(k for *_, known in rows for k in known))
    cells = [
        (
            escape(_method(method)),
            called,
            count,
            *(text for name in names for text in _mean_and_chance(known.get(name))),
        )
        for method, called, count, known in rows
    ]
    headings = ["Method", "Images", "Count"]
    for name in names:
        headings += [name.replace("_", " "), "chance"]
    return join(
        "<h3>How far teacher and student look at the same places</h3>",
        table(headings, cells, name="Agreement of attention", texts=2),
    )


def _masks(found: Mapping[str, Any]) -> str:
    rows = []
    for model, told in found.items():
        for method, one in _methods_of(told).items():
            masks = one.get("masks") if isinstance(one, Mapping) else None
            if masks:
                rows.append((model, method, masks))
    if not rows:
        return ""
    names = ["pointing", "energy", "iou"]
    cells = [
        (
            name_of(model),
            _method(method),
            max((masks.get(n) or {}).get("count") or 0 for n in names),
            *(text for n in names for text in _mean_and_chance(masks.get(n))),
        )
        for model, method, masks in rows
    ]
    headings = ("Model", "Method", "Masks", "Pointing game", "chance")
    headings += ("Energy inside", "chance", "IoU", "chance")
    return join(
        "<h3>Against tumours that people outlined</h3>",
        table(headings, cells, name="Heat maps against tumour masks", texts=2),
    )


def _faithfulness(found: Mapping[str, Any]) -> str:
    rows = []
    for model, told in found.items():
        for method, one in _methods_of(told).items():
            if not isinstance(one, Mapping) or "deletion" not in one:
                continue
            cells = []
            for name in ("deletion", "insertion"):
                part = one.get(name) or {}
                cells += [
                    _mean(part.get("area")),
                    _mean(part.get("better_than_random")),
                ]
            sanity = ((one.get("randomisation") or {}).get("rank_correlation")) or [
                None
            ]
            rows.append((name_of(model), _method(method), *cells, decimal(sanity[-1])))
    if not rows:
        return ""
    headings = ("Model", "Method", "Deletion (low is good)", "better than random by")
    headings += ("Insertion (high is good)", "better than random by")
    headings += ("Correlation after randomised weights (low is good)",)
    return join(
        "<h3>Whether the maps can be believed</h3>",
        table(headings, rows, name="Faithfulness of heat maps", texts=2),
    )


def _methods_of(told: Any) -> Mapping[str, Any]:
    """What is told of each method; the file holds other entries beside the models."""
    methods = told.get("methods") if isinstance(told, Mapping) else None
    return methods if isinstance(methods, Mapping) else {}


def _picture(path: Any) -> str:
    method = path.stem.removeprefix("attention_")
    if path.stem == "heat_maps":
        return figure(
            path,
            "Heat maps of one network on a test picture of each class",
            "One test picture of each class by its true name, what the network says, "
            "and its heat maps about the true class.",
            wide=True,
        )
    if path.stem == "summary_visualization":
        alt = "Pictures of each class with the heat maps of teacher and student"
        return figure(path, alt, "One picture of each class, every method.", wide=True)
    called = _method(method)
    return figure(
        path, f"Heat maps of teacher and student by {called}", called, wide=True
    )


def _folded(parts: list[str]) -> str:
    if not parts:
        return ""
    return (
        "<details><summary>More heat maps, by method</summary>\n"
        f"{join(*parts)}</details>"
    )


def _method(name: str) -> str:
    return _METHODS.get(name, name.replace("_", " "))


def _mean(value: Any) -> str:
    if not isinstance(value, Mapping) or value.get("mean") is None:
        return UNKNOWN
    within = value.get("interval")
    text = f"{value['mean']:.3f}"
    return f"{text} ({within[0]:.3f} to {within[1]:.3f})" if within else text


def _mean_and_chance(value: Any) -> tuple[str, str]:
    chance = value.get("chance") if isinstance(value, Mapping) else None
    return _mean(value), UNKNOWN if chance is None else f"{chance:.3f}"
