import pytest

from kerakd.training.precision import mixed_precision


def policies(model):
    return {layer.name: layer.dtype_policy.name for layer in model.layers}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_policies_change_and_come_back(net, dtype):
    model = net()
    before = policies(model)
    with pytest.raises(KeyError), mixed_precision(model, dtype):
        inside = policies(model)
        assert inside.pop("logits") == "float32"
        assert set(inside.values()) == {f"mixed_{dtype}"}
        assert model(model.inputs[0]).dtype == "float32"
        assert {v.dtype for v in model.weights} == {"float32"}
        raise KeyError
    assert policies(model) == before


def test_none_changes_nothing(net):
    model = net()
    before = policies(model)
    with mixed_precision(model, None):
        assert policies(model) == before
