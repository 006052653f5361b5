"""Where files come from, as their format tells it, and whether that tells the class.

Two classes that were collected by different people come out of different programs:
other JPEG tables, colour modes, sizes. A network can read the class off such traces,
and a test set of the same making cannot tell.
"""

import numpy as np
import pandas as pd

from kerakd.data.samples import Samples

MARKS = ("encoding", "mode", "size", "all of these")
_SHOWN = 12


def summarise_origins(samples: Samples, facts: pd.DataFrame) -> dict:
    """How well each mark of a file's origin predicts class and split, JSON-able.

    Args:
        samples: The table.
        facts: `Marks.facts`.

    Returns:
        Per mark of `MARKS`: `values` (how many there are), `label` and `split` (each
        with `accuracy` of naming it by the majority among the other files with the
        same mark, `chance` and Cramer's `v`; None where there is but one class or
        split), and `table`: counts by class of the commonest values.
    """
    marks = {
        "encoding": facts["format"].astype(str) + " " + facts["encoding"].astype(str),
        "mode": facts["mode"].astype(str),
        "size": facts["width"].astype(str) + "x" + facts["height"].astype(str),
    }
    marks = {name: values.str.strip() for name, values in marks.items()}
    marks["all of these"] = marks["encoding"].str.cat(
        [marks["mode"], marks["size"]], ", "
    )
    label, split = samples.table["label"], samples.table["split"]
    found = {}
    for name in MARKS:
        counts = pd.crosstab(marks[name], label)
        order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
        found[name] = {
            "values": len(counts),
            "label": _foretold(counts),
            "split": _foretold(pd.crosstab(marks[name], split)),
            "table": {
                str(value): {str(k): int(v) for k, v in counts.loc[value].items()}
                for value in order[:_SHOWN]
            },
        }
    return found


def _foretold(counts: pd.DataFrame) -> dict | None:
    """How well rows (marks) tell columns (classes), by leaving one file out."""
    table = counts.to_numpy()
    if table.shape[1] < 2:
        return None
    total = table.sum()
    overall = table.sum(axis=0)
    right = 0.0
    for row in table:
        for column in np.flatnonzero(row):
            others = row.copy()
            others[column] -= 1
            if not others.any():
                others = overall.copy()
                others[column] -= 1
            best = others == others.max()
            right += row[column] * best[column] / best.sum()
    return {
        "accuracy": float(right / total),
        "chance": float(overall.max() / total),
        "v": _cramers_v(table),
    }


def _cramers_v(table: np.ndarray) -> float:
    """Bergsma's bias-corrected Cramer's V: 0 for independent, 1 for a rule."""
    rows, columns = table.shape
    total = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / total
    phi = ((table - expected) ** 2 / expected).sum() / total
    if total < 2:
        return 0.0
    corrected = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    rows -= (rows - 1) ** 2 / (total - 1)
    columns -= (columns - 1) ** 2 / (total - 1)
    least = min(rows, columns) - 1
    return float(np.sqrt(min(1.0, corrected / least))) if least > 0 else 0.0
