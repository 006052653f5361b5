"""The half of `kerakd predict` that is about cases of volumes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kerakd.cli import common

_PANEL = "For a case"

Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="MASK", help="The mask to write, `.nii.gz`, for a case."
    ),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,C",
        help="What the model's channels are, such as `flair,t1ce,t2`, where its run "
        "does not tell.",
    ),
]
Scheme = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What the numbers in masks of this case mean, such as `brats2023`.",
    ),
]
LargestComponent = Annotated[
    bool | None,
    typer.Option(
        "--largest-component/--all-components",
        help="Keep only the largest piece of tumour of a case, or all. "
        "Default: as the run of the model was judged.",
        show_default=False,
    ),
]
Overlay = Annotated[
    Path | None,
    typer.Option(
        metavar="PNG",
        help="The picture of a case to write. Default: beside the mask.",
    ),
]


def is_case(paths: Sequence[Path]) -> bool:
    """Whether these are volumes and not images."""
    return any(
        path.is_dir() or path.name.lower().endswith((".nii", ".nii.gz"))
        for path in paths
    )


def refuse_for_images(*options: Any) -> None:
    """Options of cases with images are a mistake."""
    from kerakd.errors import RecipeError

    if any(option is not None for option in options):
        raise RecipeError(
            "--out, --modalities, --scheme, --largest-component and --overlay belong "
            "to a case of volumes; give the folder of one, or leave them out."
        )


def segment(
    model: Path,
    paths: Sequence[Path],
    out: Path | None,
    modalities: str | None,
    scheme: str | None,
    largest_component: bool | None,
    overlay: Path | None,
    json: Path | None,
) -> None:
    """Segment one case and tell its volumes."""
    from kerakd.errors import RecipeError
    from kerakd.predict_case import open_case, predict_case
    from kerakd.segmenter import Segmenter

    if len(paths) != 1:
        raise RecipeError(
            f"One case at a time is segmented; {len(paths)} paths were given. Call it "
            "once for each."
        )
    if out is None:
        raise RecipeError("Say where the mask of the case goes: -o mask.nii.gz.")
    case = open_case(paths[0])
    if model.suffix != ".tflite":
        common.load_tensorflow()
    names = None if modalities is None else _listed(modalities)
    if overlay is None:
        overlay = out.with_name(out.name.split(".nii")[0] + ".png")
    answer = predict_case(
        Segmenter.open(model, names),
        case,
        out,
        scheme=scheme,
        largest_component=largest_component,
        overlay=overlay,
    )
    _tell(answer)
    common.write_figures(json, answer.as_dict())


def _listed(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _tell(answer: Any) -> None:
    from kerakd.data.volumes.schemes import REGION_TITLES, SCHEMES

    measured = answer.metrics or {}
    headings = ["Region", "Volume (ml)"]
    if measured:
        headings += ["True volume (ml)", "Dice", "HD95 (mm)", "Lesion-wise Dice"]
    rows = []
    for name, volume in answer.volumes_ml.items():
        row = [f"{REGION_TITLES[name]} ({name})", f"{volume:.2f}"]
        if measured:
            one = measured[name]
            row += [
                f"{one['true_volume_ml']:.2f}",
                f"{one['dice']:.4f}",
                f"{one['hd95']:.2f}",
                f"{one['lesion_dice']:.4f}",
            ]
        rows.append(row)
    common.show_table(headings, rows, title=f"Case {answer.case}")
    steps = ", ".join(
        f"{step} {spent:.1f}"
        for step, spent in answer.seconds.items()
        if step != "total"
    )
    print(
        f"{answer.seconds['total']:.1f} s ({steps}); at most "
        f"{answer.peak_gigabytes:.2f} GB of memory"
    )
    for note in answer.notes:
        print(f"Note: {note}.")
    print(f"Mask: {answer.path} ({SCHEMES[answer.scheme].about})")
    print(f"Overlay: {answer.overlay}")
    print("Research use only, not a medical device.")


def tell_regions(found: dict[str, Any]) -> None:
    """Metrics of a model on whole cases."""
    from kerakd.data.volumes.schemes import REGION_TITLES
    from kerakd.evaluation.segmentation import METRICS

    rows = []
    for region, metrics in found["regions"].items():
        for metric in METRICS:
            one = metrics[metric]
            if one["mean"] is None:
                continue
            low, high = one["interval"]
            rows.append(
                [
                    f"{REGION_TITLES[region]} ({region})",
                    metric.replace("_", " "),
                    f"{one['mean']:.4f}",
                    f"{low:.4f} to {high:.4f}",
                    f"{one['median']:.4f}",
                    f"{one['patients']}",
                ]
            )
    common.show_table(
        ("Region", "Metric", "Mean", "95% interval", "Median", "Patients"),
        rows,
        title=f"{len(found['cases'])} cases ({found['split']})",
        text_columns=2,
    )


def tell_run(metrics: dict[str, Any], out: Path) -> None:
    """The result of a segmentation run on the terminal."""
    from kerakd.report.segmentation import headings, model_rows

    for region in metrics["models"]["teacher"].get("test", {}):
        common.show_table(
            headings(), model_rows(metrics, region), title=f"Test patients, {region}"
        )
    for warning in metrics["warnings"]:
        print(f"Note: {warning}")
    report = out / "report.html"
    print(f"Report: {report}" if report.is_file() else f"Run folder: {out}")
