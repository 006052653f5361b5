"""What is known of the real sets, found again."""

import pytest

from kerakd.data import audit
from tests.data.image_folders import load_real_mri


def test_breast_ultrasound(real_data):
    found = audit(real_data / "breast-ultrasound", probe=False)
    copies = found.summary["copies"]
    assert copies["identical_redundant"] == 1 and 490 < copies["distinct"] < 505
    assert copies["contradictions"]["clusters"] == 3
    assert (
        found.clusters["B/benign (399).png"] == found.clusters["M/malignant (93).png"]
    )


@pytest.mark.slow
def test_brain_tumour_mri(real_data):
    found = audit(load_real_mri(real_data), probe=False)
    copies = found.summary["copies"]
    assert copies["images"] == 7019
    assert copies["identical_groups"] == 300 and copies["identical_redundant"] == 426
    shared = copies["shared"]["test"]
    assert shared["identical"] == 216 and 985 < shared["with_copy"] < 1005
    assert shared["without_copy_by_class"]["notumor"] == 0
    assert copies["contradictions"]["clusters"] == 4
    assert copies["largest_clusters"][0] == 81 and 3500 < copies["distinct"] < 3600


@pytest.mark.slow
def test_no_copies_between_patients_of_lgg(real_data):
    found = audit(real_data / "lgg" / "kaggle_3m", probe=False)
    assert found.summary["patients"]["patients"] == 75
    assert found.pairs["same_patient"].all() and len(found.pairs) < 40
    assert found.summary["copies"]["contradictions"]["clusters"] == 0
