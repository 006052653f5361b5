"""Networks that several test files share; none of them is changed by a test."""

import pytest

from tests.explain import tiny


@pytest.fixture(scope="session")
def flat():
    return tiny.flat()


@pytest.fixture(scope="session")
def unet():
    from kerakd.models import build

    return build("unet_student", 2, (32, 32, 3), filters=(4, 8), dropout=0.0)


@pytest.fixture(scope="session")
def deit():
    from kerakd.models import build

    return build(
        "deit_small",
        3,
        (32, 48, 3),
        num_layers=2,
        hidden_dim=24,
        num_heads=2,
        intermediate_dim=48,
    )
