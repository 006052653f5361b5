"""`kerakd evaluate`, `predict` and `report`: what trained models say."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import cases, common

_PANEL = "Models"

ModelPath = Annotated[Path, typer.Argument(help="A `.keras` or `.tflite` file.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("evaluate", rich_help_panel=_PANEL)(evaluate)
    app.command("predict", rich_help_panel=_PANEL)(predict)
    app.command("report", rich_help_panel=_PANEL)(report)


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            help="A `.keras` or `.tflite` file, or the folder of a finished run."
        ),
    ],
    data: common.Data = None,
    split: Annotated[
        str,
        typer.Option(help="`train`, `validation`, `test`, or `all` images."),
    ] = "test",
    external: Annotated[
        Path | None,
        typer.Option(
            "--external",
            metavar="DIR",
            help="All images of this folder of class folders, from elsewhere.",
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="What a class of --external stands for: `--map yes=glioma,pituitary`; "
            "`--map other=` leaves it out. Repeatable.",
        ),
    ] = None,
    json: common.Json = None,
) -> None:
    """Measure a model on labelled images, or on cases of volumes.

    The images and splits are those of the run that the model lies in; elsewhere those
    of the folder given by --data. Figures are told for all images and, where copies
    were looked for, for those without a copy in training. A run folder is judged
    anew: audit, test, report, with the models that it has.

    \b
    Examples:
      kerakd evaluate runs/mri/student.keras --data data
      kerakd evaluate student_float32.tflite --data other-hospital --split all
      kerakd evaluate runs/mri/student.keras --external scans --map no=notumor
      kerakd evaluate runs/mri --data data
      kerakd evaluate runs/lgg/student_int8.tflite --data data --json lgg.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.cli import judged

    if external is not None:
        figures = judged.external(model, external, data, classes or ())
    elif model.is_dir():
        figures = judged.run(model, data)
    else:
        figures = judged.file(model, data, split)
    common.write_figures(json, figures)


def predict(
    model: ModelPath,
    images: Annotated[
        list[Path], typer.Argument(help="Image files, or the folder of a case.")
    ],
    top: Annotated[int, typer.Option(help="How many classes to show.")] = 3,
    out: cases.Out = None,
    modalities: cases.Modalities = None,
    scheme: cases.Scheme = None,
    largest_component: cases.LargestComponent = None,
    overlay: cases.Overlay = None,
    json: common.Json = None,
) -> None:
    """Name the class of images, or segment a case of NIfTI volumes.

    The mask of a case keeps its affine, header, orientation and label scheme.

    \b
    Examples:
      kerakd predict runs/mri/student_float32.tflite scan.png --json answer.json
      kerakd predict runs/lgg/student.keras BraTS2021_00006 -o mask.nii.gz
    """
    common.check_writable(json)
    if cases.is_case(images):
        cases.segment(
            model, images, out, modalities, scheme, largest_component, overlay, json
        )
        return
    cases.refuse_for_images(out, modalities, scheme, largest_component, overlay)
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
    from kerakd.report.run_folder import RunFolder
    from kerakd.run.assess import samples_of

    metrics = RunFolder.open(run).metrics
    if metrics.get("task") == "segmentation":
        from kerakd.report.segmentation import write_segmentation_report
        from kerakd.report.segmentation_card import write_segmentation_card

        print(f"Report: {write_segmentation_report(run, metrics)}")
        print(f"Model card: {write_segmentation_card(run, metrics)}")
        return

    draw_figures(run, None if data is None else samples_of(run, data))
    print(f"Report: {write_report(run)}")
    print(f"Model card: {write_model_card(run)}")
