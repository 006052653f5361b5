import json

import numpy as np
import pytest

from kerakd.errors import RecipeError
from kerakd.explain import agreement, agreement_of_maps
from tests.explain import tiny


def test_a_network_agrees_with_itself_more_than_with_another_picture(flat):
    images, labels = tiny.pictures(9), np.arange(9) % 3
    found = agreement(
        flat,
        flat,
        (images, labels),
        ["gradcam", "saliency"],
        target="predicted",
        class_names=["a", "b", "c"],
        resamples=50,
    )
    json.dumps(found, allow_nan=False)
    assert found["count"] == 9
    for method in ("gradcam", "saliency"):
        part = found["methods"][method]["all"]
        assert part["rank_correlation"]["mean"] == pytest.approx(1)
        assert part["centre_distance"]["mean"] == pytest.approx(0, abs=1e-9)
    saliency = found["methods"]["saliency"]
    assert saliency["all"]["rank_correlation"]["chance"] < 0.9
    assert set(saliency["by_class"]) == {"a", "b", "c"}
    assert saliency["by_class"]["a"]["top_iou"]["count"] == 3


def test_parts_are_those_of_right_and_wrong_answers():
    generator = np.random.default_rng(0)
    maps = generator.random((6, 8, 8))
    other = maps.copy()
    other[4] = 1 - other[4]  # the student's answer to 4 is wrong, and so is its map
    other[5] = 0
    found = agreement_of_maps(
        {"m": maps},
        {"m": other},
        labels=[0, 0, 0, 1, 1, 1],
        teacher_says=[0, 0, 0, 1, 1, 1],
        student_says=[0, 0, 0, 1, 0, 1],
        resamples=20,
    )["methods"]["m"]
    assert found["right"]["rank_correlation"]["mean"] == pytest.approx(1)
    assert found["student_wrong"]["rank_correlation"]["mean"] == pytest.approx(-1)
    assert found["student_wrong"]["rank_correlation"]["count"] == 1
    assert found["teacher_wrong"]["rank_correlation"]["mean"] is None
    assert found["all"]["rank_correlation"]["count"] == 5
    assert found["empty"] == {"teacher": 0, "student": 1}


def test_pictures_by_routing_key_and_ensembles(flat):
    labels = np.array([0, 1])
    routed = {"teacher": tiny.pictures(2, size=48), "student": tiny.pictures(2)}
    found = agreement(
        [flat, flat], flat, (routed, labels), ["layercam"], resolution=8, resamples=20
    )
    assert found["methods"]["layercam"]["all"]["rank_correlation"]["count"] == 2
    with pytest.raises(RecipeError, match="Did you mean 'label'"):
        agreement(flat, flat, (routed, labels), target="lable")


def test_the_order_is_that_of_the_table(flat):
    from kerakd.explain.attention import collect

    images, labels = tiny.pictures(4), np.array([0, 1, 2, 0])

    class Shuffled:
        def order(self, epoch):
            return np.array([2, 0, 3, 1])

        def dataset(self):
            rows = self.order(0)
            return [(images[rows], labels[rows])]

    plain = collect(flat, flat, (images, labels), ["gradcam"])
    found = collect(flat, flat, Shuffled(), ["gradcam"])
    np.testing.assert_array_equal(found["labels"], labels)
    np.testing.assert_allclose(
        found["teacher"]["gradcam"], plain["teacher"]["gradcam"], atol=1e-5
    )
