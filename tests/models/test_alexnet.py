import pytest

from kerakd.errors import ModelError
from kerakd.models import build, taps


def test_has_the_papers_maps_and_layers():
    model = build("alexnet", 4, dense_units=8)
    assert model.input_shape == (None, 227, 227, 1)
    maps = taps(model, ["conv1", "pool1", "conv2", "pool2", "conv5", "pool5"]).output
    assert {name: x.shape[1:] for name, x in maps.items()} == {
        "conv1": (55, 55, 96),
        "pool1": (27, 27, 96),
        "conv2": (27, 27, 256),
        "pool2": (13, 13, 256),
        "conv5": (13, 13, 256),
        "pool5": (6, 6, 256),
    }


def test_has_the_papers_parameters_without_batch_norm():
    # 62,378,344 with two dense layers of 4096 units; the convolutions alone:
    model = build("alexnet", 2, (227, 227, 3), batch_norm=False, dense_units=1)
    dense = (9216 + 1) + (1 + 1) + 2 * (1 + 1)
    assert model.count_params() - dense == 3_747_200


def test_width_and_units_scale_it():
    model = build("alexnet", 3, (67, 67, 4), width=0.125, dense_units=10)
    assert model.get_layer("conv1").filters == 12
    assert model.get_layer("fc7").units == 10


@pytest.mark.parametrize(
    "arguments",
    [{"width": 0}, {"dense_units": 0}, {"dropout": 1}, {"input_shape": (60, 60, 1)}],
)
def test_out_of_range_is_refused(arguments):
    with pytest.raises(ModelError, match=f"`{next(iter(arguments))}`"):
        build("alexnet", 3, **arguments)
