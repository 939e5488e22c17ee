"""The Adult data, which come with the package."""

from __future__ import annotations

import json
import lzma
from importlib.resources import files

import numpy as np

from wyrm.datasets.tables import CodedColumn, TabularData, make_table


def load_adult(*, as_frame: bool = False) -> TabularData:
    """Load the Adult data: does a person earn more than 50,000 dollars a year?

    32,561 + 16,281 people of the 1994 census of the United States, in the split that the data come with; 14 columns, 8
    of them categorical.  ``?``, which stands for an unknown value, is kept as a category of its own.  No files or
    connection are needed.

    Parameters
    ----------
    as_frame : bool, default=False
        Whether the columns come as a pandas.DataFrame, categorical ones with dtype category.

    Returns
    -------
    TabularData
        ``train``, ``test``: the columns; ``y_train``, ``y_test``: 1 for those who earn more; ``names`` and
        ``categorical``.

    Raises
    ------
    ImportError
        If `as_frame` is true and pandas is not installed.

    References
    ----------
    Becker and Kohavi, "Adult", UCI Machine Learning Repository, 1996, https://doi.org/10.24432/C5XW20, licensed
    CC BY 4.0.

    Examples
    --------
    >>> from wyrm.datasets import load_adult
    >>> adult = load_adult()
    >>> adult.train["education"][:3]
    array(['Bachelors', 'Bachelors', 'HS-grad'], dtype=object)
    >>> adult.train["age"][:3], adult.y_train.mean().round(3)
    (array([39, 50, 38]), np.float64(0.241))
    """
    content = lzma.decompress(files("wyrm.datasets").joinpath("data", "adult.xz").read_bytes())
    columns, n_train = unpack(content)
    labels = columns.pop("label").expand()
    categorical = tuple(name for name, column in columns.items() if column.values.dtype == object)
    train, test = slice(n_train), slice(n_train, None)
    return TabularData(
        train=make_table(columns, categorical, train, as_frame),
        test=make_table(columns, categorical, test, as_frame),
        y_train=labels[train].copy(),
        y_test=labels[test].copy(),
        names=tuple(columns),
        categorical=categorical,
    )


def unpack(content: bytes) -> tuple[dict[str, CodedColumn], int]:
    """Columns, and the number of rows to learn from, out of the packed form.

    That is a line of JSON with this number and, for each column, its name, its distinct values and the type of its
    codes; then the codes, column after column.  It takes a third less than the rows as compressed text.
    """
    line, _, body = content.partition(b"\n")
    head = json.loads(line)
    dtypes = [np.dtype(column["codes"]) for column in head["columns"]]
    n_rows = len(body) // sum(dtype.itemsize for dtype in dtypes)
    columns = {}
    start = 0
    for column, dtype in zip(head["columns"], dtypes):
        codes = np.frombuffer(body, dtype, n_rows, start)
        values = column["values"]
        dtype_of_values = object if isinstance(values[0], str) else np.int64
        columns[column["name"]] = CodedColumn(np.array(values, dtype_of_values), codes)
        start += n_rows * dtype.itemsize
    return columns, head["n_train"]
