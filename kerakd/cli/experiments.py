"""`kerakd run`, `train-teacher`, `distill` and `demo`: recipes carried out."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from kerakd.cli import cases, common, several, spreading
from kerakd.cli.errors import resume_hint

_PANEL = "Experiments"

RecipePath = Annotated[Path, typer.Argument(help="A YAML page, see `experiments/`.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="RUN",
        help="The run folder; new or empty. Default: `runs/` and the recipe's name.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("run", rich_help_panel=_PANEL)(run)
    app.command("train-teacher", rich_help_panel=_PANEL)(train_teacher)
    app.command("distill", rich_help_panel=_PANEL)(distill)
    app.command("demo", rich_help_panel=_PANEL)(demo)


def run(
    recipe: Annotated[
        list[Path],
        typer.Argument(help="YAML pages, see `experiments/`; several run in turn."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="RUN",
            help="The run folder; new or empty. Default: `runs/` and the recipe's "
            "name. For several recipes the folder of their run folders.",
        ),
    ] = None,
    data: common.Data = None,
    resume: common.Resume = False,
    tiny: common.Tiny = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="KEY=A,B,...",
            help="Train a student for each value and go on with the one that "
            "validation prefers. Repeat it for a grid.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            help="Cross-validate: K runs in which every image is tested once, no "
            "patient and no copies on both sides.",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            "--splits",
            metavar="FILE",
            help="A `splits.json` of `kerakd split` in place of the recipe's split.",
        ),
    ] = None,
    external: Annotated[
        list[Path] | None,
        typer.Option(
            "--external",
            metavar="DIR",
            help="Judge the finished models on these images from elsewhere, too. "
            "Repeatable; classes that do not match by name: `external` in the recipe.",
        ),
    ] = None,
    skip_bad_cases: Annotated[
        bool,
        typer.Option(
            "--skip-bad-cases",
            help="Leave out cases and images that cannot be used, and list them.",
        ),
    ] = False,
    settings: common.Settings = None,
    weights: common.Weights = None,
    devices: common.Devices = None,
    strategy: common.Strategy = None,
    quiet: common.Quiet = False,
    json: common.Json = None,
) -> None:
    """Carry out a recipe: teacher, student, test, export, report.

    With --tiny and without data, phantoms drawn by a program stand in for the images.
    Of several recipes each has its own folder, and one that fails stops no other.

    \b
    Examples:
      kerakd run experiments/brain_tumor_mri_cpu.yaml --data data --out runs/mri
      kerakd run RECIPE --tiny --set seed=1
      kerakd run experiments/*.yaml --tiny --out runs/trial
      kerakd run RECIPE --out runs/t --sweep temperature=2,4,8
      kerakd run RECIPE --out runs/mri --resume
      kerakd run RECIPE --out runs/mri --devices 4
      TF_CONFIG=... kerakd run RECIPE --out runs/mri --strategy multi_worker
      kerakd run RECIPE --out runs/folds --folds 5
      kerakd run RECIPE --splits splits/splits.json --external other-hospital
    """
    from kerakd.errors import RecipeError
    from kerakd.recipe import with_external
    from kerakd.recipe.overrides import parse_sweep

    settings = list(settings or ())
    if skip_bad_cases:
        settings.append("data.skip_bad=true")
    # All pages are read before the first is run: a mistake shows at once.
    loaded = {
        page: with_external(_load(page, settings, tiny, data), external or ())
        for page in recipe
    }
    sweeps = [parse_sweep(text) for text in sweep or ()]
    spread = {"devices": devices, "strategy": strategy}
    options: dict[str, Any] = {"sweeps": sweeps, "splits": splits}
    if folds is not None:
        if sweeps or splits:
            raise RecipeError("--folds goes with neither --sweep nor --splits.")
        options = {"folds": folds}
    if len(loaded) > 1:
        with spreading.over(devices, strategy):
            several.in_turn(loaded, out, data, weights, resume, quiet, json, **options)
        return
    ((page, one),) = loaded.items()
    _carry_out(one, page, out, data, weights, resume, quiet, json, **spread, **options)


def train_teacher(
    recipe: RecipePath,
    out: Out = None,
    data: common.Data = None,
    resume: common.Resume = False,
    tiny: common.Tiny = False,
    settings: common.Settings = None,
    weights: common.Weights = None,
    devices: common.Devices = None,
    strategy: common.Strategy = None,
    quiet: common.Quiet = False,
    json: common.Json = None,
) -> None:
    """Train only the teacher of a recipe; the test set is not touched.

    \b
    Examples:
      kerakd train-teacher RECIPE --data data --out runs/mri
      kerakd distill RECIPE --data data --out runs/mri
    """
    loaded = _load(recipe, settings, tiny, data)
    spread = {"devices": devices, "strategy": strategy, "teacher_only": True}
    _carry_out(loaded, recipe, out, data, weights, resume, quiet, json, **spread)


def distill(
    recipe: RecipePath,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            metavar="FILE",
            help="A trained teacher (`.keras`); repeat it for several. Default: that "
            "of `kerakd train-teacher` in --out.",
        ),
    ] = None,
    out: Out = None,
    data: common.Data = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            metavar="CACHE",
            help="What the teacher said, as `kerakd cache build` kept it.",
        ),
    ] = None,
    resume: common.Resume = False,
    tiny: common.Tiny = False,
    settings: common.Settings = None,
    weights: common.Weights = None,
    devices: common.Devices = None,
    strategy: common.Strategy = None,
    quiet: common.Quiet = False,
    json: common.Json = None,
) -> None:
    """Distil a trained teacher into the student of a recipe.

    \b
    Examples:
      kerakd distill RECIPE --teacher runs/big/teacher.keras --out runs/small
      kerakd distill RECIPE --teacher big.keras --cache cache --out runs/small
    """
    from kerakd.errors import RecipeError
    from kerakd.run.folder import holds_teacher

    if cache is not None:
        from kerakd.distillation.cache.folder import views_of

        settings = [*(settings or ()), f"distillation.views={views_of(cache)}"]
    loaded = _load(recipe, settings, tiny, data, teacher)
    folder = out or _default_out(recipe)
    if loaded.teacher is None:
        raise RecipeError(
            f"{recipe} has no teacher; give the file of one with --teacher, or carry "
            "the recipe out with `kerakd run`."
        )
    if not loaded.teacher.file:
        if not holds_teacher(folder):
            raise RecipeError(
                f"{folder} holds no trained teacher; give its file with --teacher, or "
                "train it first: kerakd train-teacher RECIPE --out RUN."
            )
        resume = True
    spread = {"devices": devices, "strategy": strategy, "cache": cache}
    _carry_out(loaded, recipe, folder, data, weights, resume, quiet, json, **spread)


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The run folder.")
    ] = Path("runs/demo"),
    resume: common.Resume = False,
    settings: common.Settings = None,
    quiet: common.Quiet = False,
    json: common.Json = None,
) -> None:
    """Show the whole job in a few minutes, on phantoms drawn by a program.

    \b
    Examples:
      kerakd demo --out runs/demo
    """
    from importlib.resources import files

    from kerakd.recipe import load_recipe

    page = files("kerakd") / "demo.yaml"
    loaded = load_recipe(str(page), settings=settings or ())
    _carry_out(loaded, None, out, None, None, resume, quiet, json)


def _load(
    page: Path,
    settings: list[str] | None,
    tiny: bool,
    data: Path | None,
    teachers: list[Path] | None = None,
) -> Any:
    from kerakd.data.sources import DATA_VARIABLE
    from kerakd.recipe import load_recipe

    given = data is not None or bool(os.environ.get(DATA_VARIABLE))
    return load_recipe(
        page,
        settings=settings or (),
        tiny=tiny,
        teacher_files=teachers or (),
        with_data=given,
    )


def _carry_out(
    recipe: Any,
    page: Path | None,
    out: Path | None,
    data: Path | None,
    weights: Path | None,
    resume: bool,
    quiet: bool,
    json: Path | None,
    folds: int | None = None,
    devices: int | None = None,
    strategy: str | None = None,
    **options: Any,
) -> None:
    out = out or _default_out(page)
    common.check_writable(json)
    resume_hint[:] = [f"Go on with: {common.resume_command()}"]
    common.load_tensorflow()
    from kerakd import run

    carry_out = run.run_recipe if folds is None else run.run_folds
    if folds is not None:
        options["count"] = folds
    with spreading.over(devices, strategy):
        metrics = carry_out(
            recipe,
            out,
            data=data,
            weights=weights,
            recipe_folder=page.parent if page else None,
            resume=resume,
            command=common.command_line(),
            verbose=common.verbosity(quiet),
            say=common.say,
            **options,
        )
        if not spreading.keeps_files(strategy):
            print("This worker's part is done; the run folder is that of worker 0.")
            return
    _tell(metrics, out)
    common.write_figures(json, metrics)


def _tell(metrics: dict[str, Any], out: Path) -> None:
    """The result on the terminal: the tables, and where to read on."""
    if metrics["task"] == "segmentation":
        cases.tell_run(metrics, out)
        return
    if metrics["phantom"]:
        print("\nPhantoms drawn by a program, not MRI data.")
    if "sweep" in metrics:
        rows = metrics["sweep"]["rows"]
        keys = list(metrics["sweep"]["chosen"])
        common.show_table(
            [*keys, "Validation accuracy", "Macro F2", "Log loss"],
            [
                [
                    *(str(row[key]) for key in keys),
                    f"{100 * row['accuracy']:.2f}%",
                    f"{100 * row['macro_f2']:.2f}%",
                    f"{row['log_loss']:.4f}",
                ]
                for row in rows
            ],
            text_columns=len(keys),
        )
    common.show_models(metrics)
    for text in _both_lines(metrics):
        print(text)
    for warning in metrics["warnings"]:
        print(f"Note: {warning}")
    export = metrics.get("export") or {}
    for one in (export.get("modes") or {}).values():
        print(
            f"{one['path']}: {one['bytes'] / 1e6:.2f} MB; on {one['images']} "
            "images its logits differ from Keras's by at most "
            f"{one['max_abs_difference']:.2e}, and {one['top1_agreement']:.1%} "
            "of its answers are the same."
        )
    verdict = metrics.get("distillation", {}).get("verdict")
    if verdict:
        print(verdict)
    report = out / "report.html"
    print(f"Report: {report}" if report.is_file() else f"Run folder: {out}")


def _both_lines(metrics: dict[str, Any]) -> list[str]:
    """What is known of copies in training, and results on images from elsewhere."""
    from kerakd.report.lines import leaks

    tested = any(known.get("test") for known in metrics["models"].values())
    lines = leaks(metrics) if tested else []
    for one in metrics.get("external") or []:
        for model, found in one["models"].items():
            low, high = found["intervals"]["accuracy"]
            lines.append(
                f"{one['source']}, {model}: accuracy {found['accuracy']:.2%} of "
                f"{found['count']} images ({low:.1%} to {high:.1%})"
            )
    folds = metrics.get("folds")
    if folds:
        for model in folds["models"]:
            mean, spread = folds["mean"][model], folds["spread"][model]
            lines.append(
                f"{model}: {mean:.2%}, standard deviation {100 * spread:.2f} points "
                f"over {len(folds['rows'])} folds"
            )
    return lines


def _default_out(page: Path) -> Path:
    return Path("runs") / page.stem
