import numpy as np

from kerakd.explain import attention_rollout, explain_many, methods_for
from tests.explain import tiny


def test_rollout_is_the_product_of_the_blocks_attention(deit):
    x = tiny.pictures(2, size=48)[:, :32]
    found = attention_rollout(deit, x)
    flow = np.eye(8)
    tokens = deit.get_layer("patches_and_tokens")(deit.get_layer("normalize")(x))
    for name in ("block1", "block2"):
        block = deit.get_layer(name)
        normed = block.layer_norm_1(tokens)
        _, attention = block.mha(normed, normed, return_attention_scores=True)
        flow = (0.5 * np.mean(attention, 1) + 0.5 * np.eye(8)) @ flow
        tokens = block(tokens)
    np.testing.assert_allclose(flow.sum(-1), 1, rtol=1e-5)
    wanted = flow[:, :2, 2:].mean(1).reshape(2, 2, 3)
    np.testing.assert_allclose(found.raw, wanted, rtol=1e-4)


def test_deit_is_explained_by_every_method_for_networks(deit):
    methods = methods_for(deit)
    assert "attention_rollout" in methods
    x = tiny.pictures(1, size=48)[:, :32]
    few = {"scorecam": {"channels": 4}, "smoothgrad": {"samples": 2}}
    found = explain_many(deit, x, methods, 1, options=few)
    for one in found.values():
        assert one.maps.shape == (1, 32, 48)
        assert np.isfinite(one.raw).all()
        assert not one.empty.any() or one.method != "attention_rollout"
