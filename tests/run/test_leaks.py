"""Which test images have a copy among those that were learned from."""

import numpy as np
import pandas as pd
import pytest

from kerakd.data import Samples
from kerakd.errors import DataError
from kerakd.run.auditing import read_clusters
from kerakd.run.leaks import Leaks, joined, with_copies

SPLITS = ["train", "train", "validation", "test", "test", "test", "test"]


@pytest.fixture
def samples():
    rows = [
        (f"{k}.png", f"{k}.png", "ab"[k % 2], f"{k}.png", split, 9, 9, "L")
        for k, split in enumerate(SPLITS)
    ]
    columns = ["id", "path", "label", "group", "split", "width", "height", "mode"]
    return Samples(pd.DataFrame(rows, columns=columns), None, ("a", "b"))


# 3 is a copy of a training image, 4 of a validation image, 5 and 6 of each other.
CLUSTERS = {"0.png": 7, "3.png": 7, "2.png": 1, "4.png": 1, "5.png": 2, "6.png": 2}


def test_copies_of_what_was_learned_or_chosen_by_are_found(samples):
    assert with_copies(samples, CLUSTERS).tolist() == [True, True, False, False]
    train = with_copies(samples, CLUSTERS, against=("train",))
    assert train.tolist() == [True, False, False, False]


def test_an_image_in_no_cluster_stands_alone(samples):
    assert not with_copies(samples, {}).any()
    # Not even a cluster whose number is that of a row takes it in.
    assert not with_copies(samples, {str(k): k for k in range(7)}).any()


def test_what_is_told_of_a_run(samples):
    found = Leaks.of(samples, CLUSTERS)
    assert found.has_copy.tolist() == [True, True, False, False]
    assert found.told == {
        "looked": True,
        "groups": "clusters of copies",
        "test_images": 4,
        "with_a_copy": 2,
        "without_a_copy": 2,
        "against": ["train", "validation"],
    }
    groups = found.groups_of(samples, "test")
    assert groups[2] == groups[3]
    assert len(set(groups)) == 3


def test_nothing_is_claimed_where_nothing_was_looked_for(samples):
    found = Leaks.of(samples, None)
    assert found.has_copy is None
    assert found.told == {"looked": False, "groups": "single images"}


def test_patients_and_copies_are_joined_along_chains():
    patients = np.array(["p", "p", "q", "q", "r"])
    copies = np.array([0, 1, 1, 2, 3])
    groups = joined(patients, copies)
    assert len(set(groups[:4])) == 1
    assert groups[4] not in groups[:4]
    assert len(set(joined(patients, None))) == 3


def test_clusters_come_back_from_their_file(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text('id,cluster,group\n"a,""b"".png",3,x\nü.png,3,y\n', "utf-8")
    assert read_clusters(path) == {'a,"b".png': "3", "ü.png": "3"}
    path.write_text("id,group\na.png,x\n")
    assert read_clusters(path) == {"a.png": "x"}
    path.write_text("nothing\n")
    with pytest.raises(DataError, match="no table of groups"):
        read_clusters(path)
