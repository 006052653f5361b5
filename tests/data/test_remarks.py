"""What the loader did is told in sentences, and silence means that all was well."""

import pytest

from kerakd.data.remarks import remarks


@pytest.mark.parametrize(
    ("notes", "line"),
    [
        ({"entered": "a/b"}, "The data set was found in the folder a/b."),
        ({"ignored_folders": ["masks"]}, "Not used: the folders masks."),
        (
            {"aliases": {"no": "notumor"}},
            "Classes were read under other names: no as notumor.",
        ),
        ({"left_out_classes": ["x"]}, "Classes left out as asked: x."),
        ({"missing_classes": {"test": ["x", "y"]}}, "The test split has no x, y."),
        (
            {"skipped": {"hidden": 2, "non_image": 0, "examples": ["a/.x", "a/.y"]}},
            "Files passed over: 2 hidden (such as a/.x, a/.y).",
        ),
        (
            {"bad": [{"id": "a/x.png", "reason": "the file is empty"}]},
            "Bad files left out (1): a/x.png (the file is empty).",
        ),
        (
            {"split": {"shared_groups": {"train/test": 4}}},
            "4 groups are in both train and test.",
        ),
    ],
)
def test_each_note_has_its_sentence(notes, line):
    assert remarks(notes) == [line]


def test_nothing_to_remark():
    skipped = {"hidden": 0, "non_image": 0, "examples": []}
    assert remarks({"entered": "", "bad": [], "skipped": skipped}) == []
    assert remarks({}) == []
