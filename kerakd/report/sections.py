"""The sections of the report, each from what the run folder holds."""

from html import escape
from typing import Any

from kerakd.report import evidence, extras
from kerakd.report.lines import ALL, CLEAN, LINES, about_intervals, bounds
from kerakd.report.models_table import HEADINGS, model_rows, seed_table
from kerakd.report.numbers import (
    UNKNOWN,
    decimal,
    duration,
    interval,
    score,
    summary,
)
from kerakd.report.page import (
    block,
    entries,
    figure,
    join,
    missing,
    paragraph,
    table,
)
from kerakd.report.run_folder import RunFolder
from kerakd.report.story import headline
from kerakd.report.style import colour, percent, title, without_teacher

_SPLITS = ("train", "validation", "test")


def result(run: RunFolder) -> str:
    """The headline, the warnings, and one card for each tested model."""
    sentences = headline(run.metrics)
    cards = []
    for model, known in run.models.items():
        test = known.get("test") or {}
        if test.get("accuracy") is None:
            continue
        cards.append(
            f'<div class="card" style="border-top-color:{colour(model)}">'
            f'<span class="name">{escape(title(model))}</span>'
            f"<b>{escape(percent(test['accuracy'], 2))}</b>"
            f"<span>of all {test.get('count', 0):g} test images<br>95% interval "
            f"{escape(interval(bounds(test)) or UNKNOWN)}</span>"
            f"{_second(known.get(CLEAN) or {})}</div>"
        )
    warnings = [
        f'<p class="warning">{escape(str(text))}</p>'
        for text in run.metrics.get("warnings") or []
    ]
    return join(
        join(paragraph(sentences[0], "lead"), *map(paragraph, sentences[1:]))
        if sentences
        else missing("This run has no test results yet; its metrics are not written."),
        f'<div class="cards">{"".join(cards)}</div>' if cards else "",
        *warnings,
    )


def asked(run: RunFolder) -> str:
    """The recipe as it was run."""
    if run.recipe is None:
        return missing("recipe.yaml is not in this run folder.")
    lines = run.recipe.splitlines()
    task = str(run.metrics.get("task") or "not noted")
    known = run.metrics.get("distillation") or {}
    return join(
        entries(
            {
                "task": task,
                "data": (run.metrics.get("data") or {}).get("source"),
                "seeds": run.metrics.get("seeds"),
                "weight of the labels": known.get("student_loss_weight"),
                "temperature": known.get("temperature"),
                "losses": [one.get("name") for one in known.get("losses") or []],
            }
        ),
        f"<details><summary>The whole recipe ({len(lines)} lines)</summary>\n"
        f"{block(run.recipe)}</details>",
    )


def data(run: RunFolder) -> str:
    """Counts by split and class, and what the loader noted."""
    known = run.metrics.get("data") or {}
    if not known:
        return missing("Nothing is noted about the data yet.")
    kind = "Phantom (drawn by a program)" if run.metrics.get("phantom") else None
    return join(
        entries({"source": known.get("source"), "kind": kind}),
        _counts(known.get("counts") or {}, run.metrics.get("class_names") or []),
        "<h3>What the loader noted</h3>" if known.get("notes") else "",
        entries(known.get("notes") or {}),
    )


def models(run: RunFolder) -> str:
    """What each model costs and how good it is, and the classes one by one."""
    rows = []
    for row in model_rows(run.metrics):
        first, *others = row.cells
        name = f'<span class="dot" style="background:{colour(row.model)}"></span>'
        name += escape(first)
        if row.detail:
            name += f"<small>{escape(row.detail)}</small>"
        rows.append((name, *others))
    if not rows:
        return missing("No model is finished yet.")
    return join(
        table(HEADINGS, rows, name="Models"),
        paragraph(about_intervals(run.metrics), "muted"),
        _seeds(run),
        "<h3>Further metrics</h3>" if run.models else "",
        evidence.measures(run),
        *(evidence.by_class(model, known) for model, known in run.models.items()),
    )


def fidelity(run: RunFolder) -> str:
    """How far the students say what the teacher says, and how models differ."""
    return join(evidence.differences(run), _fidelity(run))


def _fidelity(run: RunFolder) -> str:
    found = evidence.fidelity(run)
    return (
        join("<h3>How far the students follow the teacher</h3>", found) if found else ""
    )


def sweep(run: RunFolder) -> str:
    """The variants that were tried and judged on validation; none where none were."""
    known = run.metrics.get("sweep") or {}
    rows = known.get("rows") or []
    if not rows:
        return ""
    headings = list(rows[0])
    cells = []
    for row in rows:
        texts = [summary(row.get(heading)) for heading in headings]
        chosen = all(row.get(k) == v for k, v in (known.get("chosen") or {}).items())
        first = escape(texts[0]) + (" <b>(chosen)</b>" if chosen else "")
        cells.append((first, *texts[1:]))
    return join(
        paragraph(
            f"Judged on {known.get('judged_on', 'validation')}; the test set was not "
            "touched."
        ),
        table([heading.replace("_", " ") for heading in headings], cells),
    )


def curves(run: RunFolder) -> str:
    """Loss and accuracy over the epochs."""
    return figure(
        run.figure("history"),
        "Curves of loss and accuracy over the epochs, by model",
        "Solid: validation. Dashed: training. Loss is the one on the labels, "
        "without the distillation terms.",
        wide=True,
    )


def confusion(run: RunFolder) -> str:
    """A confusion matrix for each model."""
    figures, twins = [], []
    for model in list(run.models) or ["student"]:
        # The float32 file says what the Keras student says.
        place = twins if model == "student_float32" else figures
        for line, ending in ((ALL, ""), (CLEAN, "_without_copies")):
            if line == CLEAN and not (run.models.get(model) or {}).get(CLEAN):
                continue
            place.append(
                figure(
                    run.figure(f"confusion_{model}{ending}"),
                    f"Confusion matrix of {title(model)}: {LINES[line]}",
                    f"{title(model)}: {LINES[line].lower()}",
                )
            )
    return join(
        paragraph(
            "A row is a true class, a column what the model said. Colour and "
            "percentages are shares of the true class."
        ),
        f'<div class="pair">{"".join(figures)}</div>',
        "<details><summary>The exported float32 file</summary>\n"
        f'<div class="pair">{"".join(twins)}</div></details>'
        if twins
        else "",
    )


def comparison(run: RunFolder) -> str:
    """Teacher and student on single pictures; none where nobody taught."""
    if without_teacher(run.metrics):
        return ""
    return figure(
        run.figure("comparison"),
        "Pictures with the probabilities of teacher and student as bars",
        "Left: the picture. Middle: what both models say. Right: the same, "
        "softened by the temperature: what the student was asked to match.",
        wide=True,
    )


def gallery(run: RunFolder) -> str:
    """The most confident errors, and right answers."""
    return figure(
        run.figure("gallery"),
        "Test pictures with predicted class, probability and truth",
        "The most confident wrong answers come first. The percentage is the "
        "probability of the class named.",
        wide=True,
    )


def export(run: RunFolder) -> str:
    """How far the exported files are from the Keras model."""
    known = run.metrics.get("export") or {}
    if not known or known.get("modes") == {}:
        return missing("No model was exported.")
    keys = {
        "path": "File",
        "bytes": "MB",
        "images": "Images compared",
        "top1_agreement": "Same class named",
        "max_abs_difference": "Largest difference of a logit",
        "mean_abs_difference": "Mean difference",
        "relative": "Largest difference over the largest logit",
    }
    rows = [
        (
            f"<code>{escape(str(one.get('path')))}</code>",
            *(_exported(key, one.get(key)) for key in list(keys)[1:]),
        )
        for one in (known.get("modes") or {"": known}).values()
    ]
    return join(
        paragraph(
            "Each exported file was run with LiteRT beside the Keras model, on "
            "validation images."
        ),
        table(list(keys.values()), rows, name="Exported files"),
    )


def _exported(key: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    if key == "bytes":
        return decimal(value / 1e6)
    if key == "top1_agreement":
        return score(value)
    return f"{value:g}" if key == "images" else decimal(value)


def making(run: RunFolder) -> str:
    """Everything needed to make the run again."""
    known = run.metrics
    seconds = known.get("seconds") or {}
    command = known.get("command")
    artifacts = [
        (f"<code>{escape(file.name)}</code>", f"{decimal(file.stat().st_size / 1e6)}")
        for file in run.artifacts
    ]
    return join(
        "" if command else missing("The command is not noted."),
        extras.repeat(run),
        entries(
            {
                "seed": known.get("seed"),
                "machine": known.get("machine"),
                "kerakd": known.get("kerakd"),
                **(known.get("versions") or {}),
            }
        ),
        "<h3>Distillation</h3>" if known.get("distillation") else "",
        entries(known.get("distillation") or {}),
        "<h3>Time</h3>" if seconds else "",
        entries({stage: duration(value) for stage, value in seconds.items()}),
        "<h3>Files</h3>" if artifacts else "",
        table(("File", "MB"), artifacts) if artifacts else "",
    )


# Anchor, heading and maker of each section, in the order of the page; a section that is
# empty is left out.
SECTIONS = (
    ("result", "Result", result),
    ("recipe", "What was asked", asked),
    ("data", "Data", data),
    ("audit", "Copies and shortcuts in the data", evidence.audit),
    ("models", "Models", models),
    ("differences", "Differences between the models", fidelity),
    ("folds", "Cross-validation", evidence.folds),
    ("external", "Images from elsewhere", evidence.external),
    ("sweep", "Sweep", sweep),
    ("curves", "Training", curves),
    ("confusion", "Which classes are mixed up", confusion),
    ("calibration", "Calibration", evidence.calibration),
    ("comparison", "Teacher and student, picture by picture", comparison),
    ("gallery", "Errors and right answers", gallery),
    ("attention", "Where the networks look", extras.attention),
    ("export", "Export", export),
    ("compression", "Compression", extras.compression),
    ("limits", "Limits", extras.limits),
    ("making", "How it was made, and how to make it again", making),
)


def _second(test: dict[str, Any]) -> str:
    """The second figure of a card: the images without a copy."""
    if test.get("accuracy") is None:
        return ""
    return (
        f'<b class="second">{escape(percent(test["accuracy"], 2))}</b>'
        f"<span>of the {test.get('count', 0):g} without a copy in training<br>"
        f"95% interval {escape(interval(bounds(test)) or UNKNOWN)}</span>"
    )


def _counts(counts: dict[str, dict[str, int]], class_names: list[str]) -> str:
    if not counts:
        return missing("The counts of the splits are not noted.")
    splits = [s for s in _SPLITS if s in counts]
    splits += [s for s in counts if s not in splits]
    names = list(class_names)
    names += sorted({n for split in splits for n in counts[split]} - set(names))
    rows = []
    for name in names:
        numbers = [counts[split].get(name, 0) for split in splits]
        rows.append((escape(str(name)), *numbers, sum(numbers)))
    totals = [sum(counts[split].values()) for split in splits]
    rows.append(("<b>all</b>", *totals, sum(totals)))
    return table(("Class", *splits, "all"), rows, name="Images", sortable=False)


def _seeds(run: RunFolder) -> str:
    headings, rows = seed_table(run.metrics)
    if not rows:
        return ""
    escaped = [(escape(first), *others) for first, *others in rows]
    return join("<h3>Every seed</h3>", table(headings, escaped))
