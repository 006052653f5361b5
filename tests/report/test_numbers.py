import pytest

from kerakd.report.numbers import (
    UNKNOWN,
    decimal,
    duration,
    interval,
    quantity,
    ratio,
    score,
    summary,
)


def test_quantities_have_a_unit():
    assert [quantity(v) for v in (42_658_176, 410_208, 7.8e9, 12, 0, None)] == [
        "42.7 M",
        "410 k",
        "7.8 G",
        "12",
        "0",
        UNKNOWN,
    ]


def test_decimals_keep_their_digits():
    assert [decimal(v) for v in (1.8342, 0.0312, 3.8e-6, 12345.6, 0, None)] == [
        "1.83",
        "0.0312",
        "3.80e-06",
        "12,346",
        "0",
        UNKNOWN,
    ]


def test_undefined_is_a_dash_and_zero_is_zero():
    assert score(None) == UNKNOWN
    assert score(0.0) == "0%"
    assert interval(None) == ""
    assert interval([0.98123, 1.0]) == "98.12 to 100%"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 8, "1/8"),
        (1, 2.5, "1/2.5"),
        (1, 1.2, None),
        (None, 3, None),
        (3, None, None),
    ],
)
def test_a_share_is_told_only_where_it_is_a_gain(part, whole, text):
    assert ratio(part, whole) == text


def test_durations():
    assert [duration(s) for s in (4.21, 200, 3900, 59.96)] == [
        "4.2 s",
        "3 min 20 s",
        "1 h 05 min",
        "60.0 s",
    ]


def test_notes_of_any_kind_are_one_line():
    note = {"bad": list("abcdefg"), "ok": True, "gpus": [], "none": None}
    assert summary(note) == (
        "bad: a, b, c, d, e and 2 more; ok: yes; gpus: none; none: not given"
    )
