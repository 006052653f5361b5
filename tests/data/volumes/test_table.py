import subprocess
import sys

import numpy as np
import pytest

import kerakd
from kerakd.data.volumes import CaseError
from kerakd.errors import DataError, RecipeError
from tests.data.volumes import made
from tests.data.volumes.test_reading import ALL, BAD, spoil


def test_a_table_of_cases(tmp_path):
    for number in range(3):
        made.write_case(tmp_path, f"BraTS2021_{number:05d}", number)
    made.write_case(tmp_path, "BraTS2021_00009", 9, truth=False)
    volumes = kerakd.data.load_volumes(tmp_path)
    assert volumes.modalities == ("flair", "t1ce", "t2")
    assert volumes.scheme.name == "brats2018-2021"
    assert volumes.samples.labels.tolist() == [1, 1, 1, 0]
    assert volumes.samples.class_names == ("no truth", "tumour")
    assert set(volumes.samples.table["width"]) == {20}
    assert set(volumes.samples.table["height"]) == {24}
    assert volumes.remarks == []
    _, labels = made.head(1)
    assert volumes.findings[1].tumour_voxels == np.count_nonzero(labels)


def test_patients_are_never_split(tmp_path):
    for patient in range(6):
        for time in range(2):
            name = f"BraTS-GLI-{patient:05d}-{time:03d}"
            made.write_new_case(tmp_path, name, patient)
    volumes = kerakd.data.load_volumes(tmp_path, scheme="brats2023")
    for seed in range(3):
        table = volumes.split(validation=0.2, test=0.2, seed=seed).samples.table
        assert set(table["split"]) == {"train", "validation", "test"}
        assert (table.groupby("group")["split"].nunique() == 1).all()
    test = volumes.split(validation=0.2, test=0.2).subset("test")
    assert [case.id for case in test.cases] == test.samples.ids.tolist()


@pytest.mark.parametrize("kind", BAD)
def test_bad_cases_stop_or_are_left_out_and_listed(tmp_path, kind):
    sentence = spoil(kind, made.write_case(tmp_path))
    made.write_case(tmp_path, "BraTS2021_00002", 2)
    with pytest.raises(CaseError, match=sentence):
        kerakd.data.load_volumes(tmp_path, modalities=ALL)
    volumes = kerakd.data.load_volumes(tmp_path, modalities=ALL, skip_bad_cases=True)
    assert [case.id for case in volumes.cases] == ["BraTS2021_00002"]
    assert [one.id for one in volumes.bad] == ["BraTS2021_00001"]
    assert "Bad cases left out (1): BraTS2021_00001: " in volumes.remarks[0]


def test_several_bad_cases_are_told_at_once(tmp_path):
    for number, kind in enumerate(("NaN", "no FLAIR")):
        folder = made.write_case(tmp_path, f"BraTS2021_{number:05d}")
        spoil(kind, folder)
    with pytest.raises(DataError, match=r"2 of 2 cases cannot be .*00000: .*00001"):
        kerakd.data.load_volumes(tmp_path, modalities=ALL)
    with pytest.raises(DataError, match="None of the 2 cases"):
        kerakd.data.load_volumes(tmp_path, modalities=ALL, skip_bad_cases=True)


def test_an_empty_mask_is_told_and_no_fault(tmp_path):
    folder = made.write_case(tmp_path)
    made.save(folder / f"{folder.name}_seg.nii.gz", np.zeros(made.SHAPE, np.uint8))
    volumes = kerakd.data.load_volumes(tmp_path)
    assert volumes.samples.class_names == ("no tumour",)
    assert volumes.remarks == [
        "Case BraTS2021_00001: its mask is empty: a case without tumour."
    ]


def test_a_scheme_is_asked_for_where_the_naming_has_several(tmp_path):
    made.write_new_case(tmp_path)
    with pytest.raises(RecipeError, match=r"resection cavity in 2024.*brats2024-gli"):
        kerakd.data.load_volumes(tmp_path)
    with pytest.raises(RecipeError, match="Did you mean 'flair'"):
        kerakd.data.load_volumes(tmp_path, modalities=["flare"])
    with pytest.raises(RecipeError, match="each once"):
        kerakd.data.load_volumes(tmp_path, modalities=["t1", "t1"])


def test_no_tensorflow_is_loaded(tmp_path):
    made.write_case(tmp_path)
    code = (
        "import sys, kerakd; "
        f"print(len(kerakd.data.load_volumes({str(tmp_path)!r}))); "
        "print('tensorflow' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["1", "False"]


def test_real_brats_case(real_data):
    volumes = kerakd.data.load_volumes(real_data / "brats" / "BraTS2021_00006")
    (found,) = volumes.findings
    assert found.shape == (155, 240, 240)
    assert found.spacing == (1.0, 1.0, 1.0)
    assert found.tumour_voxels == 137911
    with pytest.raises(CaseError, match="4 is not in the scheme 'brats2023'"):
        kerakd.data.load_volumes(
            real_data / "brats" / "BraTS2021_00006", scheme="brats2023"
        )


def test_real_case_of_2015(real_data):
    folder = real_data / "brats-2015" / "brats_2013_pat0003_1"
    with pytest.raises(CaseError, match=r"it has no T2 \(found: flair, t1ce\)"):
        kerakd.data.load_volumes(folder)
    volumes = kerakd.data.load_volumes(folder, modalities=("flair", "t1ce"))
    assert volumes.scheme.name == "brats2015"
    (found,) = volumes.findings
    assert found.tumour_voxels == 173928
    # The data's own brain mask, not "whatever is above 0".
    assert found.brain_voxels == 1690470
