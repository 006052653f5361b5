"""The half of `kerakd run` that is about several recipes."""

from pathlib import Path
from typing import Any

from kerakd.cli import common
from kerakd.cli.errors import resume_hint


def in_turn(
    recipes: dict[Path, Any],
    out: Path | None,
    data: Path | None,
    weights: Path | None,
    resume: bool,
    quiet: bool,
    json: Path | None,
    **options: Any,
) -> None:
    """Several recipes one after the other, and a table of what became of them."""
    from kerakd.errors import KerakdError, RecipeError

    names = [page.stem for page in recipes]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(
                f"Two recipes are called {name}.yaml and would share a run folder; "
                "run them one by one."
            )
    common.check_writable(json)
    resume_hint[:] = [f"Go on with: {common.resume_command()}"]
    common.load_tensorflow()
    from kerakd.run.several import result_of, run_several

    out = out or Path("runs")
    found = run_several(
        dict(zip(names, recipes.values(), strict=True)),
        out,
        folders={page.stem: page.parent for page in recipes},
        data=data,
        weights=weights,
        resume=resume,
        command=common.command_line(),
        verbose=common.verbosity(quiet),
        say=common.say,
        **options,
    )
    common.show_table(
        ["Recipe", "Student on the test", "Seconds"],
        [
            [
                name,
                f"failed: {one['error']}"
                if "error" in one
                else result_of(one["metrics"]),
                f"{one['seconds']:.0f}",
            ]
            for name, one in found.items()
        ],
        text_columns=2,
    )
    if any((one.get("metrics") or {}).get("phantom") for one in found.values()):
        print("Phantoms drawn by a program, not images of patients.")
    common.write_figures(json, found)
    failed = [name for name, one in found.items() if "error" in one]
    if failed:
        raise KerakdError(
            f"{len(failed)} of {len(found)} recipes failed ({', '.join(failed)}); the "
            f"others are finished, see the run folders in {out}."
        )
