"""The Census-Income (KDD) data."""

from __future__ import annotations

import os

import numpy as np

from wyrm.datasets.fetch import Resource, read_resource
from wyrm.datasets.tables import CodedColumn, ColumnBuilder, TabularData, make_table

_HOME = "https://archive.ics.uci.edu/ml/machine-learning-databases/census-income-mld"
_FILES = {
    part: Resource(
        name=f"census-income.{part}",
        places=tuple(f"census_income/census-income.{part}{suffix}" for suffix in (".xz", "", ".gz")),
        url=f"{_HOME}/census-income.{part}.gz",
        content_hash=f"sha256:{digest}",
    )
    for part, digest in (
        ("data", "3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86"),
        ("test", "98402b1ab879573d0a7f38a699a40258080e25e33d3401e7bf9c96d3fa0fab8c"),
    )
}

_NUMERIC = {
    "age",
    "wage per hour",
    "capital gains",
    "capital losses",
    "dividends from stocks",
    "instance weight",
    "num persons worked for employer",
    "weeks worked in year",
}
_WEIGHT, _LABEL = "instance weight", "label"
_NAMES = (
    "age",
    "class of worker",
    "detailed industry recode",
    "detailed occupation recode",
    "education",
    "wage per hour",
    "enroll in edu inst last wk",
    "marital stat",
    "major industry code",
    "major occupation code",
    "race",
    "hispanic origin",
    "sex",
    "member of a labor union",
    "reason for unemployment",
    "full or part time employment stat",
    "capital gains",
    "capital losses",
    "dividends from stocks",
    "tax filer stat",
    "region of previous residence",
    "state of previous residence",
    "detailed household and family stat",
    "detailed household summary in household",
    _WEIGHT,
    "migration code-change in msa",
    "migration code-change in reg",
    "migration code-move within reg",
    "live in this house 1 year ago",
    "migration prev res in sunbelt",
    "num persons worked for employer",
    "family members under 18",
    "country of birth father",
    "country of birth mother",
    "country of birth self",
    "citizenship",
    "own business or self employed",
    "fill inc questionnaire for veteran's admin",
    "veterans benefits",
    "weeks worked in year",
    "year",
    _LABEL,
)
_LINES_AT_A_TIME = 500  # of which all values fit in the cache


def fetch_census_income(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    as_frame: bool = False,
) -> TabularData:
    """Fetch the Census-Income (KDD) data: does a person have an income of more than 50,000 dollars a year?

    199,523 + 99,762 people of the surveys of 1994 and 1995, in the split that the data come with; 40 columns, 33 of
    them categorical, some of these with numbers for codes.  ``?`` and ``Not in universe`` are categories of their own.
    The instance weight, which is no feature, is apart.

    Parameters
    ----------
    data_home : str or path, optional
        Where downloads are kept; by default the folder that ``WYRM_CACHE_DIR`` names, or ``wyrm`` among the caches of
        the user.  The folder that ``WYRM_DATA_DIR`` names is searched first.
    download_if_missing : bool, default=True
        Whether to download what is not on this machine, which needs pooch.
    as_frame : bool, default=False
        Whether the columns come as a pandas.DataFrame, categorical ones with dtype category.

    Returns
    -------
    TabularData
        ``train``, ``test``: the columns; ``y_train``, ``y_test``: 1 for those who have more; ``weight_train``,
        ``weight_test``: the instance weight; ``names`` and ``categorical``.

    Raises
    ------
    DataUnavailableError
        If the data are not on this machine and can't be downloaded; it says what to do.
    ImportError
        If `as_frame` is true and pandas is not installed.

    References
    ----------
    "Census-Income (KDD)", UCI Machine Learning Repository, 2000, https://doi.org/10.24432/C5N30T, licensed CC BY 4.0.

    Examples
    --------
    >>> from wyrm.datasets import fetch_census_income
    >>> census = fetch_census_income()                                  # doctest: +SKIP
    >>> len(census.names), census.y_train.size, census.y_test.size      # doctest: +SKIP
    (40, 199523, 99762)
    """
    builders = {name: ColumnBuilder() for name in _NAMES}
    n_train = _add_rows(builders, read_resource(_FILES["data"], data_home, download_if_missing))
    n_test = _add_rows(builders, read_resource(_FILES["test"], data_home, download_if_missing))
    columns = {name: builder.build(numeric=name in _NUMERIC) for name, builder in builders.items()}
    weight = columns.pop(_WEIGHT).expand().astype(np.float64)
    label = columns.pop(_LABEL)
    y = np.array([value.startswith("50000+") for value in label.values], np.int64)[label.codes]
    return _split(columns, n_train, n_train + n_test, y, weight, as_frame)


def _split(
    columns: dict[str, CodedColumn], n_train: int, n_rows: int, y: np.ndarray, weight: np.ndarray, as_frame: bool
) -> TabularData:
    categorical = tuple(name for name in columns if name not in _NUMERIC)
    train, test = slice(n_train), slice(n_train, n_rows)
    return TabularData(
        train=make_table(columns, categorical, train, as_frame),
        test=make_table(columns, categorical, test, as_frame),
        y_train=y[train].copy(),
        y_test=y[test].copy(),
        names=tuple(columns),
        categorical=categorical,
        weight_train=weight[train].copy(),
        weight_test=weight[test].copy(),
    )


def _add_rows(builders: dict[str, ColumnBuilder], content: bytes) -> int:
    """Add the rows of a file, a part at a time; returns their number."""
    lines = content.decode("ascii").splitlines()
    for start in range(0, len(lines), _LINES_AT_A_TIME):
        rows = [line.split(", ") for line in lines[start : start + _LINES_AT_A_TIME]]
        for builder, column in zip(builders.values(), zip(*rows, strict=True), strict=True):
            builder.add(column)
    return len(lines)
