"""Sections of the report on how far its figures can be trusted."""

from collections.abc import Mapping
from html import escape
from typing import Any

from kerakd.report.lines import LINES, leaks
from kerakd.report.numbers import UNKNOWN, decimal, interval, score, summary
from kerakd.report.page import entries, figure, join, missing, paragraph, table
from kerakd.report.run_folder import RunFolder
from kerakd.report.style import colour, title

# Contact sheets that an audit leaves in the folder.
_SHEETS = {
    "audit_across_splits.png": "Copies in two splits, from the weakest on",
    "audit_contradictions.png": "Copies that bear different labels",
}


def name_of(model: str) -> str:
    """A model's name with its colour, as HTML."""
    dot = f'<span class="dot" style="background:{colour(model)}"></span>'
    return dot + escape(title(model))


def audit(run: RunFolder) -> str:
    """Copies between test and training, and what else the audit saw."""
    told = run.metrics.get("audit") or {}
    sentences = [paragraph(text) for text in leaks(run.metrics)]
    if not told.get("looked"):
        return join(
            *sentences,
            missing(
                "To look for copies: leave `data.audit` on, and judge the run anew "
                "with `kerakd evaluate RUN --data DIR`."
            ),
        )
    found = run.json("audit.json")
    said = [one for one in found.get("findings") or [] if isinstance(one, Mapping)]
    items = "".join(
        f"<li>{'<b>Mind: </b>' if one.get('level') == 'warning' else ''}"
        f"{escape(str(one.get('text')))}</li>"
        for one in said
    )
    return join(
        *sentences,
        f"<ul>{items}</ul>" if items else "",
        *(_sheet(run, name, caption) for name, caption in _SHEETS.items()),
        paragraph(
            "Every finding is in audit.json, the copies in clusters.csv.", "muted"
        ),
    )


def _sheet(run: RunFolder, name: str, caption: str) -> str:
    """A contact sheet of the audit, folded; empty where there is none."""
    path = run.path / name
    if not path.is_file():
        return ""
    return (
        f"<details><summary>{escape(caption)}</summary>\n"
        f"{figure(path, caption, caption, wide=True)}</details>"
    )


def measures(run: RunFolder) -> str:
    """Further metrics of every model on both lines."""
    rows = []
    for model, known in run.models.items():
        for line, called in LINES.items():
            test = known.get(line)
            if not test:
                continue
            rows.append(
                (
                    name_of(model),
                    called,
                    f"{test.get('count', 0):g}",
                    *(
                        _with_interval(test, key, score)
                        for key in ("balanced_accuracy", "macro_f1", "macro_f2")
                    ),
                    score(test.get("weighted_f1")),
                    score(test.get("macro_specificity")),
                    *(
                        _fixed(test.get(key))
                        for key in (
                            "macro_roc_auc",
                            "macro_pr_auc",
                            "log_loss",
                            "brier",
                        )
                    ),
                )
            )
    if not rows:
        return ""
    headings = (
        *("Model", "Test images", "Count", "Balanced accuracy", "Macro F1", "Macro F2"),
        *("Weighted F1", "Macro specificity", "ROC-AUC", "PR-AUC", "Log loss", "Brier"),
    )
    return table(headings, rows, name="Further metrics on both lines", texts=2)


def differences(run: RunFolder) -> str:
    """Every pair of models: the paired bootstrap and McNemar's test, on both lines."""
    found = run.metrics.get("comparisons") or {}
    rows = []
    for line, called in LINES.items():
        for one in found.get(line) or []:
            test = one.get("mcnemar") or {}
            accuracy = one.get("accuracy") or {}
            first = (
                f"{name_of(one['a'])} <span class='muted'>against</span> "
                f"{name_of(one['b'])}"
            )
            rows.append(
                (
                    first,
                    called,
                    _points(accuracy.get("difference")),
                    _points_interval(accuracy.get("interval")),
                    test.get("only_a_right", UNKNOWN),
                    test.get("only_b_right", UNKNOWN),
                    _probability(test.get("p_value")),
                )
            )
    if not rows:
        return missing("The models of this run were not compared with one another.")
    headings = (
        *("Pair", "Test images", "Difference of accuracy (points)", "95% interval"),
        *("Only the first right", "Only the second right", "McNemar's p"),
    )
    return join(
        paragraph(
            "The interval draws whole groups of test images anew, for both models the "
            "same ones; one that holds 0 shows no difference. McNemar's exact test "
            "takes images as independent, so that among copies and slices of one "
            "patient its p is too small. With many pairs some p are small by chance."
        ),
        table(headings, rows, name="Differences between models", texts=2),
    )


def calibration(run: RunFolder) -> str:
    """Whether models are right as often as they say, before and after scaling."""
    rows = []
    for model, known in run.models.items():
        told = known.get("calibration") or {}
        for line, called in LINES.items():
            here = told.get(line)
            if not here:
                continue
            rows.append(
                (
                    name_of(model),
                    called,
                    decimal(told.get("temperature")),
                    *(score(here[k].get("ece")) for k in ("as_it_is", "scaled")),
                    *(_fixed(here[k].get("log_loss")) for k in ("as_it_is", "scaled")),
                    *(_fixed(here[k].get("brier")) for k in ("as_it_is", "scaled")),
                )
            )
    if not rows:
        return missing("The calibration of this run was not measured.")
    headings = (
        *("Model", "Test images", "Temperature", "ECE", "ECE, scaled", "Log loss"),
        *("Log loss, scaled", "Brier", "Brier, scaled"),
    )
    return join(
        paragraph(
            "The calibration error (ECE, 15 bins) is how far confidence and accuracy "
            "lie apart. A temperature, fitted on the validation images alone, divides "
            "the logits; it changes no answer. Temperatures are in calibration.json."
        ),
        figure(
            run.figure("reliability"),
            "Accuracy against confidence by model, as it is and scaled",
            "On the diagonal a model is right as often as it says; below it, it is too "
            "sure. A larger dot holds more test images.",
            wide=True,
        ),
        table(headings, rows, name="Calibration", texts=2),
    )


def fidelity(run: RunFolder) -> str:
    """How far the students say what the teacher says."""
    found = run.metrics.get("fidelity") or {}
    rows = []
    for line, called in LINES.items():
        for model, one in (found.get(line) or {}).items():
            rows.append(
                (
                    name_of(model),
                    called,
                    score(one.get("top1_agreement")),
                    _fixed(one.get("mean_kl")),
                    one.get("teacher_errors", UNKNOWN),
                    score(one.get("same_error")),
                    score(one.get("mended")),
                )
            )
    if not rows:
        return ""
    headings = (
        *("Model", "Test images", "Same answer as the teacher", "Mean KL (nats)"),
        *("Errors of the teacher", "of these: the same error", "of these: right"),
    )
    return table(headings, rows, name="Fidelity to the teacher", texts=2)


def external(run: RunFolder) -> str:
    """Results on images from elsewhere; empty where none were asked for."""
    parts = []
    for one in run.metrics.get("external") or []:
        source = str(one.get("source") or "images from elsewhere")
        rows = [
            (
                name_of(model),
                f"{test['count']:g}",
                score(test["accuracy"]),
                interval((test.get("intervals") or {}).get("accuracy")) or UNKNOWN,
                score(test.get("balanced_accuracy")),
                score(test.get("macro_f1")),
                _fixed(test.get("macro_roc_auc")),
                _fixed(test.get("log_loss")),
            )
            for model, test in (one.get("models") or {}).items()
        ]
        headings = (
            *("Model", "Images", "Accuracy", "95% interval", "Balanced accuracy"),
            *("Macro F1", "ROC-AUC", "Log loss"),
        )
        mapping = {
            name: " or ".join(members) if members else "left out, without a counterpart"
            for name, members in (one.get("mapping") or {}).items()
        }
        missing_here = one.get("without_counterpart") or []
        parts += [
            f"<h3>{escape(source)}</h3>",
            entries(mapping),
            paragraph(
                f"Classes of the model that {source} does not have: "
                f"{', '.join(missing_here)}. Naming one of them counts as wrong."
            )
            if missing_here
            else "",
            *(paragraph(str(text), "muted") for text in one.get("notes") or []),
            table(headings, rows, name=f"Results on {source}"),
        ]
    return join(*parts)


def folds(run: RunFolder) -> str:
    """Cross-validation: every fold, mean and spread; empty where there was none."""
    found: Mapping[str, Any] = run.metrics.get("folds") or {}
    rows = [
        (
            escape(f"Fold {one['fold']}"),
            *(score((one.get("test") or {}).get(model)) for model in found["models"]),
        )
        for one in found.get("rows") or []
    ]
    if not rows:
        return ""
    for name in ("mean", "spread"):
        values = found.get(name) or {}
        label = "Mean" if name == "mean" else "Standard deviation"
        rows.append(
            (f"<b>{label}</b>", *(score(values.get(m)) for m in found["models"]))
        )
    return join(
        paragraph(str(found.get("method") or "")),
        table(
            ("Test accuracy", *map(title, found["models"])),
            rows,
            name="Cross-validation",
            sortable=False,
        ),
    )


def by_class(model: str, known: Mapping[str, Any]) -> str:
    """The classes of one model, on both lines."""
    keys = ("precision", "recall", "specificity", "f1", "f2", "roc_auc", "pr_auc")
    rows = []
    for line, called in LINES.items():
        per_class = (known.get(line) or {}).get("per_class") or {}
        for name, one in per_class.items():
            support = one.get("support")
            rows.append(
                (
                    escape(str(name)),
                    called,
                    *(score(one.get(key)) for key in keys),
                    UNKNOWN if support is None else f"{support:g}",
                )
            )
    if not rows:
        return ""
    headings = (
        *("Class", "Test images", "Precision", "Recall (sensitivity)", "Specificity"),
        *("F1", "F2", "ROC-AUC", "PR-AUC", "Count"),
    )
    opened = " open" if model == "student" else ""
    return (
        f"<details{opened}><summary>{escape(title(model))}, by class</summary>\n"
        f"{table(headings, rows, name=f'{title(model)}, by class', texts=2)}</details>"
    )


def notes(values: Mapping[str, Any]) -> str:
    """Entries of plain facts, as one line each."""
    return entries({key: summary(value) for key, value in values.items()})


def _with_interval(test: Mapping[str, Any], key: str, form: Any) -> str:
    within = interval((test.get("intervals") or {}).get(key))
    return form(test.get(key)) + (f" ({within})" if within else "")


def _fixed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4f}"


def _points(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:+.2f}"


def _points_interval(bounds: Any) -> str:
    if not bounds:
        return UNKNOWN
    return " to ".join(f"{100 * bound:+.2f}" for bound in bounds)


def _probability(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
