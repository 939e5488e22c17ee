"""The operations that users call by name; arithmetic and functions of one node are methods of the nodes."""

from wyrm.errors import describe
from wyrm.instructions.program cimport OP_CONCATENATE, OP_VECTOR_DOT
from wyrm.leaf cimport ParameterNode
from wyrm.node cimport Node, OperatorNode, as_node, make


cdef ParameterNode table_of(object table):
    if not isinstance(table, ParameterNode):
        raise TypeError(f"table: expected a ParameterNode, got {type(table).__name__}")
    return table


cdef Node values_of(object operand, str what):
    cdef Node node = as_node(operand)
    if node is None or node.index != NULL:
        raise TypeError(f"{what}: expected a node of values or an array, got {type(operand).__name__}")
    return node


def embedding(table, index):
    """Rows of a table, one per index.

    Parameters
    ----------
    table : ParameterNode, shape (num_embeddings, embedding_dim)
    index : IndexInputNode
        n row numbers; their bags don't matter.

    Returns
    -------
    Node, shape (n, embedding_dim)

    Raises
    ------
    TypeError
        If `table` or `index` is something else.
    IndexError
        From here or from a later forward(), if an index is not a row of the table.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode(np.arange(6).reshape(3, 2))
    >>> rows = wyrm.embedding(table, wyrm.IndexInputNode([2, 0]))
    >>> rows.forward()
    >>> rows.value
    array([[4., 5.],
           [0., 1.]], dtype=float32)
    """
    return table_of(table).embedding(index)


def embedding_bag(table, index, weights=None, mode="sum", *, backward=None):
    """Sums (or means) of weighted rows of a table, one per bag of indices.

    Parameters
    ----------
    table : ParameterNode, shape (num_embeddings, embedding_dim)
    index : IndexInputNode
        n row numbers in bags.
    weights : Node or ndarray with n entries, optional
        A weight per index, in the order of the indices; default all ones. Gradients flow to it.
    mode : {"sum", "mean"}, default "sum"
        "mean" divides by the number of indices in the bag. An empty bag gives zeros.
    backward : {"sum", "mean"}, optional
        What the rows are given of a bag's gradient: all of it, or an equal part. Default: as `mode` has it, the true
        gradient. CBOW in word2vec takes the mean of its neighbours, but gives each of them the whole.

    Returns
    -------
    Node, shape (bags, embedding_dim)

    Raises
    ------
    TypeError, ValueError
        If an argument is something else, or the weights aren't one per index.
    IndexError
        From here or from a later forward(), if an index is not a row of the table.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode(np.arange(6).reshape(3, 2))
    >>> bags = wyrm.embedding_bag(table, wyrm.IndexInputNode(([2, 0, 1], [0, 2, 3])))
    >>> bags.forward()
    >>> bags.value
    array([[4., 6.],
           [2., 3.]], dtype=float32)
    """
    return table_of(table).embedding_bag(index, weights, mode, backward=backward)


def fm_interaction(table, index, weights=None):
    """Second-order term of a factorisation machine, one per bag of indices.

    For the rows v_i of a bag with weights w_i it is the sum over all pairs i < j of w_i w_j <v_i, v_j>, computed in
    linear time as half of |sum w_i v_i|^2 - sum |w_i v_i|^2 (Rendle, "Factorization Machines", ICDM 2010).

    Parameters
    ----------
    table : ParameterNode, shape (num_embeddings, n_factors)
    index : IndexInputNode
        n row numbers in bags.
    weights : Node or ndarray with n entries, optional
        A weight per index, in the order of the indices; default all ones. Gradients flow to it.

    Returns
    -------
    Node, shape (bags, 1)

    Raises
    ------
    TypeError, ValueError
        If an argument is something else, or the weights aren't one per index.
    IndexError
        From here or from a later forward(), if an index is not a row of the table.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> pairs = wyrm.fm_interaction(table, wyrm.IndexInputNode([0, 1, 2]))
    >>> pairs.forward()
    >>> float(pairs.value[0, 0])                       # 11 + 17 + 39
    67.0
    """
    return table_of(table).fm_interaction(index, weights)


def field_aware_interaction(table, index, fields, weights=None, *, n_fields):
    """Second-order term of a field-aware factorisation machine, one per bag of indices.

    A row v_i of the table is cut into n_fields vectors of n_factors columns each, one for every field: v_i[f] is
    columns f * n_factors to (f + 1) * n_factors. With f_i the field of index i and w_i its weight, a bag gives the sum
    over all pairs i < j of w_i w_j <v_i[f_j], v_j[f_i]> (Juan, Zhuang, Chin and Lin, "Field-aware factorization
    machines for CTR prediction", RecSys 2016). A bag of n indices from m different fields costs n * m * n_factors.

    Parameters
    ----------
    table : ParameterNode, shape (num_embeddings, n_fields * n_factors)
    index : IndexInputNode
        n row numbers in bags.
    fields : IndexInputNode, or array of int, shape (num_embeddings,)
        Where it depends on the example, the field of each index, in the same bags. Where each row of the table belongs
        to one field, the field of each row. From 0 to n_fields - 1; a bag may have several indices of a field, and none
        of another.
    weights : Node or ndarray with n entries, optional
        A weight per index, in the order of the indices; default all ones. Gradients flow to it.
    n_fields : int

    Returns
    -------
    Node, shape (bags, 1)

    Raises
    ------
    TypeError, ValueError
        If an argument is something else, the table's columns are no multiple of n_fields, the weights aren't one per
        index, or the fields aren't in the bags of the indices.
    IndexError
        From here or from a later forward(), if an index is not a row of the table, or a field is out of range.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> table = wyrm.ParameterNode([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])      # two fields, one factor
    >>> index, fields = wyrm.IndexInputNode([0, 1, 2]), wyrm.IndexInputNode([0, 1, 1])
    >>> pairs = wyrm.field_aware_interaction(table, index, fields, n_fields=2)
    >>> pairs.forward()
    >>> float(pairs.value[0, 0])                       # 2 * 3 + 2 * 5 + 4 * 6
    40.0
    """
    return table_of(table).field_aware_interaction(index, fields, weights, n_fields=n_fields)


def vector_dot(a, b):
    """Dot products of two matrices, row by row.

    Parameters
    ----------
    a : Node or ndarray, shape (rows, cols)
    b : Node or ndarray, shape (rows * n, cols)
        n rows for each of a, one after the other: row i of a meets rows i n to (i + 1) n - 1.

    Returns
    -------
    Node, shape (rows, n)

    Notes
    -----
    Where an operand is an embedding that nothing else reads, a trainer reads its rows in the table, without copies.
    Many rows of a table scored by few vectors, as negatives by a user, are best written so.

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If the numbers of columns differ, or the rows of b are no multiple of those of a.

    Examples
    --------
    >>> import wyrm
    >>> dot = wyrm.vector_dot(wyrm.InputNode([[1, 2], [3, 4]]), wyrm.InputNode([[5, 6], [7, 8]]))
    >>> dot.forward()
    >>> dot.value
    array([[17.],
           [53.]], dtype=float32)
    """
    return make(OP_VECTOR_DOT, values_of(a, "vector_dot"), values_of(b, "vector_dot"), None)


def concatenate(nodes, axis):
    """Matrices one below the other (axis 0) or side by side (axis 1).

    Parameters
    ----------
    nodes : sequence of Node or ndarray
        At least one; with equal numbers of columns (axis 0) or rows (axis 1).
    axis : {0, 1}

    Returns
    -------
    Node

    Raises
    ------
    TypeError
        If an operand is something else.
    ValueError
        If the sequence is empty, the axis another or the shapes don't fit.

    Examples
    --------
    >>> import wyrm
    >>> both = wyrm.concatenate([wyrm.InputNode([[1, 2]]), wyrm.InputNode([[3]])], axis=1)
    >>> both.forward()
    >>> both.value
    array([[1., 2., 3.]], dtype=float32)
    """
    cdef OperatorNode node = OperatorNode.__new__(OperatorNode)
    cdef Node piece
    if axis not in (0, 1):
        raise ValueError(f"concatenate: expected axis 0 or 1, got {axis!r}")
    node.pieces = tuple([values_of(operand, "concatenate") for operand in nodes])
    if not node.pieces:
        raise ValueError("concatenate: expected at least one node, got none")
    node.op = OP_CONCATENATE
    node.n[0] = axis
    for piece in node.pieces:
        node.learns = node.learns or piece.learns
        node.varies = node.varies or piece.varies
        if axis == 1:
            node.cols += piece.cols
            node.rows = piece.shape[0]
        else:
            node.cols = piece.cols
            node.rows += piece.shape[0]
    for piece in node.pieces:
        if axis == 0 and piece.cols != node.cols:
            raise ValueError(f"concatenate: expected equal numbers of columns, got "
                             f"{' and '.join(describe(p) for p in node.pieces)}")
        if axis == 1 and piece.shape[0] != node.rows and not node.varies:
            raise ValueError(f"concatenate: expected equal numbers of rows, got "
                             f"{' and '.join(describe(p) for p in node.pieces)}")
    return node
