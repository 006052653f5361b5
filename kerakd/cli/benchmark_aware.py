"""`kerakd benchmark aware`: does a teacher help a student that learns to be int8?"""

from typing import Annotated

import typer

from kerakd.cli import common
from kerakd.cli.rows import Rows

_COLUMNS = (
    ("Variant", 36),
    ("Seed", 4),
    ("Wrong", 5),
    ("Accuracy", 8),
    ("Turned", 6),
    ("KL", 8),
    ("Logits off", 10),
    ("s", 6),
    ("s, processors", 13),
)


def add_to(app: typer.Typer) -> None:
    """Add this command to `kerakd benchmark`."""
    app.command("aware")(aware)


def aware(
    student: Annotated[str, typer.Argument(help="A trained classifier, .keras.")],
    folder: Annotated[
        str, typer.Argument(help="Its images: a folder, or a name below --data.")
    ],
    data: common.Data = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Its teacher, .keras; repeat it for several. Default: the float "
            "student itself."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Times over the training set.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="At the first step.")] = 1e-4,
    seeds: Annotated[int, typer.Option(help="Trainings of each kind.")] = 1,
    limit: Annotated[
        int | None,
        typer.Option(help="Training images at most, 100 or more. Default: all."),
    ] = None,
    quiet: common.Quiet = False,
    json: common.Json = None,
) -> None:
    """Does a teacher help a student that learns to be int8?

    Int8 after training, as TensorFlow's converter makes it and as kerakd does, against
    quantisation-aware training on the labels alone and with the teacher; all of them
    integers throughout, judged on the validation images (split with seed 0, 20%). Each
    row is printed, and the file of --json written anew, as soon as it is known.

    \b
    Examples:
      kerakd benchmark aware student.keras brain-tumor-mri --teacher teacher.keras
      kerakd benchmark aware student.keras mri --seeds 3 --json aware.json
      kerakd benchmark aware student.keras mri --epochs 1 --limit 1000
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.aware import benchmark_aware
    from kerakd.data import resolve
    from kerakd.files import write_json

    rows = None

    def tell(figures: dict) -> None:
        nonlocal rows
        rows = rows or Rows(_COLUMNS)
        rows.add(_cells(figures["variants"][-1]))
        if json is not None:
            write_json(json, figures)

    teachers = teacher or [student]
    figures = benchmark_aware(
        student,
        teachers if len(teachers) > 1 else teachers[0],
        resolve(folder, data),
        epochs=epochs,
        learning_rate=learning_rate,
        seeds=seeds,
        limit=limit,
        progress=False if quiet else None,
        say=common.say,
        tell=tell,
    )
    common.write_figures(json, figures)


def _cells(one: dict) -> list[str]:
    took = [
        f"{one[key]:.1f}" if key in one else ""
        for key in ("seconds", "processor_seconds")
    ]
    return [
        one["name"],
        "" if one["seed"] is None else str(one["seed"]),
        str(one["validation_wrong"]),
        f"{100 * one['validation_accuracy']:.2f}%",
        str(one["turned"]),
        f"{one['divergence']:.4f}",
        f"{one['logit_error']:.3f}",
        *took,
    ]
