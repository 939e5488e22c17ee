"""One contract for all estimators over a matrix: what comes out, forms of X, training."""

import numpy as np
import pytest
import scipy.sparse as sp
from estimators import (
    ALL,
    CLASSIFIERS,
    DENSE_TOO,
    FACTORIZATION_MACHINES,
    FIELD_AWARE,
    WIDTH,
    N,
    is_classifier,
    make,
    output,
    target,
)

from wyrm.io import load
from wyrm.models import (
    FactorizationMachineClassifier,
    LinearRegression,
    LogisticRegression,
)
from wyrm.optim import LinearDecay

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
def test_stopping_by_the_training_loss(cls, data):
    X, y = data
    settings = {"epochs": 60, "n_threads": 1, "random_state": 0}
    t = target(cls, y)
    everything = make(cls, **settings).fit(X, t).history_.loss
    best, idle, n = np.inf, 0, 0
    while idle < 3 and n < 60:
        idle = idle + 1 if everything[n] > best - 1e-3 else 0
        best = min(best, everything[n])
        n += 1
    model = make(cls, tol=1e-3, patience=3, **settings).fit(X, t)
    assert model.history_.loss == everything[:n]
    assert model.n_iter_ == n
    assert n == 60 or model.history_.stopped == "callback"
    for wrong, error in ((-1.0, ValueError), (np.nan, ValueError), ("small", TypeError)):
        with pytest.raises(error, match="tol"):
            make(cls, tol=wrong).fit(X, t)


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
        (list, ValueError),
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
    # A chunk that happens to lack the last columns.
    np.testing.assert_array_equal(output(model, half), output(model, sp.hstack([half, 0 * half]).tocsr()))
    assert model.partial_fit(half, t).n_features_in_ == WIDTH
    closed = make(cls).fit(half, t)
    with pytest.raises(ValueError, match=f"X has {WIDTH} features"):
        closed.predict(X)


@pytest.mark.parametrize("reloaded", [False, True])
def test_the_optimizer_state_outlives_another_batch_size(tmp_path, reloaded):
    """What Adagrad takes for a small gradient goes by the batch size; its sums of squares stay."""

    def sums(model):
        network = model._network
        network.make_trainable()
        return network.optimizer.get_state(list(network.parameters.values()))["parameters"][0]["slots"]["accumulator"]

    rng = np.random.default_rng(0)
    X, y = sp.csr_matrix(rng.integers(0, 2, (200, 10)).astype(np.float32)), rng.integers(0, 2, 200)
    model = LogisticRegression(batch_size=1, n_threads=1, random_state=0).partial_fit(X, y, classes=[0, 1])
    before = sums(model).copy()
    if reloaded:
        model.save(tmp_path / "model")
        model = load(tmp_path / "model")
    model.set_params(batch_size=8).partial_fit(X[:8], y[:8])
    assert (sums(model) >= before).all()
    assert (sums(model) > before).any() and before.min() > 1


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


def test_large_data_whose_samples_share_columns_is_trained_in_batches():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 5, (60_000, 8)) + 5 * np.arange(8)
    X = sp.csr_matrix((np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 8)), shape=(60_000, 40))
    y = (X @ rng.normal(size=40) + rng.normal(size=60_000) > 0).astype(int)
    batches, one_by_one = (make(LogisticRegression, epochs=2, batch_size=size).fit(X, y) for size in (64, 1))
    np.testing.assert_array_equal(make(LogisticRegression, epochs=2).fit(X, y).coef_, batches.coef_)
    assert abs(batches.history_.loss[-1] - one_by_one.history_.loss[-1]) < 0.01
    few = make(LogisticRegression, epochs=2).fit(X[:3000], y[:3000])
    np.testing.assert_array_equal(
        few.coef_, make(LogisticRegression, epochs=2, batch_size=1).fit(X[:3000], y[:3000]).coef_
    )
