import pytest

from kerakd.errors import DataError
from kerakd.evaluation import wilson_interval


def test_equals_the_published_example():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81/263 and 15/148, 0/20, 1/29.
    for successes, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        got = wilson_interval(successes / count, count)
        assert got == pytest.approx((low, high), abs=5e-5)


def test_all_right_is_not_certainty():
    low, high = wilson_interval(1.0, 100)
    assert high == 1.0
    assert 0.95 < low < 0.97


@pytest.mark.parametrize("arguments", [(1.1, 5), (0.5, 0), (0.5, 5, 1.0)])
def test_refuses_what_is_no_proportion(arguments):
    with pytest.raises(DataError, match="needs a proportion"):
        wilson_interval(*arguments)
