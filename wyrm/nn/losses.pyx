"""Losses: how far predictions are from their targets, by example.

Each returns one loss per example, so that ``loss.mean()``, ``loss.sum()`` and the trainer's batches can be built on
it. Each takes an optional weight per example, shape (n, 1). No gradient reaches targets and weights, so they must not
depend on parameters.
"""

from libc.math cimport INFINITY
from wyrm.errors import describe
from wyrm.instructions.program cimport (
    OP_CROSSENTROPY, OP_HINGE, OP_LOGISTIC, OP_NEGATIVE_SAMPLING, OP_SQUARED_ERROR,
)
from wyrm.leaf cimport IndexInputNode
from wyrm.node cimport Node, as_node, make


cdef Node values_of(object operand, str what):
    cdef Node node = as_node(operand)
    if node is None or node.index != NULL:
        raise TypeError(f"{what}: expected a node of values or an array, got {type(operand).__name__}")
    return node


cdef Node fixed(object operand, str what):
    """A target or weight."""
    cdef Node node
    if operand is None:
        return None
    node = values_of(operand, what)
    if node.learns:
        raise ValueError(f"{what}: expected targets and weights that depend on no parameter, got {describe(node)}; "
                         f"no gradient would reach it")
    return node


cdef object pointwise(int op, str what, object y_hat, object y, object weight):
    return make(op, values_of(y_hat, what), fixed(values_of(y, what), what), fixed(weight, what))


def squared_error(y_hat, y, weight=None):
    """(y_hat - y)^2, entry by entry.

    Parameters
    ----------
    y_hat : Node, shape (n, k)
        Predictions.
    y : Node or ndarray, shape (n, k)
        Targets.
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.

    Returns
    -------
    Node, shape (n, k)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If shapes differ, or a target or weight depends on a parameter.

    Examples
    --------
    >>> import wyrm
    >>> from wyrm.nn.losses import squared_error
    >>> loss = squared_error(wyrm.InputNode([[1.0], [2.0]]), wyrm.InputNode([[3.0], [2.5]]))
    >>> loss.forward()
    >>> loss.value
    array([[4.  ],
           [0.25]], dtype=float32)
    """
    return pointwise(OP_SQUARED_ERROR, "squared_error", y_hat, y, weight)


def logistic(logits, y, weight=None):
    """Log loss -y log p - (1 - y) log(1 - p) of p = sigmoid(logits), finite for any logit.

    Parameters
    ----------
    logits : Node, shape (n, k)
        Predictions before the sigmoid.
    y : Node or ndarray, shape (n, k)
        Targets in [0, 1].
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.

    Returns
    -------
    Node, shape (n, k)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If shapes differ, or a target or weight depends on a parameter.

    Examples
    --------
    >>> import wyrm
    >>> from wyrm.nn.losses import logistic
    >>> loss = logistic(wyrm.InputNode([[0.0], [100.0]]), wyrm.InputNode([[1.0], [0.0]]))
    >>> loss.forward()
    >>> loss.value
    array([[  0.6931472],
           [100.       ]], dtype=float32)
    """
    return pointwise(OP_LOGISTIC, "logistic", logits, y, weight)


def hinge(y_hat, y, weight=None):
    """max(0, 1 - y y_hat), the loss of support vector machines.

    Parameters
    ----------
    y_hat : Node, shape (n, k)
        Decision values.
    y : Node or ndarray, shape (n, k)
        Targets, -1 or 1.
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.

    Returns
    -------
    Node, shape (n, k)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If shapes differ, or a target or weight depends on a parameter.

    Examples
    --------
    >>> import wyrm
    >>> from wyrm.nn.losses import hinge
    >>> loss = hinge(wyrm.InputNode([[0.5], [2.0]]), wyrm.InputNode([[-1.0], [1.0]]))
    >>> loss.forward()
    >>> loss.value
    array([[1.5],
           [0. ]], dtype=float32)
    """
    return pointwise(OP_HINGE, "hinge", y_hat, y, weight)


def sparse_categorical_crossentropy(logits, target, weight=None):
    """-log softmax(logits)[target], by row; finite for any logit.

    Parameters
    ----------
    logits : Node, shape (n, n_classes)
        Predictions before the softmax.
    target : IndexInputNode
        Class numbers: n of them, one per row; or n bags of them, then the losses of a row's targets are summed.
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.

    Returns
    -------
    Node, shape (n, 1)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If there is no target, or bag of targets, per row, or the weight depends on a parameter.
    IndexError
        From here or from a later forward(), if a target is not a class.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.nn.losses import sparse_categorical_crossentropy
    >>> loss = sparse_categorical_crossentropy(wyrm.InputNode(np.zeros((1, 4))), wyrm.IndexInputNode(2))
    >>> loss.forward()
    >>> round(float(loss.value[0, 0]), 4)            # log 4
    1.3863
    """
    what = "sparse_categorical_crossentropy"
    if not isinstance(target, IndexInputNode):
        raise TypeError(f"{what}: expected targets in an IndexInputNode, got {type(target).__name__}")
    return make(OP_CROSSENTROPY, values_of(logits, what), None, fixed(weight, what), None, <IndexInputNode> target)


def bpr(positive, negative, weight=None):
    """-log sigmoid(positive - negative), Bayesian personalised ranking (Rendle et al., UAI 2009).

    Parameters
    ----------
    positive : Node, shape (n, 1)
        Scores of items that were chosen.
    negative : Node, shape (n, k)
        Scores of items that were not; a loss for each.
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.

    Returns
    -------
    Node, shape (n, k)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If shapes don't broadcast, or the weight depends on a parameter.

    Examples
    --------
    >>> import wyrm
    >>> from wyrm.nn.losses import bpr
    >>> loss = bpr(wyrm.InputNode([[2.0]]), wyrm.InputNode([[2.0]]))
    >>> loss.forward()
    >>> round(float(loss.value[0, 0]), 4)            # log 2
    0.6931
    """
    loss = (values_of(negative, "bpr") - values_of(positive, "bpr")).softplus()
    return loss if weight is None else loss * fixed(weight, "bpr")


def negative_sampling(positive, negative, weight=None, *, negative_weight=1.0):
    """-log sigmoid(positive) - sum log sigmoid(-negative), by row (Mikolov et al., NeurIPS 2013).

    Parameters
    ----------
    positive : Node, shape (n, 1)
        Scores of pairs that were seen.
    negative : Node, shape (n, k)
        Scores of k pairs that were drawn.
    weight : Node or ndarray, shape (n, 1), optional
        A weight per example.
    negative_weight : float, default 1.0
        What each negative counts; 5 / k for k negatives that stand for five.

    Returns
    -------
    Node, shape (n, 1)

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If numbers of rows differ, there is more than one positive score in a row, the weight depends on a parameter, or
        `negative_weight` is negative.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.nn.losses import negative_sampling
    >>> loss = negative_sampling(wyrm.InputNode([[0.0]]), wyrm.InputNode(np.zeros((1, 3))))
    >>> loss.forward()
    >>> round(float(loss.value[0, 0]), 4)            # 4 log 2
    2.7726
    """
    what = "negative_sampling"
    cdef Node scores = values_of(positive, what)
    if scores.cols != 1:
        raise ValueError(f"{what}: expected one positive score in a row, got {describe(scores)}")
    if not 0 <= negative_weight < INFINITY:
        raise ValueError(f"{what}: expected negative_weight from 0, got {negative_weight}")
    return make(OP_NEGATIVE_SAMPLING, scores, values_of(negative, what), fixed(weight, what), None, None,
                negative_weight)
