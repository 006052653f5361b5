"""Groups come from a mapping, a function, a pattern or a table, for every sample."""

import re

import pytest

from kerakd.data.groups import assign_groups, first_of
from kerakd.errors import DataError

IDS = ["a/p1_s1.png", "a/p1_s2.png", "b/p22_s1.png"]
WANTED = ["p1", "p1", "p22"]


@pytest.mark.parametrize(
    "groups",
    [
        dict(zip(IDS, WANTED, strict=True)),
        lambda name: name.split("/")[1].split("_")[0],
        r"p\d+",
        r"/(p\d+)_s",
        re.compile(r"(P\d+)", re.IGNORECASE),
    ],
)
def test_ways_to_say_it(groups):
    assert assign_groups(IDS, groups) == WANTED


def test_a_table(tmp_path):
    path = tmp_path / "patients.csv"
    rows = [f'"{i}",{g}' for i, g in zip(IDS, WANTED, strict=True)]
    path.write_text("\ufeffid,group\n" + "\n".join(rows), encoding="utf-8")
    assert assign_groups(IDS, path) == WANTED
    assert assign_groups(IDS, str(path)) == WANTED


def test_numbers_become_text():
    assert assign_groups(IDS, lambda name: 7) == ["7"] * 3


@pytest.mark.parametrize(
    "groups",
    [{}, r"(x\d+)", lambda name: None, lambda name: "", lambda n: float("nan")],
)
def test_a_sample_without_a_group_is_named(groups):
    with pytest.raises(DataError, match=r"3 of 3 samples: a/p1_s1\.png"):
        assign_groups(IDS, groups)


def test_bad_tables_and_patterns(tmp_path):
    path = tmp_path / "patients.csv"
    with pytest.raises(DataError, match="no table of groups"):
        assign_groups(IDS, path)
    path.write_text("id,grp\n")
    with pytest.raises(DataError, match=r"no column 'group'.*Did you mean 'grp'"):
        assign_groups(IDS, path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no column 'id'"):
        assign_groups(IDS, path)
    path.write_bytes(b"id,group\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="UTF-8"):
        assign_groups(IDS, path)
    with pytest.raises(DataError, match="regular expression"):
        assign_groups(IDS, "(p")
    with pytest.raises(DataError, match="not int"):
        assign_groups(IDS, 3)


def test_long_lists_are_cut():
    assert first_of(["a", "b"]) == "a, b"
    assert first_of(list("abcde"), 2) == "a, b and 3 more"
