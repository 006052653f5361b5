import pytest

from kerakd.data.volumes.layouts import find_cases, patient_of
from kerakd.errors import DataError
from tests.data.volumes import made


def test_old_naming_in_folders_and_flat(tmp_path):
    made.write_case(tmp_path / "HGG", "Brats18_TCIA01_150_1")
    volumes, labels = made.head()
    made.save(tmp_path / "flat" / "x_flair.nii.gz", volumes["flair"])
    made.save(tmp_path / "flat" / "x_t1ce.nii", volumes["t1ce"])
    made.save(tmp_path / "flat" / "y_seg.nii.gz", labels)
    (tmp_path / ".hidden").mkdir()
    made.write_case(tmp_path / ".hidden", "unseen")
    first, second = find_cases(tmp_path)
    assert (first.id, first.group) == (
        "HGG/Brats18_TCIA01_150_1",
        "Brats18_TCIA01_150",
    )
    assert set(first.images) == {"t1", "t1ce", "t2", "flair"}
    assert first.mask.name == "Brats18_TCIA01_150_1_seg.nii.gz"
    assert first.layout == "brats2018-2021"
    # Masks alone, such as predictions, are no case.
    assert second.id == "flat/x"
    assert set(second.images) == {"flair", "t1ce"}
    assert second.mask is None


def test_one_case_is_named_as_its_folder(tmp_path):
    folder = made.write_case(tmp_path)
    (case,) = find_cases(folder)
    assert case.id == "BraTS2021_00001"


def test_new_naming_keeps_examinations_of_a_patient_together(tmp_path):
    made.write_new_case(tmp_path, "BraTS-GLI-00005-000")
    made.write_new_case(tmp_path, "BraTS-GLI-00005-001")
    cases = find_cases(tmp_path)
    assert [case.layout for case in cases] == ["brats2023"] * 2
    assert {case.group for case in cases} == {"BraTS-GLI-00005"}


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("BraTS2021_00006", "BraTS2021_00006"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("Brats17_TCIA_607_1", "Brats17_TCIA_607"),
        ("brats_2013_pat0003_1", "brats_2013_pat0003"),
        ("brats_tcia_pat105_0001", "brats_tcia_pat105"),
        ("BraTS-MET-00012-002", "BraTS-MET-00012"),
        ("TCGA_HT_7605_19950916", "TCGA_HT_7605"),
    ],
)
def test_patients(case, patient):
    assert patient_of(case) == patient


def test_first_years(tmp_path):
    volumes, labels = made.head()
    place = tmp_path / "brats_2013_pat0001_1"
    made.save(place / "Flair_subtr.nii.gz", volumes["flair"])
    made.save(place / "T1c_subtr.nii.gz", volumes["t1ce"])
    made.save(place / "OTMultiClass.nii.gz", labels)
    made.save(place / "brainmask.nii.gz", (volumes["t1"] > 0).astype("uint8"))
    (case,) = find_cases(tmp_path)
    assert case.layout == "brats2015"
    assert set(case.images) == {"flair", "t1ce"}
    assert case.mask.name == "OTMultiClass.nii.gz"
    assert case.brain.name == "brainmask.nii.gz"


def test_decathlon_takes_its_channels_from_the_description(tmp_path):
    made.write_decathlon(tmp_path)
    cases = find_cases(tmp_path)
    assert [case.group for case in cases] == ["BRATS_000", "BRATS_001"]
    channels = {name: source.channel for name, source in cases[0].images.items()}
    assert channels == {"flair": 0, "t1": 1, "t1ce": 2, "t2": 3}
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"no .*dataset\.json, which tells"):
        find_cases(tmp_path)


def test_slices(tmp_path):
    folder = made.write_tif_case(tmp_path)
    (case,) = find_cases(tmp_path)
    assert (case.layout, case.group) == ("kaggle_3m", "TCGA_AB_1234")
    assert case.mask == folder
    assert len(case.files) == 22


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        find_cases(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"no case that kerakd knows\. Expected one of"):
        find_cases(tmp_path)
    (tmp_path / "a.mha").write_text("x")
    with pytest.raises(DataError, match="converted to NIfTI first"):
        find_cases(tmp_path)


def test_two_cases_of_one_name(tmp_path):
    volumes, _ = made.head()
    made.save(tmp_path / "a_t1.nii.gz", volumes["t1"])
    made.save(tmp_path / "a" / "a_t1.nii.gz", volumes["t1"])
    with pytest.raises(DataError, match="two cases 'a'"):
        find_cases(tmp_path)
