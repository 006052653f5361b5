"""All findings of an audit as numbers."""

import pandas as pd

from kerakd.data.audit.copies import summarise_copies, summarise_patients
from kerakd.data.audit.marks import Marks
from kerakd.data.audit.odd import summarise_balance, summarise_odd
from kerakd.data.audit.origins import summarise_origins
from kerakd.data.audit.probe import probe_shortcuts
from kerakd.data.audit.words import findings
from kerakd.data.samples import Samples


def summarise(
    samples: Samples,
    marks: Marks,
    images: pd.DataFrame,
    pairs: pd.DataFrame,
    searched: dict,
    with_probe: bool,
    seed: int,
) -> dict:
    """`Audit.summary`: numbers first, and what they mean under `findings`.

    Args:
        samples: The readable images.
        marks: What one look at each gave.
        images: `Audit.images`.
        pairs: `Audit.pairs`.
        searched: How the copies were looked for.
        with_probe: Whether to train the shortcut probe.
        seed: Of the probe.
    """
    summary = {
        "data": {
            "images": len(samples),
            "classes": list(samples.class_names),
            "layout": samples.notes.get("layout"),
            "counts": samples.counts,
            "skipped": samples.notes.get("skipped", {}),
            "bad": samples.notes.get("bad", []),
        },
        "copies": {
            **summarise_copies(samples, marks.pixels, images, pairs),
            **searched,
        },
        "patients": summarise_patients(samples),
        "balance": summarise_balance(samples),
        "odd": summarise_odd(samples, marks),
        "origins": summarise_origins(samples, marks.facts),
        "probe": {"skipped": "it was not asked for"},
    }
    if with_probe:
        summary["probe"] = probe_shortcuts(samples, marks, images["group"], seed)
    summary["findings"] = findings(summary)
    return summary
