"""The table of the models of a run: what they cost and how good they are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kerakd.report.lines import ALL, CLEAN, bounds
from kerakd.report.markdown import table
from kerakd.report.numbers import UNKNOWN, decimal, interval, quantity, score
from kerakd.report.style import in_order, title

HEADINGS = (
    "Model",
    "Parameters",
    "MB",
    "Multiply-adds",
    "Test accuracy",
    "95% interval",
    "Without copies",
    "Its 95% interval",
    "Macro F1",
    "Macro F2",
    "ms / image",
)


class ModelRow(NamedTuple):
    """One model of a run.

    Attributes:
        model: Its key, such as `"student"`.
        detail: What the run calls it, where that says more than its role.
        cells: Text for each of `HEADINGS`.
    """

    model: str
    detail: str
    cells: tuple[str, ...]


def model_rows(metrics: Mapping[str, Any]) -> list[ModelRow]:
    """The rows of the table, teacher first.

    Args:
        metrics: What `metrics.json` of a run holds.

    Returns:
        One row for each model; a dash stands for what was not measured.
    """
    models = metrics.get("models", {})
    return [_row(model, models[model]) for model in in_order(models)]


def markdown_table(metrics: Mapping[str, Any]) -> str:
    """The same table in Markdown."""
    return table(HEADINGS, [row.cells for row in model_rows(metrics)])


def seed_table(
    metrics: Mapping[str, Any],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Test accuracy by seed, with mean and standard deviation, on both lines.

    Args:
        metrics: What `metrics.json` of a run holds.

    Returns:
        Headings, and a row for each model that was trained with several seeds.
    """
    models = metrics.get("models", {})
    several = [model for model in in_order(models) if models[model].get("seeds")]
    seeds = list(
        dict.fromkeys(one["seed"] for m in several for one in models[m]["seeds"])
    )
    rows = []
    for model in several:
        known = models[model]
        for line, ending in ((ALL, ""), (CLEAN, "_without_copies")):
            if f"mean{ending}" not in known:
                continue
            by_seed = {
                one["seed"]: one[line]["accuracy"]
                for one in known["seeds"]
                if line in one
            }
            spread = known[f"spread{ending}"]["accuracy"]
            rows.append(
                (
                    title(model) + (", without copies" if ending else ""),
                    *(score(by_seed.get(seed)) for seed in seeds),
                    score(known[f"mean{ending}"]["accuracy"]),
                    f"{100 * spread:.2f}",
                )
            )
    headings = ("Test accuracy", *(f"Seed {seed}" for seed in seeds))
    return (*headings, "Mean", "Standard deviation (points)"), rows


def _row(model: str, known: Mapping[str, Any]) -> ModelRow:
    test, clean = known.get(ALL) or {}, known.get(CLEAN) or {}
    name = title(model)
    detail = str(known.get("title") or "")
    return ModelRow(
        model,
        "" if detail == name else detail,
        (
            name,
            quantity(known.get("parameters")),
            decimal(known.get("megabytes")),
            quantity(known.get("multiply_adds")),
            score(test.get("accuracy")),
            interval(bounds(test)) or UNKNOWN,
            score(clean.get("accuracy")),
            interval(bounds(clean)) or UNKNOWN,
            score(test.get("macro_f1")),
            score(test.get("macro_f2")),
            decimal(known.get("ms_per_image")),
        ),
    )
