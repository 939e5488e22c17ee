"""One contract for all estimators over a matrix, and each against a reference."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from wyrm.models import (
    FactorizationMachineClassifier,
    FactorizationMachineRegressor,
    FieldAwareFactorizationMachineClassifier,
    FieldAwareFactorizationMachineRegressor,
    LinearRegression,
    LogisticRegression,
)
from wyrm.optim import LinearDecay

FACTORIZATION_MACHINES = [FactorizationMachineClassifier, FactorizationMachineRegressor]
FIELD_AWARE = [FieldAwareFactorizationMachineClassifier, FieldAwareFactorizationMachineRegressor]
ALL = [LogisticRegression, LinearRegression, *FACTORIZATION_MACHINES, *FIELD_AWARE]
CLASSIFIERS = [cls for cls in ALL if hasattr(cls, "predict_proba")]
DENSE_TOO = [LogisticRegression, LinearRegression, *FACTORIZATION_MACHINES]  # of an array, others take the entries

N, WIDTH = 400, 12


@pytest.fixture(scope="module")
def data():
    """A sparse matrix of ones, and what a linear model gives of it."""
    rng = np.random.default_rng(0)
    X = sp.csr_matrix((rng.random((N, WIDTH)) < 0.3).astype(np.float64))
    return X, X @ rng.normal(size=WIDTH) + 0.05 * rng.normal(size=N)


def is_classifier(cls):
    return cls in CLASSIFIERS


def target(cls, y, n_classes=2):
    """y, or classes made of it."""
    return np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes)) if is_classifier(cls) else y


def make(cls, **params):
    return cls(**{"random_state": 0, "n_threads": 1} | params)


def output(model, X):
    return model.decision_function(X) if hasattr(model, "predict_proba") else model.predict(X)


# --- What comes out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_shapes_dtypes_and_fitted_names(cls, data):
    X, y = data
    model = make(cls).fit(X, target(cls, y))
    assert model.predict(X).shape == (N,)
    assert model.n_features_in_ == WIDTH
    assert model.n_iter_ == len(model.history_.loss) == len(model.history_.examples)
    assert model.coef_.shape == ((1, WIDTH) if is_classifier(cls) else (WIDTH,))
    assert model.coef_.dtype == np.float64
    assert model.score(X, target(cls, y)) > 0.8
    assert model.history_.loss[-1] < model.history_.loss[0]


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [-1, 1], [3.0, 7.0], ["a", "b", "c"], [5, 1, 9, 7]])
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_classes_of_any_kind(cls, labels, data):
    X, y = data
    codes = target(cls, y, len(labels))
    t = np.asarray(labels)[codes]
    model = make(cls).fit(X, t)
    np.testing.assert_array_equal(model.classes_, sorted(labels))
    assert model.classes_.dtype == t.dtype and model.predict(X).dtype == t.dtype
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (N, len(labels)) and probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))
    assert output(model, X).shape == ((N,) if len(labels) == 2 else (N, len(labels)))
    assert model.coef_.shape[0] == model.intercept_.shape[0] == (1 if len(labels) == 2 else len(labels))
    assert model.score(X, t) > 0.6
    assert set(make(cls).fit(X, list(t)).classes_) == set(labels)


@pytest.mark.parametrize("cls", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("dense", [True, False])
def test_coefficients_are_those_of_x_as_given(cls, dense, data):
    X, y = data
    X = X.multiply(10.0 ** np.arange(-2, 4, 0.5)).tocsr() + (sp.csr_matrix(np.full(X.shape, 3.0)) if dense else 0 * X)
    X = X.toarray() if dense else X
    model = make(cls).fit(X, target(cls, y))
    np.testing.assert_allclose(X @ np.ravel(model.coef_) + model.intercept_, output(model, X), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("cls", FACTORIZATION_MACHINES)
@pytest.mark.parametrize("dense", [True, False])
def test_scores_are_those_of_the_formula(cls, dense, data):
    X, y = data
    X = X.multiply(np.linspace(0.5, 5, WIDTH)).tocsr()
    model = make(cls, init_scale=0.3).fit(X.toarray() + 1 if dense else X, target(cls, y))
    x = X.toarray() + 1 if dense else X.toarray()
    pairs = ((x @ model.factors_) ** 2 - x**2 @ model.factors_**2).sum(axis=1) / 2
    scores = model.intercept_ + x @ np.ravel(model.coef_) + pairs
    np.testing.assert_allclose(scores, output(model, x if dense else X), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cls", [FactorizationMachineClassifier])
def test_each_of_several_classes_has_its_own_factors(cls, data):
    X, y = data
    model = make(cls, n_factors=3).fit(X, target(cls, y, 3))
    assert model.factors_.shape == (3, WIDTH, 3)
    x = X.toarray()
    for k in range(3):
        pairs = ((x @ model.factors_[k]) ** 2 - x**2 @ model.factors_[k] ** 2).sum(axis=1) / 2
        scores = model.intercept_[k] + x @ model.coef_[k] + pairs
        np.testing.assert_allclose(scores, model.decision_function(X)[:, k], atol=1e-4)


# --- Forms of X --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_any_sparse_form_of_the_same_matrix_gives_the_same(cls, data):
    X, y = data
    X, t = X.multiply(np.linspace(0.5, 2, WIDTH)).tocsr(), target(cls, y)
    expected = output(make(cls).fit(X, t), X)
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    turned = sp.csr_matrix((X.data[::-1], X.indices[::-1], (X.nnz - X.indptr)[::-1]), shape=X.shape)[::-1]
    halves = sp.coo_matrix(
        (np.concatenate([X.data, X.data]) / 2, (np.tile(X.tocoo().row, 2), np.tile(X.indices, 2))), shape=X.shape
    )
    doubled = sp.csr_matrix(X.shape)
    order = np.argsort(halves.row, kind="stable")
    starts = np.concatenate([[0], np.bincount(halves.row, minlength=N).cumsum()])
    doubled = sp.csr_matrix((halves.data[order], halves.col[order], starts), shape=X.shape)
    assert not doubled.has_canonical_format and not turned.has_sorted_indices
    for other in (wide, sp.csr_array(X), X.tocsc(), X.tocoo(), X.astype(np.float32), turned, doubled):
        before = other.copy()
        np.testing.assert_allclose(output(make(cls).fit(other, t), other), expected, rtol=1e-5, atol=1e-5)
        assert abs(before - other).nnz == 0


@pytest.mark.parametrize("cls", DENSE_TOO)
def test_any_dense_form_of_the_same_matrix_gives_the_same(cls, data):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y = data
    X, t = X.toarray(), target(cls, y)
    expected = output(make(cls).fit(X, t), X)
    names = [f"x{j}" for j in range(WIDTH)]
    frame = pandas.DataFrame(X, columns=names)
    for other in (X.tolist(), np.asfortranarray(X), X.astype(int), X.astype(bool), frame, polars.DataFrame(frame)):
        model = make(cls).fit(other, t)
        np.testing.assert_allclose(output(model, other), expected, rtol=1e-5, atol=1e-5)
        assert hasattr(model, "feature_names_in_") == hasattr(other, "columns")
    np.testing.assert_array_equal(make(cls).fit(frame, pandas.Series(t)).feature_names_in_, names)


@pytest.mark.parametrize("cls", ALL)
def test_no_dense_matrix_is_made_of_a_sparse_one(cls):
    X = sp.csr_matrix((np.ones(3), ([0, 1, 2], [5, 99_999, 7])), shape=(3, 100_000))
    X = sp.vstack([X] * 20_000).tocsr()  # as an array 24 GB
    fields = np.zeros(100_000, dtype=int)
    model = make(cls, epochs=1, **({"fields": fields} if cls in FIELD_AWARE else {}))
    y = np.tile([0.0, 1.0, 1.0], 20_000)
    assert model.fit(X, y.astype(int) if is_classifier(cls) else y).predict(X[:9]).shape == (9,)


@pytest.mark.parametrize("cls", ALL)
def test_rows_without_entries(cls, data):
    X, y = data
    model = make(cls).fit(X, target(cls, y))
    empty = sp.csr_matrix((3, WIDTH))
    np.testing.assert_allclose(output(model, empty), np.ravel([model.intercept_] * 3), rtol=1e-5)
    many = sp.csr_matrix((5000, WIDTH))
    np.testing.assert_allclose(output(model, many), np.ravel([model.intercept_] * 5000), rtol=1e-5)


@pytest.mark.parametrize("cls", ALL)
def test_the_score_of_a_row_does_not_depend_on_the_others(cls, data):
    X, y = data
    X = sp.vstack([X] * 10).tocsr()
    model = make(cls, n_threads=4, epochs=1).fit(X, target(cls, np.tile(y, 10)))
    whole = output(model, X)
    np.testing.assert_array_equal(whole[:N], output(model, X[:N]))
    np.testing.assert_array_equal(whole[:5], [output(model, X[i])[0] for i in range(5)])


@pytest.mark.parametrize("cls", ALL)
def test_one_row_at_a_time(cls, data):
    ones, y = data
    for X in (ones, ones.multiply(np.linspace(0.5, 5, WIDTH)).tocsr()):
        for n_classes in (2, 3) if is_classifier(cls) else (2,):
            model = make(cls).fit(X, target(cls, y, n_classes))
            for i in (0, 7, 11):
                columns, values = X[i].indices, X[i].data
                if is_classifier(cls):
                    expected = model.predict_proba(X[i])[0]
                    got = model.predict_proba_one(columns, values)
                    np.testing.assert_allclose(got, expected[1] if n_classes == 2 else expected, rtol=1e-5)
                else:
                    np.testing.assert_allclose(model.predict_one(columns, values), model.predict(X[i])[0], rtol=1e-5)
    one = model.predict_proba_one if is_classifier(cls) else model.predict_one
    np.testing.assert_array_equal(one([]), one(np.zeros(0, np.int32), []))
    for columns, values, error in (
        ([1, WIDTH], [1.0, 1.0], IndexError),
        ([1, -1], [1.0, 1.0], IndexError),
        ([1, 2], [1.0], ValueError),
        ([1, 2], [1.0, np.nan], ValueError),
        ([1.0, 2.0], None, TypeError),
    ):
        with pytest.raises(error):
            one(np.asarray(columns), values)


@pytest.mark.parametrize("cls", DENSE_TOO)
def test_one_row_of_an_array(cls, data):
    X, y = data
    X = X.toarray() * 3 + 1
    model = make(cls).fit(X, target(cls, y))
    one = model.predict_proba_one if is_classifier(cls) else model.predict_one
    expected = model.predict_proba(X[:1])[0, 1] if is_classifier(cls) else model.predict(X[:1])[0]
    np.testing.assert_allclose(one(X[0]), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="fitted to an array"):
        one(X[0, :3])
    with pytest.raises(ValueError, match="finite"):
        one(X[0] * np.nan)


# --- Training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_one_thread_repeats_bit_for_bit(cls, data):
    X, y = data
    t = target(cls, y)
    np.testing.assert_array_equal(output(make(cls).fit(X, t), X), output(make(cls).fit(X, t), X))
    assert (output(make(cls).fit(X, t), X) != output(make(cls, random_state=1).fit(X, t), X)).any()


@pytest.mark.parametrize("cls", [LogisticRegression, LinearRegression])
def test_sample_weights_count_as_repetitions(cls, data):
    X, y = data
    t = target(cls, y + np.random.default_rng(2).normal(size=N))
    weight = np.random.default_rng(1).integers(0, 5, N)
    rows = np.repeat(np.arange(N), weight)
    settings = {"learning_rate": LinearDecay(0.3, 0.0), "batch_size": 20, "epochs": 300}
    weighted = make(cls, **settings).fit(X, t, sample_weight=weight)
    repeated = make(cls, **settings).fit(X[rows], t[rows])
    plain = make(cls, **settings).fit(X, t)
    far = np.abs(plain.coef_ - repeated.coef_).mean()
    assert np.abs(weighted.coef_ - repeated.coef_).mean() < 0.1 * far


@pytest.mark.parametrize("cls", ALL)
def test_samples_without_weight_are_left_out_and_the_unit_of_weights_does_not_matter(cls, data):
    X, y = data
    t = target(cls, y)
    used = np.random.default_rng(1).random(N) < 0.7
    without = output(make(cls, epochs=5).fit(X[used], t[used], sample_weight=np.ones(used.sum())), X)
    for unit in (1.0, 2.0**20, 2.0**-20):
        weighted = make(cls, epochs=5).fit(X, t, sample_weight=unit * used)
        np.testing.assert_array_equal(output(weighted, X), without)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_class_weights(cls, data):
    X, y = data
    t = (y > np.quantile(y, 0.9)).astype(int)
    plain, balanced = make(cls).fit(X, t), make(cls, class_weight="balanced").fit(X, t)
    by_hand = make(cls, class_weight={0: N / (2 * (t == 0).sum()), 1: N / (2 * (t == 1).sum())}).fit(X, t)
    assert balanced.predict(X).mean() > plain.predict(X).mean()
    np.testing.assert_allclose(output(balanced, X), output(by_hand, X), rtol=1e-5, atol=1e-5)
    by_sample = make(cls).fit(X, t, sample_weight=np.where(t, 3.0, 1.0))
    np.testing.assert_allclose(
        output(make(cls, class_weight={1: 3.0}).fit(X, t), X), output(by_sample, X), rtol=1e-4, atol=1e-4
    )
    for wrong, error in (({2: 1.0}, ValueError), ({1: -1.0}, ValueError), ("even", ValueError), (3, ValueError)):
        with pytest.raises(error, match="class_weight"):
            make(cls, class_weight=wrong).fit(X, t)
    with pytest.raises(ValueError, match="balanced"):
        make(cls, class_weight="balanced").partial_fit(X, t, classes=[0, 1])


@pytest.mark.parametrize("cls", ALL)
def test_early_stopping_restores_the_best_epoch(cls, data):
    X, y = data
    t = target(cls, np.random.default_rng(2).permutation(y))  # nothing to learn
    model = make(cls, epochs=50, learning_rate=0.3, early_stopping=True, patience=3).fit(
        X, t, eval_set=(X[:100], t[:100])
    )
    assert len(model.history_.validation_loss) == model.n_iter_
    own = make(cls, epochs=100, learning_rate=0.3, early_stopping=True, validation_fraction=0.3).fit(X, t)
    assert own.n_iter_ < 100 and own.history_.stopped == "patience"
    assert own.history_.best_epoch == np.argmin(own.history_.validation_loss)
    with pytest.raises(ValueError, match="nothing to validate"):
        make(cls, early_stopping=True, validation_fraction=1e-9).fit(X, t)


@pytest.mark.parametrize("cls", ALL)
def test_warm_start_goes_on(cls, data):
    X, y = data
    t = target(cls, y)
    model = make(cls, epochs=2, warm_start=True).fit(X, t)
    first = model.history_.loss
    assert model.fit(X, t).history_.loss[0] < first[0]
    assert make(cls, epochs=2).fit(X, t).fit(X, t).history_.loss == first
    if is_classifier(cls):
        with pytest.raises(ValueError, match="new labels"):
            model.fit(X, t + 1)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "adam", "ftrl"])
def test_every_optimizer_learns_with_decay(cls, optimizer, data):
    X, y = data
    rate = {"adagrad": 0.1, "sgd": 0.02, "adam": 0.01, "ftrl": 0.1}[optimizer]
    model = make(cls, optimizer=optimizer, learning_rate=rate, l2=1e-4, epochs=20).fit(X, target(cls, y))
    assert model.score(X, target(cls, y)) > 0.7


@pytest.mark.parametrize("cls", ALL)
def test_chunks_give_what_the_whole_gives(cls, data):
    X, y = data
    X, t = X.multiply(np.linspace(0.5, 5, WIDTH)).tocsr(), target(cls, y)
    parts = [(X[i : i + 90], t[i : i + 90]) for i in range(0, N, 90)]

    class Again:
        def __iter__(self):
            return iter(parts)

    whole = make(cls).fit(X, t)
    for source in (lambda: iter(parts), parts, Again()):
        model = make(cls).fit(source)
        assert model.n_iter_ == whole.n_iter_
        assert np.corrcoef(output(model, X), output(whole, X))[0, 1] > 0.95
        np.testing.assert_allclose(model._scaling.scale, whole._scaling.scale)
    weighted = make(cls).fit(lambda: ((a, b, np.full(len(b), 2.0)) for a, b in parts), eval_set=(X, t))
    np.testing.assert_allclose(output(weighted, X), output(make(cls).fit(parts), X), rtol=1e-3, atol=1e-3)
    for source, error in (
        (iter(parts), ValueError),
        ([], ValueError),
        (lambda: [X], TypeError),
        (lambda: [], ValueError),
        (lambda: [(X.toarray(), t), (X[:, :2].toarray(), t)], ValueError),
    ):
        if cls in FIELD_AWARE and callable(source) and source() and source()[0] is not X:
            continue  # they take the entries of an array
        with pytest.raises(error):
            make(cls).fit(source)
    with pytest.raises(ValueError, match="eval_set"):
        make(cls, early_stopping=True).fit(parts)


@pytest.mark.parametrize("cls", ALL)
def test_partial_fit_learns_and_grows(cls, data):
    X, y = data
    t = target(cls, y)
    first = {"classes": [0, 1]} if is_classifier(cls) else {}
    fields = {"fields": np.zeros(WIDTH // 2, int)} if cls in FIELD_AWARE else {}
    half = X[:, : WIDTH // 2].tocsr()
    model = make(cls, **fields)
    if is_classifier(cls):
        with pytest.raises(ValueError, match="classes"):
            model.partial_fit(half, t)
    for _ in range(5):
        model.partial_fit(half, t, **first)
    assert model.n_iter_ == len(model.history_.loss) == 5 and model.history_.loss[-1] < model.history_.loss[0]
    narrow = output(model, half)
    if cls in FIELD_AWARE:
        return  # the fields of a matrix's columns are fixed: see test_field_aware.py
    # Columns that it hasn't seen count for nothing, and growing leaves what it knows.
    np.testing.assert_array_equal(output(model, X), narrow)
    before = model.coef_
    model.partial_fit(X[:1], t[:1])
    assert model.n_features_in_ == WIDTH
    assert np.abs(model.coef_[..., : WIDTH // 2] - before).max() < 0.3
    for _ in range(30):
        model.partial_fit(X, t)
    assert model.score(X, t) > 0.9
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(half, t)
    closed = make(cls).fit(half, t)
    with pytest.raises(ValueError, match=f"X has {WIDTH} features"):
        closed.predict(X)


@pytest.mark.parametrize("cls", DENSE_TOO)
def test_partial_fit_follows_larger_values(cls, data):
    X, y = data
    t = target(cls, y)
    first = {"classes": [0, 1]} if is_classifier(cls) else {}
    for dense in (False, True):
        model = make(cls).partial_fit(X.toarray() if dense else X, t, **first)
        before = output(model, X.toarray() if dense else X)
        larger = X.multiply(np.r_[1e6, np.ones(WIDTH - 1)]).tocsr()
        for _ in range(3):
            model.partial_fit(larger.toarray() if dense else larger, t)
        assert np.isfinite(before).all() and np.isfinite(output(model, larger.toarray() if dense else larger)).all()
        assert abs(np.ravel(model.coef_)[0]) < 1e-3


# --- Saving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "adam", "ftrl"])
def test_saved_models_are_the_same_and_go_on_in_the_same_way(cls, optimizer, data, tmp_path):
    X, y = data
    t = target(cls, y)
    t = np.array(["no", "yes"])[t] if is_classifier(cls) else t
    rate = {"adagrad": 0.1, "sgd": 0.01, "adam": 0.01, "ftrl": 0.1}[optimizer]
    model = make(cls, optimizer=optimizer, learning_rate=rate, l2=1e-5).fit(X, t)
    expected = output(model, X)
    model.save(tmp_path / "model")
    others = [
        cls.load(tmp_path / "model"),
        cls.load(tmp_path / "model", mmap=True),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ]
    for other in others:
        np.testing.assert_array_equal(output(other, X), expected)
        assert repr(other.get_params()) == repr(model.get_params())
        assert (other.n_iter_, other.history_) == (model.n_iter_, model.history_)
        other.save(tmp_path / "again")  # without having been trained
        np.testing.assert_array_equal(output(cls.load(tmp_path / "again"), X), expected)
    for _ in range(2):
        model.partial_fit(X, t)
        for other in others:
            other.partial_fit(X, t)
            np.testing.assert_array_equal(output(other, X), output(model, X))


@pytest.mark.parametrize("cls", ALL)
def test_a_mapped_model_is_asked_without_a_copy(cls, data, tmp_path):
    X, y = data
    make(cls).fit(X, target(cls, y)).save(tmp_path / "model")
    model = cls.load(tmp_path / "model", mmap=True)
    model.predict(X)
    assert not any(parameter.value.flags.writeable for parameter in model._network.parameters.values())
    assert not any(parameter.value.flags.owndata for parameter in model._network.parameters.values())


def test_another_class_is_refused(data, tmp_path):
    X, y = data
    make(LinearRegression).fit(X, y).save(tmp_path / "model")
    with pytest.raises(TypeError, match="expected a LogisticRegression, found a LinearRegression"):
        LogisticRegression.load(tmp_path / "model")


def test_schedules_and_class_weights_are_saved(data, tmp_path):
    X, y = data
    model = make(LogisticRegression, learning_rate=LinearDecay(0.1, 0.01), class_weight={"no": 2.0, "yes": 1.0})
    model.fit(X, np.where(y > 0, "yes", "no")).save(tmp_path / "model")
    assert LogisticRegression.load(tmp_path / "model").get_params() == model.get_params()
    model.set_params(learning_rate=lambda progress: 0.1).fit(X, np.where(y > 0, "yes", "no"))
    with pytest.raises(TypeError, match="learning_rate"):
        model.save(tmp_path / "other")


# --- Errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"n_threads": 0}, ValueError),
        ({"l2": -1.0}, ValueError),
        ({"l1": float("nan")}, ValueError),
        ({"l2": "much"}, TypeError),
        ({"optimizer": "newton"}, ValueError),
        ({"learning_rate": -1.0}, ValueError),
        ({"validation_fraction": 1.0}, ValueError),
        ({"patience": 0}, ValueError),
        ({"random_state": "seed"}, ValueError),
        ({"optimizer": "adam", "l1": 0.1}, ValueError),
    ],
)
def test_arguments_out_of_range(cls, params, error, data):
    X, y = data
    model = make(cls, **params)
    with pytest.raises(error, match=next(iter(params)) if "adam" not in params.values() else "l1"):
        model.fit(X, target(cls, y))


@pytest.mark.parametrize("cls", ALL)
def test_damaged_matrices(cls, data):
    X, y = data
    t = target(cls, y)
    model = make(cls, epochs=1).fit(X, t)
    for name, value in (("indices", WIDTH), ("indices", -1), ("indptr", 10**6), ("indptr", -5)):
        damaged = X.copy()
        damaged.has_canonical_format = True  # as if checked before
        getattr(damaged, name)[3] = value
        with pytest.raises(ValueError, match="X: expected"):
            model.predict(damaged)
        with pytest.raises(ValueError, match="X: expected"):
            make(cls).fit(damaged, t)
    for wrong in (np.nan, np.inf, 1e300):
        damaged = X.copy()
        damaged.data[5] = wrong
        with pytest.raises(ValueError, match="NaN|infinity"):
            model.predict(damaged)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_labels_that_are_none(cls, data):
    X, y = data
    for labels, error, words in (
        (y, ValueError, "Unknown label type"),
        (np.zeros(N), ValueError, "one class|1 class"),
        (np.array([None, "a"] * (N // 2)), TypeError, "labels"),
        (np.array([1, "a"] * (N // 2), dtype=object), TypeError, "labels"),
        (np.full(N, np.nan), ValueError, "NaN"),
    ):
        with pytest.raises(error, match=words):
            make(cls).fit(X, labels)


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls is not LogisticRegression])
def test_divergence_is_an_error_that_says_so(cls, data):
    X, y = data
    with pytest.raises(FloatingPointError, match="learning rate"):
        make(cls, optimizer="sgd", learning_rate=1e30, epochs=5).fit(X, target(cls, y))


# --- References --------------------------------------------------------------------------------------------------


def test_logistic_regression_finds_the_minimum(data):
    optimize = pytest.importorskip("scipy.optimize")
    X, y = data
    t = (y + np.random.default_rng(3).normal(size=N) > 0).astype(int)
    D = np.hstack([X.toarray(), np.ones((N, 1))])

    def loss(w):
        return np.logaddexp(0, (1 - 2 * t) * (D @ w)).mean()

    best = optimize.minimize(loss, np.zeros(WIDTH + 1), method="L-BFGS-B")
    model = make(LogisticRegression, epochs=300, batch_size=20, learning_rate=LinearDecay(0.3, 0.0)).fit(X, t)
    found = np.r_[model.coef_[0], model.intercept_]
    assert loss(found) < best.fun + 1e-4
    np.testing.assert_allclose(found, best.x, atol=0.05)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_linear_regression_finds_least_squares_in_any_unit(scale):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(500, 6)) * 10.0 ** rng.uniform(-4, 4, 6) + 10.0 ** rng.uniform(-2, 3, 6)
    y = scale * ((X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=6) + 0.1 * rng.normal(size=500) + 30)
    D = np.hstack([X, np.ones((500, 1))])
    exact = D @ np.linalg.lstsq(D, y)[0]
    model = make(LinearRegression, epochs=50, learning_rate=LinearDecay(0.1, 0.0)).fit(X, y)
    np.testing.assert_allclose(model.predict(X), exact, atol=0.01 * scale)


def test_decay_under_sgd_is_the_penalty_of_ridge_regression(data):
    X, y = data
    y, l2 = y - y.mean(), 0.05
    x = X.toarray() - X.toarray().mean(axis=0)
    # Half of the gradient of the mean squared error, and of l2 / 2 |w|^2.
    exact = np.linalg.solve(x.T @ x / N + l2 / 2 * np.eye(WIDTH), x.T @ y / N)
    schedule = LinearDecay(0.05, 0.0)
    model = make(LinearRegression, optimizer="sgd", l2=l2, epochs=200, learning_rate=schedule, standardize=False)
    model.fit(x, y)
    np.testing.assert_allclose(model.coef_, exact, atol=0.01)


# --- Around ------------------------------------------------------------------------------------------------------


def test_threads_may_ask_one_model_at_the_same_time(data):
    X, y = data
    model = make(FactorizationMachineClassifier).fit(X, (y > 0).astype(int))
    expected = [model.predict_proba_one(X[i].indices) for i in range(20)]
    wrong = []

    def ask():
        for _ in range(20):
            wrong.extend(i for i in range(20) if model.predict_proba_one(X[i].indices) != expected[i])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


WITHOUT_SKLEARN = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "sklearn":
            raise ImportError("made out to be missing")

sys.meta_path.insert(0, Missing())
import pickle
import numpy as np
from scipy.sparse import random_array
import wyrm.models
from wyrm.models.sklearn import HAS_SKLEARN

assert not HAS_SKLEARN
X = random_array((300, 20), density=0.3, format="csr", rng=0)
y = X @ np.random.default_rng(0).normal(size=20)
for name in sorted(wyrm.models.__all__):
    cls = getattr(wyrm.models, name)
    if "random_state" not in cls.__init__.__annotations__:
        continue
    t = (y > 0).astype(int) if hasattr(cls, "predict_proba") else y
    model = cls(random_state=0, epochs=30)
    assert repr(model) == f"{name}(epochs=30, random_state=0)", repr(model)
    assert cls(**model.get_params()).get_params() == model.get_params()
    try:
        model.predict(X)
    except (ValueError, AttributeError) as error:
        assert "not fitted" in str(error)
    else:
        raise AssertionError(name)
    try:
        model.set_params(size=3)
    except ValueError as error:
        assert "size" in str(error)
    assert model.set_params(l2=1e-6).fit(X, t).score(X, t) > 0.85, name
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
"""


def test_without_scikit_learn():
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_SKLEARN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_models_does_not_import_scikit_learn():
    code = "import sys, wyrm.models; assert 'sklearn' not in sys.modules; print(dir(wyrm.models))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "LogisticRegression" in done.stdout
    with pytest.raises(ImportError, match="NoSuchModel"):
        from wyrm.models import NoSuchModel  # noqa: F401
