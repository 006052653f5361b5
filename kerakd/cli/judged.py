"""What `kerakd evaluate` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerakd.cli import cases, common
from kerakd.errors import RecipeError

_KEYS = ("precision", "recall", "specificity", "f1", "f2", "roc_auc", "pr_auc")
_HEADINGS = (
    *("Class", "Precision", "Recall", "Specificity", "F1", "F2", "ROC-AUC", "PR-AUC"),
    "Images",
)


def file(model: Path, data: Path | None, split: str) -> dict[str, Any]:
    """A model file on the images of a split, or on the cases."""
    from kerakd.run.assess import evaluate_file
    from kerakd.run.segmentation.evaluating import evaluate_cases, segments

    if segments(model):
        metrics = evaluate_cases(model, data, split)
        cases.tell_regions(metrics)
        return metrics
    metrics = evaluate_file(model, data, split)
    show(metrics, f"{metrics['count']} images")
    print(metrics["leaks"])
    clean = metrics["without_copies"]
    if clean:
        show(clean, f"The {clean['count']} images without a copy")
    return metrics


def external(
    model: Path, folder: Path, data: Path | None, classes: Sequence[str]
) -> dict[str, Any]:
    """A model file on images from elsewhere."""
    from kerakd.run.assess import evaluate_external
    from kerakd.run.external import sentences

    found = evaluate_external(model, folder, data, parse_map(classes))
    for line in (*found["notes"], *sentences(found)):
        print(f"Note: {line}")
    metrics = found["models"]["model"]
    show(metrics, f"{metrics['count']} images")
    print("Whether these images have a copy in training was not looked for.")
    return found


def run(folder: Path, data: Path | None) -> dict[str, Any]:
    """A finished run judged anew."""
    from kerakd.run.again import judge_again

    metrics = judge_again(folder, data=data, verbose=0, say=common.say)
    if metrics["task"] == "segmentation":
        cases.tell_run(metrics, folder)
        return metrics
    common.show_models(metrics)
    print(f"Report: {folder / 'report.html'}")
    return metrics


def parse_map(texts: Sequence[str]) -> dict[str, list[str]]:
    """`no=notumor`, `yes=glioma,pituitary`, `other=` as a mapping.

    Raises:
        RecipeError: There is no `=`, or a class is named twice.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        theirs, equals, ours = text.partition("=")
        if not equals or not theirs.strip() or theirs.strip() in found:
            raise RecipeError(
                "--map takes THEIRS=OURS, once for each class, such as --map "
                f"yes=glioma,pituitary; got {text!r}."
            )
        names = [one.strip() for one in ours.split(",")]
        found[theirs.strip()] = [one for one in names if one]
    return found


def show(metrics: Mapping[str, Any], what: str) -> None:
    """Print metrics: a sentence, the classes, the confusion matrix."""
    bounds = metrics["intervals"]["accuracy"]
    low, high = bounds
    groups = metrics["intervals"]["groups"]
    drawn = f", {groups} groups drawn anew" if groups < metrics["count"] else ""
    print(
        f"{what}: accuracy {metrics['accuracy']:.2%} "
        f"(95% interval {low:.1%} to {high:.1%}{drawn}), "
        f"balanced {metrics['balanced_accuracy']:.2%}, "
        f"macro F1 {metrics['macro_f1']:.2%}, macro F2 {metrics['macro_f2']:.2%}, "
        f"ROC-AUC {_figure(metrics['macro_roc_auc'])}, "
        f"PR-AUC {_figure(metrics['macro_pr_auc'])}, "
        f"log loss {metrics['log_loss']:.4f}, Brier {metrics['brier']:.4f}"
    )
    known = metrics.get("calibration")
    if known:
        text = f"Calibration error (ECE, 15 bins) {known['as_it_is']['ece']:.2%}"
        if "scaled" in known:
            text += (
                f"; {known['scaled']['ece']:.2%} with the temperature "
                f"{known['temperature']:.3g} that the run fitted on validation"
            )
        print(f"{text}.")
    common.show_table(
        _HEADINGS,
        [
            [name, *(_percent(one[key]) for key in _KEYS), f"{one['support']:g}"]
            for name, one in metrics["per_class"].items()
        ],
    )
    names = metrics["class_names"]
    common.show_table(
        ("True \\ predicted", *names),
        [
            [name, *(f"{count:g}" for count in row)]
            for name, row in zip(names, metrics["confusion_matrix"], strict=True)
        ],
    )


def _percent(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2%}"


def _figure(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.4f}"
