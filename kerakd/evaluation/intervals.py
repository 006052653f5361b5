"""Confidence intervals of a proportion."""

from kerakd.errors import DataError


def wilson_interval(
    proportion: float, count: float, confidence: float = 0.95
) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927).

    Unlike the textbook `p +- 1.96 * sqrt(p (1 - p) / n)` it stays inside 0..1 and does
    not shrink to nothing at an accuracy of 1. It takes the `count` observations as
    independent: pictures of one patient, or copies of one picture, are not, and then
    the true uncertainty is larger than the interval.

    Args:
        proportion: The share observed, 0..1.
        count: How many independent observations it rests on, above 0.
        confidence: Coverage wanted, between 0 and 1.

    Returns:
        Lower and upper bound, 0..1.

    Raises:
        DataError: An argument is outside its range.
    """
    if not 0 <= proportion <= 1 or not count > 0 or not 0 < confidence < 1:
        raise DataError(
            "An interval needs a proportion in 0..1, a count above 0 and a confidence "
            f"between 0 and 1; got {proportion}, {count} and {confidence}."
        )
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    shrink = 1 + z * z / count
    middle = (proportion + z * z / (2 * count)) / shrink
    spread = proportion * (1 - proportion) / count + z * z / (4 * count * count)
    half = z * spread**0.5 / shrink
    # At 0 and 1 the bound is exact; only rounding moves it off by 1e-17.
    low = 0.0 if proportion == 0 else max(0.0, middle - half)
    high = 1.0 if proportion == 1 else min(1.0, middle + half)
    return low, high
