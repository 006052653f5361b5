"""Numbers as people read them."""

from collections.abc import Sequence
from typing import Any

from kerakd.report.style import percent

UNKNOWN = "\u2013"


def quantity(value: float | None) -> str:
    """A count with a unit of thousands, three digits: `"42.7 M"`."""
    if value is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, or a dash."""
    if value is None:
        return UNKNOWN
    if value and abs(value) < 1e-3:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def score(value: float | None) -> str:
    """A share of 0..1 as percent with two decimals, or a dash where undefined."""
    return UNKNOWN if value is None else percent(value, 2)


def interval(bounds: Sequence[float] | None) -> str:
    """An interval of shares in percent: `"98.12 to 99.30%"`; empty where unknown."""
    if not bounds:
        return ""
    low, high = (percent(bound, 2) for bound in bounds)
    return f"{low.removesuffix('%')} to {high}"


def ratio(part: float | None, whole: float | None) -> str | None:
    """`part` as a fraction of `whole` in words: `"1/8"`; `None` where it is no gain."""
    if not part or not whole or whole < 1.5 * part:
        return None
    return f"1/{whole / part:.0f}" if whole >= 3 * part else f"1/{whole / part:.1f}"


def duration(seconds: float) -> str:
    """`"1 h 05 min"`, `"3 min 20 s"` or `"4.2 s"`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def summary(value: Any, longest: int = 5) -> str:
    """A note of any JSON kind as one line; long lists say how much is left out."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in ({}, [], ()):
        return "none"
    if isinstance(value, dict):
        parts = [f"{key}: {summary(part, longest)}" for key, part in value.items()]
        return "; ".join(parts)
    if isinstance(value, list | tuple):
        shown = ", ".join(summary(part, longest) for part in value[:longest])
        left = len(value) - longest
        return f"{shown} and {left} more" if left > 0 else shown
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not given" if value is None else str(value)
