"""The table of speeds to reach: what each row is, and its figures in ns.

Those of PyTorch and of the Rust ancestor (wyrm 0.9.1, built natively) were taken once, on a machine with two cores, and
are quoted; the benchmarks measure PyTorch again, beside wyrm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from steps import Factorisation, Linear, Product, Regression


@dataclass(frozen=True)
class Row:
    title: str
    make: Callable
    pytorch: int | None = None  # quoted
    ancestor: int | None = None  # quoted
    python: int | None = None  # to reach, driven from Python
    c: int | None = None  # to reach, driven in C
    n: int = 100_000  # examples of a measurement in C
    how: str = "step"  # or "rebuild" the graph for every step, or "product": forward and backward alone


ROWS = {
    "regression": Row("univariate regression, SGD", Regression, 136_000, 69, 600, 50, 2_000_000),
    "factorisation-sgd": Row("factorisation 10,000 x 32, SGD", Factorisation, 138_000, 253, 800, 120, 500_000),
    "factorisation-adagrad": Row(
        "factorisation 10,000 x 32, Adagrad", partial(Factorisation, rule="Adagrad"), 287_000, 458, 800, 160, 500_000
    ),
    "factorisation-million": Row(
        "factorisation 1,000,000 x 32, Adagrad",
        partial(Factorisation, n_rows=1_000_000, rule="Adagrad"),
        422_000,
        4_450,
        None,
        500,
        300_000,
    ),
    "logistic-regression": Row("logistic regression, 39 of 100,000 rows, SGD", Linear, None, 1_740, None, 300, 200_000),
    "fm": Row(
        "FM with bias and linear part, 39 of 100,000 x 16, SGD",
        partial(Linear, n_factors=16),
        None,
        7_850,
        None,
        1_200,
        100_000,
    ),
    "fm-adagrad": Row(
        "FM with bias and linear part, 39 of 100,000 x 16, Adagrad",
        partial(Linear, n_factors=16, rule="Adagrad"),
        None,
        None,
        None,
        None,
        100_000,
    ),
    "rebuild": Row(
        "build of the factorisation graph + one step", Factorisation, 138_000, 1_070, 6_000, None, 20_000, how="rebuild"
    ),
    "product": Row(
        "1 x 128 by 128 x 10 product reused four times, forward + backward",
        Product,
        None,
        833,
        None,
        400,
        20_000,
        how="product",
    ),
}
