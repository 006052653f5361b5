"""The two lines that always stand together: all test images, and those without a copy.

A test image whose copy was trained on tells how well a model remembers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kerakd.report.numbers import score

# Key in `metrics.json`, and what it is called.
ALL = "test"
CLEAN = "test_without_copies"
IMAGE_LEVEL = (
    "Intervals are 95% Wilson intervals at the level of images: they take the test "
    "pictures as independent. Slices of one patient and copies of one picture are not, "
    "and then the uncertainty is larger."
)
LINES = {ALL: "All test images", CLEAN: "Without copies"}


def bounds(test: Mapping[str, Any]) -> Sequence[float] | None:
    """The interval of the accuracy: over groups where the run has it, else Wilson's."""
    intervals = test.get("intervals") or {}
    return intervals.get("accuracy") or test.get("accuracy_interval")


def leaks(metrics: Mapping[str, Any]) -> list[str]:
    """Whether test images have copies in training, in sentences."""
    told = metrics.get("audit") or {}
    if not told.get("looked"):
        return [
            "Whether test images have a copy in training was not looked for: if they "
            "have, every figure here is too good."
        ]
    count, total = told.get("with_a_copy"), told.get("test_images")
    if count is None or not total:
        return []
    if count == 0:
        return [
            f"None of the {total} test images has a copy in training or validation "
            "that the audit could find: both lines are the same."
        ]
    left = total - count
    sentence = (
        f"{count} of the {total} test images ({score(count / total)}) have a copy in "
        "training or validation (the same picture, mirrored, turned or in another "
        "contrast)"
    )
    if left == 0:
        return [f"{sentence}; none is left to test on."]
    return [
        f"{sentence}. The line without them, {left} images, comes nearer to new "
        f"pictures{_absent(metrics)}."
    ]


def _absent(metrics: Mapping[str, Any]) -> str:
    """Which classes the images without copies do not hold."""
    models = (metrics.get("models") or {}).values()
    lines = [m[CLEAN] for m in models if m.get(CLEAN)]
    classes = (lines[0].get("per_class") or {}) if lines else {}
    absent = [name for name, one in classes.items() if one.get("support") == 0]
    return f", but holds no image of {', '.join(absent)}" if absent else ""


def about_intervals(metrics: Mapping[str, Any]) -> str:
    """How the intervals of a run were made."""
    tests = [known.get(ALL) or {} for known in (metrics.get("models") or {}).values()]
    known = next((t["intervals"] for t in tests if t.get("intervals")), None)
    if known is None:
        return IMAGE_LEVEL
    groups = (metrics.get("audit") or {}).get("groups") or "groups"
    return (
        f"Intervals hold 95%: {known['resamples']} times the test set's "
        f"{known['groups']} groups ({groups}) were drawn anew, since what belongs to "
        "one group is right or wrong together. Where every answer is right, the "
        "interval is Wilson's with one observation for each group."
    )
