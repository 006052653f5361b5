"""Spellings of one class come together, and only when that is asked for."""

import pytest

from kerakd.data.aliases import rename
from kerakd.errors import DataError


def test_nothing_is_renamed_unasked():
    names = ["no_tumor", "glioma_tumor"]
    assert rename(names, False) == {n: n for n in names}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_tumor", "notumor"),
        ("notumor", "notumor"),
        ("no-tumor", "notumor"),
        ("No Tumour", "notumor"),
        ("no", "notumor"),
        ("glioma_tumor", "glioma"),
        ("Glioma", "glioma"),
        ("meningioma_tumor", "meningioma"),
        ("PITUITARY_TUMOR", "pituitary"),
        ("benign", "benign"),
        ("B", "B"),
    ],
)
def test_the_usual_spellings(name, expected):
    assert rename([name], True) == {name: expected}


def test_other_classes_take_the_spelling_of_training():
    found = rename(["Benign", "benign", "M"], True, reference=["Benign", "M"])
    assert found == {"Benign": "Benign", "benign": "Benign", "M": "M"}


def test_a_mapping_does_what_it_says():
    found = rename(["no_tumor", "yes"], {"yes": "tumor"})
    assert found == {"no_tumor": "no_tumor", "yes": "tumor"}


def test_a_mapping_of_an_absent_folder_is_a_mistake():
    with pytest.raises(DataError, match=r"'no_tumour'.*Did you mean 'no_tumor'"):
        rename(["no_tumor"], {"no_tumour": "notumor"})
