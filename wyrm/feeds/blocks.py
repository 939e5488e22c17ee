"""Chunks of examples as they come, made into blocks of the size that threads want."""

import numpy as np

from wyrm.errors import describe
from wyrm.feeds.arrays import ArrayFeed
from wyrm.feeds.prepare import dense_column, index_column, one_length, without_fields
from wyrm.leaf import IndexInputNode, InputNode

# The first blocks are small, so that little data keeps several threads busy too, and each is twice the one before.
FIRST_BLOCK = 256


class Column:
    """The values of one key, checked and converted: those of an InputNode, or rows and perhaps weights.

    Either `values` (n, cols) alone; or `rows` (n, k); or flat `rows`, cut by `starts`, with weights in `values`.
    """

    def __init__(self, values=None, rows=None, starts=None):
        self.values, self.rows, self.starts = values, rows, starts

    def __len__(self):
        if self.starts is not None:
            return len(self.starts) - 1
        return len(self.values if self.rows is None else self.rows)

    def cut(self, begin, end):
        """The examples from `begin` to `end`; a view."""
        if self.starts is None:
            return Column(*(None if part is None else part[begin:end] for part in (self.values, self.rows)))
        first, last = self.starts[begin], self.starts[end]
        values = None if self.values is None else self.values[first:last]
        return Column(values, self.rows[first:last], self.starts[begin : end + 1] - first)

    def data(self):
        """What ArrayFeed takes."""
        if self.rows is None:
            return self.values
        if self.starts is None:
            return self.rows
        if self.values is None:
            return self.rows, self.starts
        return self.rows, self.values, self.starts


def join(columns):
    """One column of the examples of several of the same key."""
    if len(columns) == 1:
        return columns[0]
    if columns[0].rows is None:
        return Column(np.concatenate([column.values for column in columns]))
    widths = {column.rows.shape[1] if column.starts is None else None for column in columns}
    if len(widths) == 1 and None not in widths:
        return Column(None, np.concatenate([column.rows for column in columns]))
    lengths = [np.full(len(c), c.rows.shape[1]) if c.starts is None else np.diff(c.starts) for c in columns]
    starts = np.concatenate([[0], *lengths]).cumsum(dtype=np.int64)
    rows = np.concatenate([column.rows.reshape(-1) for column in columns])
    weighted = columns[0].values is not None
    return Column(np.concatenate([column.values for column in columns]) if weighted else None, rows, starts)


def own(array, values):
    """`array`, or a copy where it may be a view of what the user gave, who may write over it while a block waits."""
    given = [values.data, values.indices, values.indptr] if hasattr(values, "indptr") else values
    given = given if isinstance(given, tuple | list) else [given]
    shared = any(isinstance(part, np.ndarray) and np.may_share_memory(array, part) for part in given)
    return array.copy() if shared else array


def column_of(key, values):
    """The values of one key of a dict, checked and converted."""
    if isinstance(key, InputNode):
        return Column(own(dense_column(key, values), values))
    index, weights = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
    if not isinstance(index, IndexInputNode) or not (weights is None or isinstance(weights, InputNode)):
        kinds = ", ".join(type(node).__name__ for node in (key if isinstance(key, tuple) else (key,)))
        raise TypeError(
            f"feed: expected an InputNode, an IndexInputNode or a pair (IndexInputNode, InputNode) as key, got {kinds}"
        )
    rows, starts, factors, width = index_column(index, weights, values)
    rows = own(rows, values)
    if starts is None:
        return Column(None, rows.reshape(-1, width))
    return Column(None if factors is None else own(factors, values), rows, own(starts, values))


def nodes_of(chunk):
    """set of Node: the input nodes that a dict has values for."""
    if not isinstance(chunk, dict) or not chunk:
        kind = "an empty one" if isinstance(chunk, dict) else type(chunk).__name__
        raise TypeError(f"feed: expected dicts of input node to array, got {kind}")
    return {node for key in chunk for node in (key if isinstance(key, tuple) else (key,))}


def columns_of(chunk, keys):
    """The columns of a dict, in the order of `keys`, and its number of examples."""
    nodes_of(chunk)
    chunk = without_fields(chunk)
    if chunk.keys() != set(keys):
        names = [
            ", ".join(sorted(describe(node) for key in some for node in (key if isinstance(key, tuple) else (key,))))
            for some in (keys, chunk)
        ]
        raise ValueError(f"feed: expected every dict to have the keys of the first, {names[0]}, got {names[1]}")
    columns = [column_of(key, chunk[key]) for key in keys]
    lengths = [len(column) for column in columns]
    if any(lengths):
        one_length([key[0] if isinstance(key, tuple) else key for key in keys], lengths)
    return columns, lengths[0]


def blocks_of(chunks, n_examples, batch_size, block_size):
    """Pairs (place of its first example, ArrayFeed): the examples of an iterator of dicts, in blocks.

    Blocks hold whole batches, but for the last one. `n_examples` is how many examples there must be, or -1.
    """
    keys, waiting, n_waiting, begin = None, [], 0, 0
    size = rounded_up(min(FIRST_BLOCK, block_size), batch_size)
    for number, chunk in enumerate(chunks):
        try:
            keys = keys or (list(without_fields(chunk)) if isinstance(chunk, dict) else None)
            columns, n = columns_of(chunk, keys)
        except (TypeError, ValueError, IndexError) as error:
            error.add_note(f"in dict number {number} of an iterable, from 0")
            raise
        if not n:
            continue
        waiting.append(columns)
        n_waiting += n
        if 0 <= n_examples < begin + n_waiting:
            raise ValueError(
                f"feed: expected {n_examples} examples, as stated, but the iterable goes on after them: "
                f"cut it, such as with itertools.islice, or leave n_examples out"
            )
        if n_waiting < size:
            continue
        columns = [join(parts) for parts in zip(*waiting, strict=True)]
        at = 0
        while n_waiting - at >= size:
            yield begin, block_of(keys, columns, at, at + size)
            begin += size
            at += size
            size = rounded_up(min(2 * size, block_size), batch_size)
        waiting = [[column.cut(at, n_waiting) for column in columns]] if at < n_waiting else []
        n_waiting -= at
    if n_waiting:
        yield begin, block_of(keys, [join(parts) for parts in zip(*waiting, strict=True)], 0, n_waiting)
    begin += n_waiting
    if not begin:
        raise ValueError("feed: expected at least one example, got none")
    if 0 <= n_examples != begin:
        raise ValueError(f"feed: expected {n_examples} examples, as stated, but the iterable ended after {begin}")


def block_of(keys, columns, begin, end):
    return ArrayFeed({key: column.cut(begin, end).data() for key, column in zip(keys, columns, strict=True)})


def rounded_up(n, step):
    return -(-n // step) * step
