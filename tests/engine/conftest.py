import numpy as np
import pytest
from engine.support import parameter

import wyrm


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def regression(rng):
    """A small graph: loss, its middle (y_hat), weights, x, y."""
    w = parameter(rng.normal(size=(3, 1)), name="w")
    x, y = wyrm.InputNode(rng.normal(size=(4, 3)), name="x"), wyrm.InputNode(rng.normal(size=(4, 1)), name="y")
    y_hat = x @ w
    return (y - y_hat).square().sum(), y_hat, w, x, y
