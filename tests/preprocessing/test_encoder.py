"""Tables in, matrices out: the same whatever the table is made of."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import wyrm.io
from wyrm.preprocessing import CategoryEncoder
from wyrm.preprocessing.kinds import Intervals

COLOURS = ["red", "blue", None, "red", "grün"]
SIZES = [1.5, 2.5, np.nan, 4.0, 4.0]
COUNTS = [3, 3, 1, 2, 3]
FLAGS = [True, False, True, True, False]
NAMES = ["colour", "size", "count", "flag"]


def as_dict():
    return {
        "colour": np.array(COLOURS, object),
        "size": np.array(SIZES),
        "count": np.array(COUNTS),
        "flag": np.array(FLAGS),
    }


def as_pandas(**types):
    return pytest.importorskip("pandas").DataFrame(as_dict()).astype(types)


def as_polars(**types):
    pl = pytest.importorskip("polars")
    data = {"colour": COLOURS, "size": [None if x != x else x for x in SIZES], "count": COUNTS, "flag": FLAGS}
    return pl.DataFrame(data).with_columns(*(pl.col(name).cast(kind) for name, kind in types.items()))


def as_rows():
    return [list(row) for row in zip(COLOURS, SIZES, COUNTS, FLAGS, strict=True)]


TABLES = {
    "dict of arrays": as_dict,
    "dict of lists": lambda: dict(zip(NAMES, (COLOURS, SIZES, COUNTS, FLAGS), strict=True)),
    "pandas": as_pandas,
    "pandas category": lambda: as_pandas(colour="category", flag="category"),
    "pandas nullable": lambda: as_pandas(colour="string", size="Float64", count="Int16", flag="boolean"),
    "polars": as_polars,
    "polars categorical": lambda: as_polars(colour=pytest.importorskip("polars").Categorical),
    "polars enum": lambda: as_polars(colour=pytest.importorskip("polars").Enum(["blue", "never", "red", "grün"])),
    "rows": as_rows,
    "object array": lambda: np.array(as_rows(), object),
    "structured array": lambda: np.array(
        [tuple(row) for row in as_rows()], [("colour", object), ("size", "f4"), ("count", "u1"), ("flag", "?")]
    ),
}
EXPECTED = {
    "colour": ([3, 1, 4, 3, 2], ["<unseen>", "blue", "grün", "red", "<missing>"]),
    "size": ([1, 2, 0, 3, 3], ["=<missing>", " < 2", " in [2, 3.25)", " >= 3.25"]),
    "count": ([3, 3, 1, 2, 3], ["=<missing>", " < 1.5", " in [1.5, 2.5)", " >= 2.5"]),
    "flag": ([2, 1, 2, 2, 1], ["<unseen>", "0", "1"]),
}


def ids_of(X, encoder):
    """For each row the place within each block, after a look at the matrix's form."""
    n, k = X.shape[0], encoder.n_features_in_
    assert X.format == "csr" and X.dtype == np.float32 and X.indices.dtype == np.int32
    assert X.has_canonical_format and X.shape[1] == len(encoder.fields_) == encoder.offsets_[-1]
    X.check_format()
    indices = X.indices.reshape(n, k)
    assert (np.diff(indices, axis=1) > 0).all()
    assert (encoder.fields_[indices] == np.arange(k)).all()
    return indices - encoder.offsets_[:-1]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_kind_of_table_gives_the_same(table):
    encoder = CategoryEncoder()
    X = encoder.fit_transform(table())
    assert (X.data == 1).all()
    assert ids_of(X, encoder).T.tolist() == [ids for ids, _ in EXPECTED.values()]
    assert (encoder.transform(table()) != X).nnz == 0
    assert (CategoryEncoder().fit(table()).transform(table()) != X).nnz == 0
    named = hasattr(encoder, "feature_names_in_")
    names = list(EXPECTED) if named else ["x0", "x1", "x2", "x3"]
    expected = []
    for name, (_, ends) in zip(names, EXPECTED.values(), strict=True):
        expected += [name + (end if end[0] in " =" else f"={end}") for end in ends]
    assert encoder.get_feature_names_out().tolist() == expected


@pytest.mark.parametrize("fitted", TABLES.values(), ids=TABLES)
def test_fitted_to_one_kind_of_table_it_transforms_the_others(fitted):
    encoder = CategoryEncoder().fit(fitted())
    for table in TABLES.values():
        assert ids_of(encoder.transform(table()), encoder).T.tolist() == [ids for ids, _ in EXPECTED.values()]


def test_columns_are_found_by_name_in_any_order_and_others_passed_over():
    encoder = CategoryEncoder().fit(as_dict())
    expected = encoder.transform(as_dict())
    shuffled = {"more": ["x"] * 5, **dict(reversed(as_dict().items()))}
    assert (encoder.transform(shuffled) != expected).nnz == 0
    assert (encoder.transform(as_pandas()[["flag", "count", "size", "colour"]]) != expected).nnz == 0
    with pytest.raises(ValueError, match=r"X lacks \['size', 'flag'\]"):
        encoder.transform({"count": [1], "colour": ["red"]})
    with pytest.raises(ValueError, match="X has 3 features, but CategoryEncoder is expecting 4"):
        encoder.transform([["red", 1.0, 2]])


def test_what_was_not_seen():
    encoder = CategoryEncoder(categorical=["word"]).fit({"word": ["a", "b"], "n": [1.0, 2.0]})
    X = encoder.transform({"word": ["z", None, "a"], "n": [-1e300, np.nan, np.inf]})
    assert ids_of(X, encoder).tolist() == [[0, 1], [0, 0], [1, 2]]


def test_rare_categories_count_as_unseen():
    encoder = CategoryEncoder(min_frequency=2)
    X = encoder.fit_transform([["a"], ["b"], ["a"], ["c"], [None], [None]])
    assert ids_of(X, encoder)[:, 0].tolist() == [1, 0, 1, 0, 2, 2]
    assert ids_of(encoder.transform([["a"], ["b"], ["new"], [None]]), encoder)[:, 0].tolist() == [1, 0, 0, 2]


def test_numbers_as_categories_are_one_whatever_their_type():
    encoder = CategoryEncoder(categorical="all").fit([[1], [2.5], [10**30], ["1"]])
    assert encoder.get_feature_names_out().tolist() == ["x0=<unseen>", "x0=1", "x0=2.5", f"x0={10**30}", "x0='1'"]
    X = encoder.transform([[1.0], [True], [np.int8(1)], ["1"], [np.float32(2.5)], [1e30], [3]])
    assert ids_of(X, encoder)[:, 0].tolist() == [1, 1, 1, 4, 2, 0, 0]
    large = np.array([2**64 - 1, 2**63, 5], np.uint64)
    encoder = CategoryEncoder(categorical=[0])
    assert ids_of(encoder.fit_transform(large.reshape(-1, 1)), encoder)[:, 0].tolist() == [3, 2, 1]


def test_every_nan_is_missing():
    values = [float("nan"), np.float64("nan"), None, "a", np.float32("nan")]
    encoder = CategoryEncoder()
    assert ids_of(encoder.fit_transform({"x": values}), encoder)[:, 0].tolist() == [2, 2, 2, 1, 2]
    pd = pytest.importorskip("pandas")
    assert ids_of(encoder.transform({"x": [pd.NA, pd.NaT, "a"]}), encoder)[:, 0].tolist() == [2, 2, 1]
    encoder = CategoryEncoder(categorical="all")
    assert ids_of(encoder.fit_transform(np.array([[np.nan], [1.0], [np.nan]])), encoder)[:, 0].tolist() == [2, 1, 2]


def test_booleans_with_missing_values_are_categories():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    values = [True, None, False]
    for frame in ({"x": values}, pd.DataFrame({"x": pd.array(values, "boolean")}), pl.DataFrame({"x": values})):
        encoder = CategoryEncoder()
        assert ids_of(encoder.fit_transform(frame), encoder)[:, 0].tolist() == [2, 3, 1]
        assert ids_of(encoder.transform({"x": values}), encoder)[:, 0].tolist() == [2, 3, 1]


def test_names_tell_categories_that_look_alike():
    names = CategoryEncoder(categorical="all").fit({"x": ["<missing>", None, "1", 1, "a"]}).get_feature_names_out()
    assert names.tolist() == ["x=<unseen>", "x=1", "x='1'", "x='<missing>'", "x=a", "x=<missing>"]


def test_a_number_where_strings_were_seen_is_refused():
    encoder = CategoryEncoder(categorical="all", min_frequency=2).fit({"a": ["1", "2"], "b": [1, 2]})
    with pytest.raises(TypeError, match="column 'a': expected strings, as in the data it was fitted to, got 1"):
        encoder.transform({"a": [1], "b": [1]})
    with pytest.raises(TypeError, match="column 'b': expected numbers, as in the data it was fitted to, got '1'"):
        encoder.transform({"a": ["1"], "b": ["1"]})
    encoder = CategoryEncoder().fit({"b": [1, 2]})
    with pytest.raises(TypeError, match="column 'b': expected numbers, got 'x'"):
        encoder.transform({"b": ["x"]})


def test_scaled_numbers():
    x = np.array([[1.0], [3.0], [np.nan], [5.0]])
    encoder = CategoryEncoder(numeric="scale")
    X = encoder.fit_transform(x)
    np.testing.assert_allclose(X.toarray()[[0, 1, 3], 1], (np.array([1, 3, 5]) - 3) / np.std([1, 3, 5]), rtol=1e-6)
    assert X.toarray()[:, 0].tolist() == [0, 0, 1, 0]
    with pytest.raises(ValueError, match="finite numbers, got inf"):
        encoder.transform([[np.inf]])
    with pytest.raises(ValueError, match="finite numbers, got -inf"):
        encoder.fit([[-np.inf], [1.0]])
    assert CategoryEncoder(numeric="scale").fit_transform(np.full((3, 1), 7.0)).toarray().tolist() == [[0, 0]] * 3
    assert np.isfinite(CategoryEncoder(numeric="scale").fit_transform(np.array([[1e308], [-1e308]])).data).all()


@given(
    values=hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=True, width=16)),
    n_bins=st.integers(1, 12),
)
def test_intervals_keep_the_order_and_are_all_used(values, n_bins):
    kind = Intervals.learn(values, n_bins, "")
    ids, _ = kind.encode(values, "")
    known = values[~np.isnan(values)]
    distinct = len(np.unique(known))
    assert (ids[np.isnan(values)] == 0).all()
    if distinct:
        assert len(np.unique(ids[~np.isnan(values)])) == kind.size - 1 <= n_bins  # no empty interval
        order = np.argsort(known, kind="stable")
        assert (np.diff(ids[~np.isnan(values)][order]) >= 0).all()
        if distinct <= n_bins:
            assert kind.size - 1 == distinct


def test_a_frequent_value_has_an_interval_for_itself_and_the_others_share_the_rest():
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros(9_000), rng.normal(10, 1, 1_000), rng.normal(-10, 1, 1_000)])
    kind = Intervals.learn(x, 9, "")
    ids, _ = kind.encode(x, "")
    counts = np.bincount(ids)[1:]
    assert counts.max() == 9_000 and kind.size - 1 == 9
    assert (counts[counts < 9_000] > 100).all()


@pytest.mark.parametrize("distribution", ["uniform", "exponential"])
def test_intervals_have_equally_many_rows(distribution):
    x = getattr(np.random.default_rng(0), distribution)(size=10_000)
    ids, _ = Intervals.learn(x, 32, "").encode(x, "")
    assert np.ptp(np.bincount(ids)[1:]) <= 2


def test_hashing_spreads_categories_over_buckets():
    values = [[f"v{i}", i] for i in range(2_000)]
    encoder = CategoryEncoder(categorical="all", hash_buckets=64)
    X = encoder.fit_transform(values)
    assert X.shape == (2_000, 128) and encoder.get_feature_names_out()[65] == "x1#1"
    ids = ids_of(X, encoder)
    assert np.bincount(ids[:, 0], minlength=64).min() > 10 and (ids[:, 0] != ids[:, 1]).mean() > 0.9
    assert (encoder.transform([["never", None]]).data == 1).all()
    again = CategoryEncoder(categorical="all", hash_buckets=64).fit([["a", 1]])
    assert (again.transform(values) != X).nnz == 0


CODE = """
from wyrm.preprocessing import CategoryEncoder
X = CategoryEncoder(hash_buckets=1000).fit_transform({"a": ["x", "y", None, 1.5, "z"], "b": list("hello")})
Y = CategoryEncoder().fit_transform({"a": ["x", "y", None, 1.5, "z"], "b": list("hello")})
print(X.indices.tolist(), Y.indices.tolist())
"""


def test_the_same_in_every_process():
    """Whatever PYTHONHASHSEED says; and forever: a saved model depends on it."""
    for seed in ("1", "2"):
        command = [sys.executable, "-c", CODE]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.strip() == (
            "[167, 1912, 998, 1605, 929, 1544, 38, 1544, 865, 1588] [2, 8, 3, 7, 5, 9, 1, 9, 4, 10]"
        )


ODD = {
    "a scipy matrix": (scipy.sparse.eye(2), TypeError, "expected a table"),
    "a string": ("ab", TypeError, "expected a table"),
    "None": (None, TypeError, "expected a table"),
    "one dimension": (np.arange(3), ValueError, "1 dimension;"),
    "a list of strings": (["a", "b"], ValueError, "1 dimension;"),
    "ragged rows": ([["a"], ["b", "c"]], ValueError, "rows of one length"),
    "three dimensions": (np.zeros((1, 2, 3)), ValueError, "3 dimensions"),
    "ragged columns": ({"a": [1], "b": [1, 2]}, ValueError, "columns of one length"),
    "no columns": ({}, ValueError, "at least one column"),
    "no rows": ({"a": []}, ValueError, "at least one row"),
    "no rows in a list": ([], ValueError, "rows with columns|at least one"),
    "a nested column": ({"a": [[1], [2]]}, TypeError, "column.*strings, numbers or booleans|strings, numbers"),
    "dates": ({"a": np.array(["2020-01-01"], "M8[D]")}, TypeError, "column 'a'.*dates and times"),
    "bytes": (np.array([[b"x"]]), TypeError, "column 0.*decode"),
    "complex numbers": ({"a": np.array([1j])}, TypeError, "column 'a'"),
    "objects": ({"a": [object()]}, TypeError, "column 'a'.*got object"),
    "two dimensions in a column": ({"a": np.zeros((2, 2))}, ValueError, "column 'a': expected one dimension"),
}


@pytest.mark.parametrize(("table", "error", "message"), ODD.values(), ids=ODD)
def test_what_is_no_table_is_refused(table, error, message):
    with pytest.raises(error, match=message):
        CategoryEncoder().fit(table)


def test_odd_data_frames_are_refused():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="two that are called 'a'"):
        CategoryEncoder().fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(TypeError, match=r"column 'a'.*dates and times"):
        CategoryEncoder().fit(pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}))
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"column 'a'.*convert"):
        CategoryEncoder().fit(pl.DataFrame({"a": [[1, 2]]}))
    with pytest.raises(TypeError, match="collect"):
        CategoryEncoder().fit(pl.DataFrame({"a": [1]}).lazy())


SETTINGS = [
    ({"numeric": "raw"}, ValueError, "'bins' or 'scale'"),
    ({"n_bins": 0}, ValueError, "n_bins to be at least 1"),
    ({"n_bins": 2.5}, TypeError, "n_bins to be an integer"),
    ({"min_frequency": True}, TypeError, "min_frequency to be an integer"),
    ({"hash_buckets": -1}, ValueError, "hash_buckets to be at least 1"),
    ({"hash_buckets": 2**31}, ValueError, "at most 2147483647 columns"),
    ({"categorical": "some"}, ValueError, "None, 'all' or a list"),
    ({"categorical": ["b"]}, ValueError, r"has 'b', but the table has columns \['a'\]"),
    ({"categorical": [1]}, ValueError, "has 1, but the table"),
]


@pytest.mark.parametrize(("settings", "error", "message"), SETTINGS)
def test_settings_are_checked(settings, error, message):
    with pytest.raises(error, match=message):
        CategoryEncoder(**settings).fit({"a": ["x"]})


def test_it_is_not_fitted():
    for call in (lambda e: e.transform([[1]]), lambda e: e.get_feature_names_out(), lambda e: wyrm.io.save(e, "x")):
        with pytest.raises((ValueError, AttributeError), match="not fitted yet"):
            call(CategoryEncoder())


@pytest.mark.parametrize("settings", [{}, {"numeric": "scale"}, {"hash_buckets": 50, "n_bins": 3}])
@pytest.mark.parametrize("table", ["dict of arrays", "rows"])
def test_saved_and_loaded_it_does_the_same(tmp_path, settings, table):
    table = TABLES[table]()
    encoder = CategoryEncoder(**settings).fit(table)
    encoder.save(tmp_path / "encoder")
    for found in (
        CategoryEncoder.load(tmp_path / "encoder"),
        wyrm.io.load(tmp_path / "encoder", mmap=True),
        pickle.loads(pickle.dumps(encoder)),
    ):
        assert found.get_params() == encoder.get_params() and repr(found) == repr(encoder)
        assert (found.transform(table) != encoder.transform(table)).nnz == 0
        assert (found.get_feature_names_out() == encoder.get_feature_names_out()).all()
        if not settings:
            with pytest.raises(TypeError, match="expected strings, as in"):
                found.transform([[1, 1.0, 1, True]])


def test_a_file_with_something_else_is_refused(tmp_path):
    state = {"params": {}, "names": None, "kinds": ["Intervals"]}
    for arrays in ({}, {"0.edges": np.array([2.0, 1.0])}, {"0.edges": np.eye(2)}, {"7.edges": np.zeros(1)}):
        content = {"class": "CategoryEncoder", "state": state}
        wyrm.container.write_container(tmp_path / "file", "wyrm model", 1, content, arrays)
        with pytest.raises(wyrm.io.ModelFileError, match="no CategoryEncoder"):
            wyrm.io.load(tmp_path / "file")


def test_in_a_pipeline_of_scikit_learn():
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    from wyrm.models import LogisticRegression

    rng = np.random.default_rng(0)
    word = rng.choice(list("abcdef"), 600)
    table = {"word": word.astype(object), "n": rng.normal(size=600)}
    y = (np.isin(word, ["a", "b"]) | (table["n"] > 1)).astype(int)
    frame = pytest.importorskip("pandas").DataFrame(table)
    model = make_pipeline(CategoryEncoder(n_bins=8), LogisticRegression(random_state=0, n_threads=1))
    assert clone(model[0]).get_params() == model[0].get_params()
    search = GridSearchCV(model, {"categoryencoder__n_bins": [2, 16]}, cv=2).fit(frame, y)
    assert search.best_params_ == {"categoryencoder__n_bins": 16} and search.best_score_ > 0.8
    assert search.best_estimator_[:-1].get_feature_names_out()[1] == "word=a"


def test_without_pandas_polars_and_scikit_learn():
    code = """
import sys
for name in ("pandas", "polars", "sklearn"):
    sys.modules[name] = None
from wyrm.preprocessing import CategoryEncoder
encoder = CategoryEncoder()
X = encoder.fit_transform([["a", 1.0], ["b", 2.0]])
assert X.shape == (2, 6)
encoder.set_params(n_bins=1)
assert repr(encoder) == "CategoryEncoder(n_bins=1)"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
