"""The sections of the report, each from what the run folder holds."""

from html import escape
from typing import Any

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
from kerakd.report.story import IMAGE_LEVEL, headline
from kerakd.report.style import colour, percent, title

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
            f"<span>{escape(title(model))}</span>"
            f"<b>{escape(percent(test['accuracy'], 2))}</b>"
            "<span>test accuracy</span><span>95% interval "
            f"{escape(interval(test.get('accuracy_interval')) or UNKNOWN)}</span></div>"
        )
    warnings = [
        f'<p class="warning">{escape(str(text))}</p>'
        for text in run.metrics.get("warnings") or []
    ]
    return join(
        paragraph(" ".join(sentences), "lead")
        if sentences
        else missing("This run has no test results yet; its metrics are not written."),
        f'<div class="cards">{"".join(cards)}</div>' if cards else "",
        *warnings,
    )


def asked(run: RunFolder) -> str:
    """The recipe as it was run."""
    if run.recipe is None:
        return missing("recipe.yaml is not in this run folder.")
    return block(run.recipe)


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
        table(HEADINGS, rows),
        paragraph(IMAGE_LEVEL, "muted"),
        _seeds(run),
        *(_classes(model, known) for model, known in run.models.items()),
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
    names = list(run.models) or ["student"]
    figures = [
        figure(
            run.figure(f"confusion_{model}"),
            f"Confusion matrix of {title(model)}",
            f"{title(model)}, test pictures",
        )
        for model in names
    ]
    return join(
        paragraph(
            "A row is a true class, a column what the model said. Colour and "
            "percentages are shares of the true class."
        ),
        f'<div class="pair">{"".join(figures)}</div>',
    )


def comparison(run: RunFolder) -> str:
    """Teacher and student on single pictures."""
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
    """How far the exported file is from the Keras model."""
    known = run.metrics.get("export") or {}
    if not known:
        return missing("No model was exported.")
    size = known.get("bytes")
    agreement = known.get("top1_agreement")
    facts = {
        "file": known.get("path"),
        "size": f"{decimal(size / 1e6)} MB" if size is not None else None,
        "images compared": known.get("images"),
        "largest difference of a logit": decimal(known.get("max_abs_difference")),
        "same class named": score(agreement) if agreement is not None else None,
    }
    rest = {
        key: value
        for key, value in known.items()
        if key
        not in ("path", "bytes", "images", "max_abs_difference", "top1_agreement")
    }
    return join(
        paragraph("The exported file was run with LiteRT beside the Keras model."),
        entries({**facts, **rest}),
    )


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
        block(str(command)) if command else missing("The command is not noted."),
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
    ("models", "Models", models),
    ("sweep", "Sweep", sweep),
    ("curves", "Training", curves),
    ("confusion", "Which classes are mixed up", confusion),
    ("comparison", "Teacher and student, picture by picture", comparison),
    ("gallery", "Errors and right answers", gallery),
    ("export", "Export", export),
    ("making", "How it was made", making),
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
    return table(("Class", *splits, "all"), rows)


def _seeds(run: RunFolder) -> str:
    headings, rows = seed_table(run.metrics)
    if not rows:
        return ""
    escaped = [(escape(first), *others) for first, *others in rows]
    return join("<h3>Every seed</h3>", table(headings, escaped))


def _classes(model: str, known: dict[str, Any]) -> str:
    per_class = (known.get("test") or {}).get("per_class") or {}
    if not per_class:
        return ""
    keys = ("precision", "recall", "specificity", "f1", "f2")
    rows = [
        (escape(str(name)), *(score(one.get(key)) for key in keys), _support(one))
        for name, one in per_class.items()
    ]
    headings = ("Class", "Precision", "Recall", "Specificity", "F1", "F2", "Pictures")
    opened = " open" if model == "student" else ""
    return (
        f"<details{opened}><summary>{escape(title(model))}, by class</summary>\n"
        f"{table(headings, rows)}</details>"
    )


def _support(one: dict[str, Any]) -> str:
    support = one.get("support")
    return UNKNOWN if support is None else f"{support:g}"
