"""Models in files: what comes back is the same, and nothing else does."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

import wyrm.io
import wyrm.models
from wyrm.container import read_container, write_container
from wyrm.io import ModelFileError
from wyrm.io.saving import KIND, VERSION, public_class
from wyrm.preprocessing import CategoryEncoder, TableModel

N_COLUMNS = 12
SETTINGS = {"epochs": 2, "n_threads": 1, "random_state": 0}
MODELS = {
    "LogisticRegression": {},
    "LinearRegression": {},
    "FactorizationMachineClassifier": {"n_factors": 3},
    "FactorizationMachineRegressor": {"n_factors": 3},
    "FieldAwareFactorizationMachineClassifier": {"n_factors": 2},
    "FieldAwareFactorizationMachineRegressor": {"n_factors": 2},
}


def data():
    rng = np.random.default_rng(0)
    X = scipy.sparse.random(80, N_COLUMNS, 0.3, "csr", np.float32, rng)
    return X, (X.sum(axis=1) > 1.5).A1.astype(int)


def fitted(name):
    return getattr(wyrm.models, name)(**SETTINGS, **MODELS[name]).fit(*data())


def predictions(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_comes_back_as_it_was(tmp_path, name, mmap):
    X, y = data()
    model = fitted(name)
    wyrm.io.save(model, tmp_path / "model")
    found = wyrm.io.load(tmp_path / "model", mmap=mmap)
    assert type(found) is type(model) and found.get_params() == model.get_params()
    np.testing.assert_array_equal(predictions(found, X), predictions(model, X))
    assert found.history_ == model.history_
    # It goes on as the one that was saved would have done.
    np.testing.assert_array_equal(predictions(found.partial_fit(X, y), X), predictions(model.partial_fit(X, y), X))
    # What was mapped is as it was.
    wyrm.io.load(tmp_path / "model")


@pytest.mark.parametrize("mmap", [False, True])
def test_a_model_with_its_encoder(tmp_path, mmap):
    table = {"word": np.array(["a", "b", "c", "b"] * 20, object), "number": np.arange(80.0)}
    encoder = CategoryEncoder(n_bins=4)
    model = wyrm.models.LogisticRegression(**SETTINGS).fit(encoder.fit_transform(table), [0, 1, 1, 1] * 20)
    both = TableModel(encoder, model)
    both.save(tmp_path / "model")
    found = wyrm.io.load(tmp_path / "model", mmap=mmap)
    assert repr(found) == repr(both)
    np.testing.assert_array_equal(found.predict_proba(table), both.predict_proba(table))
    np.testing.assert_array_equal(found.predict(table), both.predict(table))


def test_the_same_model_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        model = fitted("LogisticRegression")
        model.history_.seconds = [0.0, 0.0]
        wyrm.io.save(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_damaged_anywhere_it_is_refused_or_unharmed(tmp_path):
    X, _ = data()
    model = fitted("FactorizationMachineClassifier")
    expected = predictions(model, X)
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.choice(len(content), 400, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ int(rng.integers(1, 256))]) + content[place + 1 :])
        try:
            found = wyrm.io.load(path)
        except ModelFileError as error:
            assert str(error).startswith(str(path))
        else:
            np.testing.assert_array_equal(predictions(found, X), expected)
    for size in rng.choice(len(content), 100, replace=False):
        path.write_bytes(content[:size])
        for mmap in (False, True):
            with pytest.raises(ModelFileError):
                wyrm.io.load(path, mmap=mmap)


def test_what_a_forger_writes_is_refused(tmp_path):
    """Files whose checksums are right, and whose content is not."""
    path = tmp_path / "model"
    fitted("LogisticRegression").save(path)
    content, arrays = read_container(path, KIND, VERSION)
    rng = np.random.default_rng(2)
    forged = [
        ({**content, "class": name}, arrays)
        for name in ("Trainer", "os.system", "__import__", "_MODULES", "base", "KeyedVectors", "CategoryEncoder", "")
    ]
    forged += [(wrong, arrays) for wrong in (None, [], {}, "text", {"class": "LogisticRegression"})]
    forged += [({**content, "state": 5}, arrays)]
    tables = np.zeros((0, 1), np.float32), np.zeros(3), np.eye(4, dtype=np.float32)
    forged += [(content, {**arrays, "linear": table}) for table in tables]
    for n_features in (0, 5, 10**9, -1, "many"):
        numbers = {**content["state"]["fitted"], "n_features_in_": n_features}
        forged.append(({**content, "state": {**content["state"], "fitted": numbers}}, arrays))
    for part in content["state"]:
        for wrong in (None, 5, "text", [], {}, {"a": [1]}):
            forged.append(({**content, "state": {**content["state"], part: wrong}}, arrays))
        forged.append(({**content, "state": {k: v for k, v in content["state"].items() if k != part}}, arrays))
    refused = 0
    for config, held in forged:
        write_container(path, KIND, VERSION, config, held)
        try:
            model = wyrm.io.load(path)
        except ModelFileError:
            refused += 1
            continue
        # What the file can say and still be a model may be of no use, but must not break anything.
        with contextlib.suppress(ValueError, TypeError, AttributeError, LookupError, RuntimeError):
            model.predict(scipy.sparse.csr_matrix(rng.random((2, N_COLUMNS))))
    assert refused > len(forged) / 2


@pytest.mark.parametrize(
    "name", ["", "_MODULES", "importlib", "Any", "base", "os", "LogisticRegression.fit", "Trainer"]
)
def test_only_public_classes_are_found(name):
    assert public_class(name) is None


def test_other_things_are_not_saved(tmp_path):
    class LogisticRegression(wyrm.models.LogisticRegression):
        pass

    for thing in (5, {}, np.zeros(3), object, LogisticRegression()):
        with pytest.raises(TypeError, match="save: expected a model"):
            wyrm.io.save(thing, tmp_path / "thing")
    with pytest.raises((ValueError, AttributeError), match="not fitted"):
        wyrm.io.save(wyrm.models.LogisticRegression(), tmp_path / "thing")
    assert not list(tmp_path.iterdir())


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        wyrm.io.load(tmp_path / "nowhere")
    CategoryEncoder().fit([[1]]).save(tmp_path / "encoder")
    with pytest.raises(TypeError, match="expected a LogisticRegression, found a CategoryEncoder"):
        wyrm.models.LogisticRegression.load(tmp_path / "encoder")
    with pytest.raises(TypeError, match="expected a CategoryEncoder, found a LogisticRegression"):
        fitted("LogisticRegression").save(tmp_path / "model")
        CategoryEncoder.load(tmp_path / "model")
    write_container(tmp_path / "later", KIND, VERSION, {"class": "FutureModel", "state": {}}, {})
    with pytest.raises(ModelFileError, match="a FutureModel, which this wyrm does not know"):
        wyrm.io.load(tmp_path / "later")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_mapping_reads_next_to_nothing(tmp_path):
    """A model of 64 MB, of which one row is looked at, in a process of its own."""
    n = 1 << 20
    X = scipy.sparse.csr_matrix((np.ones(20), np.arange(20), np.arange(21)), shape=(20, n))
    wyrm.models.FactorizationMachineClassifier(n_factors=8, **SETTINGS).fit(X, [0, 1] * 10).save(tmp_path / "model")
    size = os.path.getsize(tmp_path / "model")
    assert size > 50e6
    code = f"""
import scipy.sparse, wyrm.io, wyrm.models
def resident():
    return [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS")][0]
x = scipy.sparse.csr_matrix(([1.0], [3], [0, 1]), shape=(1, {n}))
wyrm.models.LogisticRegression(epochs=1).fit(x[[0, 0], :20], [0, 1])
before = resident()
model = wyrm.io.load({str(tmp_path / "model")!r}, mmap=True)
model.predict_proba(x)
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < size / 4
