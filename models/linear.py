"""The linear part that all models have."""

import numpy as np

from wyrm.leaf import ParameterNode
from wyrm.models.inputs import Inputs
from wyrm.node import Node


def linear_parameters(n_features: int, n_outputs: int) -> dict[str, np.ndarray]:
    """Weights and bias, zero."""
    return {
        "linear": np.zeros((n_features, n_outputs), dtype=np.float32),
        "bias": np.zeros((1, n_outputs), dtype=np.float32),
    }


def linear_score(nodes: dict[str, ParameterNode], inputs: Inputs) -> Node:
    """bias + X @ linear, by looking up the columns that a sparse row has."""
    if inputs.dense is not None:
        return inputs.dense @ nodes["linear"] + nodes["bias"]
    assert inputs.columns is not None
    return nodes["linear"].embedding_bag(inputs.columns, inputs.values) + nodes["bias"]
