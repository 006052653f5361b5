"""What `kerakd audit` and `kerakd split` print."""

from typing import TYPE_CHECKING

from kerakd.cli import common

if TYPE_CHECKING:
    from kerakd.data import Audit, Samples

_FEW = 5


def show_counts(samples: "Samples") -> None:
    """A table of images by class and split."""
    counts = samples.counts
    rows = [
        [name, *(str(counts[one][name]) for one in counts)]
        for name in samples.class_names
    ]
    rows.append(["all", *(str(sum(one.values())) for one in counts.values())])
    columns = [name or "not split" for name in counts]
    common.show_table(("Class", *columns), rows)


def show(found: "Audit") -> None:
    """Tables and sentences of an audit."""
    show_counts(found.samples)
    _show_copies(found.summary["copies"])
    _show_probe(found.summary["probe"])
    for finding in found.summary["findings"]:
        sign = "Warning" if finding["level"] == "warning" else "Note"
        print(f"{sign}: {finding['text']}")
    contradictions = found.summary["copies"]["contradictions"]["list"]
    for one in contradictions[:_FEW]:
        listed = "; ".join(f"{i} as {label}" for i, label in one["images"].items())
        print(f"  contradiction: {listed}")
    if len(contradictions) > _FEW:
        print("  more are in audit.json (--out DIR)")


def _show_copies(copies: dict) -> None:
    rows = [
        ["files", str(copies["images"])],
        ["distinct pictures", str(copies["distinct"])],
        ["files that repeat another's pixels", str(copies["identical_redundant"])],
        ["pairs of near copies", str(copies["near_pairs"])],
        ["clusters of copies", str(copies["clusters_of_copies"])],
        ["clusters with several labels", str(copies["contradictions"]["clusters"])],
    ]
    for split, one in copies["shared"].items():
        against = " or ".join(one["against"])
        rows += [
            [f"{split} images", str(one["images"])],
            [f"  identical to one in {against}", str(one["identical"])],
            [f"  with any copy in {against}", str(one["with_copy"])],
            [f"  without a copy in {against}", str(one["without_copy"])],
        ]
    common.show_table(("Copies", "Number"), rows)


def _show_probe(probe: dict) -> None:
    if "skipped" in probe:
        return
    rows = [["chance", "", f"{probe['chance']:.1%}", f"{probe['balanced_chance']:.1%}"]]
    for name, one in probe["probes"].items():
        accuracy, balanced = one["accuracy"], one["balanced_accuracy"]
        numbers = [str(one["features"]), f"{accuracy:.1%}", f"{balanced:.1%}"]
        rows.append([name, *numbers])
    common.show_table(
        ("What alone names the class", "Numbers", "Accuracy", "Balanced"), rows
    )
