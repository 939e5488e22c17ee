"""The Word Mover's Distance: what it costs to move the words of one text onto those of another."""

from __future__ import annotations

import numpy as np


def transport_cost(weights: np.ndarray, targets: np.ndarray, costs: np.ndarray) -> float:
    """The least cost of moving `weights` to `targets`, both of which sum to 1.

    Parameters
    ----------
    weights : ndarray, shape (n,)
    targets : ndarray, shape (m,)
    costs : ndarray, shape (n, m)
        For moving 1 from i to j.
    """
    from scipy.optimize import linprog  # these take longer to import than all of wyrm
    from scipy.sparse import identity, kron, vstack

    n, m = costs.shape
    leaving = kron(identity(n), np.ones((1, m)))
    arriving = kron(np.ones((1, n)), identity(m))
    found = linprog(costs.ravel(), A_eq=vstack([leaving, arriving]), b_eq=np.concatenate([weights, targets]))
    if not found.success:
        raise ArithmeticError(f"the transport problem was not solved: {found.message}")
    return max(0.0, float(found.fun))
