"""What came out of a run, in sentences that claim no more than the figures do."""

from collections.abc import Mapping
from typing import Any

from kerakd.report.lines import CLEAN, bounds, leaks
from kerakd.report.numbers import interval, ratio
from kerakd.report.style import percent, without_teacher

NOT_A_DEVICE = "Research use only, not a medical device."
PHANTOM = (
    "The pictures are phantoms drawn by a program: these figures show that the "
    "machinery works and say nothing about patients."
)


def headline(metrics: Mapping[str, Any]) -> list[str]:
    """The result in a few sentences, the student's accuracy first.

    Args:
        metrics: What `metrics.json` of a run holds.

    Returns:
        Sentences; none where nothing was tested yet.
    """
    models = metrics.get("models", {})
    student, teacher, baseline = (
        _test(models, model) for model in ("student", "teacher", "baseline")
    )
    sentences = []
    if student:
        who = "distilled student"
        if without_teacher(metrics):
            who = "network, trained on labels alone,"
        sentences.append(
            f"The {who} names {percent(student['accuracy'], 2)} of the "
            f"{student['count']} test pictures correctly (95% interval "
            f"{interval(bounds(student))}){_clean(models)}."
        )
        sentences += leaks(metrics)[:1] if "audit" in metrics else []
    if teacher:
        clean = (models.get("teacher") or {}).get(CLEAN) or {}
        second = ""
        if clean.get("accuracy") is not None:
            second = f" and {percent(clean['accuracy'], 2)} without copies"
        sentences.append(
            f"Its teacher reaches {percent(teacher['accuracy'], 2)}{second}."
        )
    verdict = (metrics.get("distillation") or {}).get("verdict")
    if verdict:
        # Several seeds were trained: they tell more than the intervals of one.
        sentences.append(str(verdict))
        second = metrics["distillation"].get("verdict_without_copies")
        if second:
            sentences.append(f"On the test images without copies: {second}")
    elif student and baseline:
        sentences.append(_gain(student, baseline))
    cost = _cost(models)
    if cost:
        sentences.append(cost)
    if sentences and metrics.get("phantom"):
        sentences.append(PHANTOM)
    return sentences


def _gain(student: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Whether distillation helped, as far as one run can tell."""
    difference = 100 * (student["accuracy"] - baseline["accuracy"])
    pictures = round(abs(difference) / 100 * student["count"])
    alone = "the same student trained without a teacher"
    if abs(difference) < 0.005:
        return f"Distillation changed nothing: {alone} is as accurate."
    verb = "gained" if difference > 0 else "lost"
    low, high = sorted((student, baseline), key=lambda m: m["accuracy"])
    apart = low["accuracy_interval"][1] < high["accuracy_interval"][0]
    verdict = (
        "their intervals do not overlap, though other seeds may differ"
        if apart
        else "their intervals overlap, so from this run alone it may be chance"
    )
    return (
        f"Distillation {verb} {abs(difference):.2f} points ({pictures} "
        f"{'picture' if pictures == 1 else 'pictures'}) against {alone} "
        f"({percent(baseline['accuracy'], 2)}); {verdict}."
    )


def _clean(models: Mapping[str, Any]) -> str:
    """What the student reaches on test images without a copy in training."""
    test = (models.get("student") or {}).get(CLEAN) or {}
    if test.get("accuracy") is None:
        return ""
    return (
        f", and {percent(test['accuracy'], 2)} of the {test['count']} without a copy "
        f"in training ({interval(bounds(test))})"
    )


def _cost(models: Mapping[str, Any]) -> str | None:
    teacher, student = models.get("teacher", {}), models.get("student", {})
    parts = []
    for key, name in (("multiply_adds", "multiply-adds"), ("parameters", "parameters")):
        share = ratio(student.get(key), teacher.get(key))
        if share:
            parts.append(f"{share} of the teacher's {name}")
    return f"The student has {' and '.join(parts)}." if parts else None


def _test(models: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    test = (models.get(model) or {}).get("test") or {}
    needed = ("accuracy", "accuracy_interval", "count")
    return test if all(test.get(key) is not None for key in needed) else None
