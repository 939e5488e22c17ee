"""Field-aware factorisation machines: the forms of X, growth, what is refused."""

import io
import pickle

import numpy as np
import pytest
import scipy.sparse

from wyrm.io import read_libffm
from wyrm.models import FieldAwareFactorizationMachineClassifier as Classifier
from wyrm.models import FieldAwareFactorizationMachineRegressor as Regressor

N, WIDTH, N_FIELDS = 3000, 6, 3  # columns of the pairs that count, and one field that says nothing


def settings(**changed):
    return {"learning_rate": 0.1, "epochs": 4, "n_threads": 1, "random_state": 0} | changed


@pytest.fixture(scope="module")
def problem():
    """Classes that depend on pairs of categories alone: entries (n, 3), their fields, values and y."""
    rng = np.random.default_rng(0)
    indices = np.stack([field * WIDTH + rng.integers(0, WIDTH, N) for field in range(N_FIELDS)], axis=1)
    sign = rng.choice([-1, 1], N_FIELDS * WIDTH)
    y = np.where(sign[indices[:, 0]] * sign[indices[:, 1]] > 0, "fits", "not")
    return indices, np.arange(N_FIELDS), rng.choice([0.5, 1, 2], (N, N_FIELDS)), y


def as_csr(indices, values):
    offsets = np.arange(0, indices.size + 1, indices.shape[1])
    return scipy.sparse.csr_matrix((values.ravel(), indices.ravel(), offsets), shape=(N, N_FIELDS * WIDTH))


def as_flat(indices, fields, values):
    return indices.ravel(), np.tile(fields, len(indices)), values.ravel(), np.arange(0, indices.size + 1, N_FIELDS)


@pytest.mark.parametrize("weighted", [True, False])
def test_forms_of_the_same_data(problem, weighted):
    indices, fields, values, y = problem
    values = values if weighted else np.ones_like(values)
    by_column = np.repeat(np.arange(N_FIELDS), WIDTH)
    flat = as_flat(indices, fields, values)
    text = "\n".join("1 " + " ".join(f"{f}:{i}:{v}" for f, i, v in zip(fields, *row)) for row in zip(indices, values))
    forms = [
        (indices, fields, values),
        (indices, np.tile(fields, (N, 1)), values),
        flat,
        read_libffm(io.BytesIO(text.encode())),
    ]
    if not weighted:
        forms += [(indices, fields, None), (*flat[:2], None, flat[3])]
    X = as_csr(indices, values)
    model = Classifier(fields=by_column, **settings()).fit(X, y)
    assert model.score(X, y) > 0.98
    expected = model.predict_proba(X)
    assert model.n_fields_ == N_FIELDS
    assert model.factors_.shape == (N_FIELDS * WIDTH, N_FIELDS, 4)
    for form in forms:
        model = Classifier(**settings()).fit(form, y)
        np.testing.assert_array_equal(model.predict_proba(form), expected)
    dense = Classifier(fields=by_column, **settings()).fit(X.toarray(), y)
    np.testing.assert_array_equal(dense.predict_proba(X.toarray()), expected)


def test_scores_are_those_of_the_formula(problem):
    indices, fields, values, y = problem
    model = Classifier(**settings(epochs=1)).fit((indices, fields, values), y)
    w, b, v = model.coef_[0], model.intercept_[0], model.factors_
    for row in range(5):
        i, x = indices[row], values[row]
        score = b + w[i] @ x
        for p in range(N_FIELDS):
            for q in range(p + 1, N_FIELDS):
                score += x[p] * x[q] * v[i[p], fields[q]] @ v[i[q], fields[p]]
        some = indices[row : row + 1], fields, values[row : row + 1]
        assert model.decision_function(some)[0] == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_no_linear_term(problem):
    indices, fields, _, y = problem
    model = Classifier(fit_linear=False, **settings()).fit((indices, fields, None), y)
    assert not model.coef_.any()
    assert model.score((indices, fields, None), y) > 0.98


def test_several_classes_and_numbers(problem):
    indices, fields, _, _ = problem
    rng = np.random.default_rng(1)
    taste, kind = rng.normal(size=(2, N_FIELDS * WIDTH))
    score = taste[indices[:, 0]] * kind[indices[:, 1]]
    X = indices, fields, None
    y = np.digitize(score, [-0.5, 0.5])
    model = Classifier(**settings(epochs=10)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.factors_.shape == (3, N_FIELDS * WIDTH, N_FIELDS, 4)
    regressor = Regressor(**settings(epochs=10)).fit(X, 100 + 30 * score)
    assert regressor.score(X, 100 + 30 * score) > 0.95


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_partial_fit_takes_up_columns_and_fields(problem, optimizer):
    indices, fields, _, y = problem
    first = indices[:, :2], fields[:2], None
    model = Classifier(**settings(optimizer=optimizer))
    model.partial_fit((first[0] % WIDTH, *first[1:]), y, classes=["fits", "not"])
    assert (model.n_features_in_, model.n_fields_) == (WIDTH, 2)
    before = model.decision_function((first[0] % WIDTH, *first[1:]))
    # What it has not seen counts for nothing.
    wider = np.hstack([first[0] % WIDTH, indices[:, 2:]]), fields, None
    np.testing.assert_array_equal(model.decision_function(wider), before)
    for _ in range(4):
        model.partial_fit((indices, fields, None), y)
    assert (model.n_features_in_, model.n_fields_) == (N_FIELDS * WIDTH, N_FIELDS)
    assert model.factors_.shape == (N_FIELDS * WIDTH, N_FIELDS, 4)
    assert model.score((indices, fields, None), y) > (0.9 if optimizer != "sgd" else 0.4)
    limited = Classifier(n_fields=2, **settings()).partial_fit(first, y, classes=["fits", "not"])
    with pytest.raises(ValueError, match=r"fields from 0 to 1, as n_fields=2 says, got 2"):
        limited.partial_fit((indices, fields, None), y)


def test_chunks_early_stopping_and_held_out_data(problem):
    indices, fields, values, y = problem
    flat = indices, fields, values

    def chunks():
        for begin in range(0, N, 1000):
            some = slice(begin, begin + 1000)
            yield (indices[some], fields, values[some]), y[some]

    model = Classifier(**settings()).fit(chunks, eval_set=(flat, y))
    assert model.score(flat, y) > 0.98
    assert len(model.history_.validation_loss) == 4
    stopped = Classifier(early_stopping=True, **settings(epochs=50)).fit(flat, y)
    assert stopped.score(flat, y) > 0.98
    with pytest.raises(ValueError, match=r"all chunks to have the same columns.*in 3 fields"):
        Classifier(**settings()).fit(lambda: iter([(flat, y), (as_csr(indices, values), y)]))


def test_one_row_of_entries_that_name_their_fields(problem):
    indices, fields, values, y = problem
    regressor = Regressor(**settings()).fit((indices, fields, values), y == y[0])
    model, ones = (Classifier(**settings()).fit((indices, fields, v), y) for v in (values, None))
    for i in range(5):
        row = indices[i : i + 1], fields, values[i : i + 1]
        assert model.predict_proba_one((indices[i], fields), values[i]) == pytest.approx(model.predict_proba(row)[0, 1])
        assert regressor.predict_one((indices[i], fields), values[i]) == pytest.approx(regressor.predict(row)[0])
        assert ones.predict_proba_one((indices[i], fields)) == pytest.approx(ones.predict_proba((*row[:2], None))[0, 1])
    with pytest.raises(TypeError, match=r"pair \(columns, fields\)"):
        model.predict_proba_one(indices[0], values[0])
    with pytest.raises(ValueError, match="a field for each column"):
        model.predict_proba_one((indices[0], fields[1:]), values[0])
    with pytest.raises(IndexError):
        model.predict_proba_one((indices[0] + 1000, fields), values[0])
    with pytest.raises(IndexError):
        model.predict_proba_one((indices[0], np.asarray(fields) + 1000), values[0])
    dense = Classifier(fields=np.arange(N_FIELDS), **settings()).fit(values, y)
    with pytest.raises(TypeError, match="flatnonzero"):
        dense.predict_proba_one(values[0])


@pytest.mark.parametrize("entries", [True, False])
def test_saved_models_are_the_same(problem, entries, tmp_path):
    indices, fields, values, y = problem
    by_column = None if entries else np.repeat(np.arange(N_FIELDS), WIDTH).tolist()
    X = (indices, fields, values) if entries else as_csr(indices, values)
    model = Classifier(fields=by_column, **settings()).fit(X, y)
    model.save(tmp_path / "model")
    for other in (Classifier.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        assert other.n_fields_ == N_FIELDS
        assert other.get_params() == model.get_params()
        other.partial_fit(X, y)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_arguments_that_change_after_fit_change_nothing_fitted(problem):
    indices, _, values, y = problem
    X = as_csr(indices, values)
    model = Classifier(fields=np.repeat(np.arange(N_FIELDS), WIDTH), **settings()).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(fields=np.zeros(N_FIELDS * WIDTH, dtype=int), n_factors=7)
    model._network.renew()
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    assert model.factors_.shape[1:] == (N_FIELDS, 4)


def test_what_is_refused(problem):
    indices, fields, values, y = problem
    X, flat = as_csr(indices, values), as_flat(indices, fields, values)
    by_column = np.repeat(np.arange(N_FIELDS), WIDTH)
    wide = scipy.sparse.csr_matrix((4, 100_000))
    with pytest.raises(ValueError, match=r"100000 columns.*149\.0 GB.*give fields="):
        Classifier().fit(wide, [0, 1, 0, 1])
    for wrong, error, message in [
        (by_column[:-1], ValueError, r"each of the 18 columns of X, got shape \(17,\)"),
        (by_column * 1.0, TypeError, "integers"),
        (by_column - 1, ValueError, "from 0 to 2147483646, got -1"),
    ]:
        with pytest.raises(error, match=message):
            Classifier(fields=wrong).fit(X, y)
    with pytest.raises(ValueError, match="fields from 0 to 1"):
        Classifier(fields=by_column, n_fields=2).fit(X, y)
    with pytest.raises(ValueError, match="leave out one of the two"):
        Classifier(fields=by_column).fit(flat, y)
    for wrong, message in [
        (flat[:2], "tuple of 2"),
        (flat[:3], "no offsets"),
        ((flat[0], flat[1][1:], *flat[2:]), "one length"),
        ((indices, fields[1:], values), "one shape"),
        (([[1, 2], [3]], fields, None), "where rows differ"),
        ((*flat[:3], flat[3][1:]), "rise from 0"),
        ((flat[0] - 1, *flat[1:]), "indices from 0"),
        ((flat[0], flat[1] - 1, *flat[2:]), "fields from 0"),
        ((flat[0] + 0.5, *flat[1:]), "indices to be integers"),
        ((*flat[:2], np.full(flat[2].shape, np.nan), flat[3]), "NaN"),
        ((*flat[:2], np.full(flat[2].shape, "a"), flat[3]), "real numbers"),
        ((flat[0][:0], flat[1][:0], flat[2][:0], [0]), r"0 sample\(s\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            Classifier().fit(wrong, y)
    entries, matrix = Classifier(**settings()).fit(flat, y), Classifier(fields=by_column, **settings()).fit(X, y)
    with pytest.raises(ValueError, match="got a matrix"):
        entries.predict(X)
    with pytest.raises(ValueError, match="got entries"):
        matrix.predict(flat)
    with pytest.raises(ValueError, match="expecting 18 features"):
        matrix.predict(X[:, :5])


def test_fit_uses_the_threads_it_is_given(problem):
    indices, fields, _, y = problem
    model = Classifier(**settings(n_threads=3)).fit((indices, fields, None), y)
    assert [graph.trainer.n_threads for graph in model._network._graphs.values()] == [3]
    assert model.score((indices, fields, None), y) > 0.98
