"""`kerakd evaluate`, `predict` and `report`: what trained models say."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common

_PANEL = "Models"

ModelPath = Annotated[Path, typer.Argument(help="A `.keras` or `.tflite` file.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("evaluate", rich_help_panel=_PANEL)(evaluate)
    app.command("predict", rich_help_panel=_PANEL)(predict)
    app.command("report", rich_help_panel=_PANEL)(report)


def evaluate(
    model: ModelPath,
    data: common.Data = None,
    split: Annotated[
        str,
        typer.Option(help="`train`, `validation`, `test`, or `all` images."),
    ] = "test",
    json: common.Json = None,
) -> None:
    """Measure a model on labelled images.

    The images and splits are those of the run that the model lies in; elsewhere those
    of the folder given by --data.

    \b
    Examples:
      kerakd evaluate runs/mri/student.keras --data data
      kerakd evaluate student_float32.tflite --data other-hospital --split all
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.run.assess import evaluate_file

    metrics = evaluate_file(model, data, split)
    _show_metrics(metrics)
    common.write_figures(json, metrics)


def predict(
    model: ModelPath,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    top: Annotated[int, typer.Option(help="How many classes to show.")] = 3,
    json: common.Json = None,
) -> None:
    """Name the class of images.

    \b
    Examples:
      kerakd predict runs/mri/student_float32.tflite scan.png --json answer.json
    """
    common.check_writable(json)
    if model.suffix != ".tflite":  # LiteRT needs no TensorFlow
        common.load_tensorflow()
    from kerakd.predict import predict_images

    answers = predict_images(model, images, top=top)
    for answer in answers:
        said = ", ".join(f"{n} {100 * p:.1f}%" for n, p in answer.probabilities.items())
        print(f"{answer.path}: {said}")
    for note in dict.fromkeys(answer.note for answer in answers if answer.note):
        print(f"Note: {note}")
    print("Research use only, not a medical device.")
    common.write_figures(json, [answer.as_dict() for answer in answers])


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: common.Data = None,
) -> None:
    """Write the figures, the report and the model card of a run anew.

    With --data the gallery of images is drawn anew, too.

    \b
    Examples:
      kerakd report runs/mri --data data
    """
    from kerakd.report import draw_figures, write_model_card, write_report
    from kerakd.run.assess import samples_of

    draw_figures(run, None if data is None else samples_of(run, data))
    print(f"Report: {write_report(run)}")
    print(f"Model card: {write_model_card(run)}")


def _show_metrics(metrics: dict) -> None:
    low, high = metrics["accuracy_interval"]
    print(
        f"{metrics['count']} images: accuracy {metrics['accuracy']:.2%} "
        f"(95% interval {low:.1%} to {high:.1%}), macro F1 {metrics['macro_f1']:.2%}, "
        f"macro F2 {metrics['macro_f2']:.2%}, log loss {metrics['log_loss']:.4f}"
    )
    keys = ("precision", "recall", "specificity", "f1", "f2")
    common.show_table(
        ("Class", "Precision", "Recall", "Specificity", "F1", "F2", "Images"),
        [
            [name, *(_percent(one[key]) for key in keys), f"{one['support']:g}"]
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
