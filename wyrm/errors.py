"""The words of the engine's errors: which node, what was expected, what came, how to fix it."""

import numpy as np


def describe(node):
    """How a message or a repr names a node: kind, name where it has one, and shape."""
    kind = getattr(node, "operation", None) or type(node).__name__
    name = f" {node.name!r}" if node.name is not None else ""
    shape = "x".join(str(n) for n in node.shape)
    return f"{kind}{name} ({shape})"


def named(what):
    """What a check is about: given in words, or a node, which is only described when it comes to an error."""
    return what if isinstance(what, str) else describe(what)


def refuse_not_finite(values, what):
    """Raise ValueError for the first entry of a matrix that is not finite as float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.asarray(values).astype(np.float32))
    row, column = (int(i) for i in np.argwhere(~finite)[0])
    raise ValueError(
        f"{named(what)}: expected values that are finite in float32, got {values[row, column]} at row {row}, "
        f"column {column}"
    )


def refuse_shapes(reason, node):
    """Raise for an operator node whose operands don't fit; `reason` is one the engine reports."""
    operation = node.operation
    operands = node.operands
    given = " and ".join(describe(operand) for operand in operands)
    if reason == "row out of range":
        refuse_row(node)
    if reason == "out of memory":
        raise MemoryError(f"{operation}: no memory for its value or gradient")
    if reason == "no rows":
        raise ValueError(f"{operation}: expected at least one row, got {given}")
    if reason == "rows differ":
        rule = "broadcast" if operation in ("add", "subtract", "multiply", "divide") else "be equal"
        if operation == "vector_dot":
            rule = "be equal, or on the right a multiple of those on the left"
        raise ValueError(f"{operation}: expected numbers of rows that {rule}, got {given}")
    if reason == "columns differ":
        rule = "broadcast" if operation in ("add", "subtract", "multiply", "divide") else "be equal"
        raise ValueError(f"{operation}: expected numbers of columns that {rule}, got {given}")
    if reason == "inner sizes differ":
        raise ValueError(f"{operation}: expected as many columns on the left as rows on the right, got {given}")
    if reason == "slice out of range":
        raise IndexError(f"{operation}: its bounds reach past the operand, {given}")
    if reason == "weights differ":
        raise ValueError(f"{operation}: expected one weight per index (or per row, in a loss), got {given}")
    if reason == "field out of range":
        refuse_field(node)
    if reason == "fields differ":
        raise ValueError(f"{operation}: expected one field per index, in the same bags, got {given}")
    if reason == "targets differ":
        raise ValueError(f"{operation}: expected one target, or one bag of targets, per row, got {given}")
    raise SystemError(f"{operation}: {reason}")


def refuse_row(node):
    """Raise IndexError for the first index of a lookup (or target of a loss) that is no row of its table."""
    index = node.rows_of
    logits = node.operands[1]  # of a cross-entropy, after its targets
    limit = node.table.shape[0] if node.table is not None else logits.shape[1]
    place = describe(node.table) if node.table is not None else f"the columns of {describe(logits)}"
    rows = index.value
    at = int(np.argmax(rows >= limit))
    raise IndexError(
        f"{node.operation}: index {rows[at]} at position {at} of {describe(index)} is out of range for {place}; "
        f"expected 0 to {limit - 1}"
    )


def refuse_field(node):
    """Raise IndexError for the first field of a field-aware lookup that its table has no columns for."""
    fields = node.fields_of
    values, n_fields = fields.value, node.n_fields
    at = int(np.argmax(values >= n_fields))
    raise IndexError(
        f"{node.operation}: field {values[at]} at position {at} of {describe(fields)} is out of range; "
        f"expected 0 to {n_fields - 1}"
    )
