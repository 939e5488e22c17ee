"""What models, trainers and files leave behind, also where they fail: nothing."""

import contextlib
import gc

import numpy as np
import pytest
import scipy.sparse as sp
from engine.support import allocated_bytes, counts_allocations

import wyrm
import wyrm.io
from wyrm.models import FactorizationMachineClassifier, FieldAwareFactorizationMachineRegressor, KeyedVectors, Word2Vec
from wyrm.optim import SGD, Adam

pytestmark = pytest.mark.skipif(not counts_allocations(), reason="needs glibc's own malloc")

X = sp.random(400, 50, 0.2, format="csr", random_state=0)
Y = np.arange(400) % 2
CORPUS = [["a", "b", "c", "dd"] * 5] * 40


def fit(tmp_path):
    FactorizationMachineClassifier(epochs=2).fit(X, Y).partial_fit(X, Y)
    FieldAwareFactorizationMachineRegressor(epochs=1, fields=np.arange(50) % 5).fit(X, Y * 1.5)


def learn_words(tmp_path):
    model = Word2Vec(vector_size=8, min_count=1, epochs=1).fit(CORPUS)
    model.build_vocab([*CORPUS, ["zz", "yy"]], update=True)
    model.train(CORPUS)
    model.wv.most_similar("a")


def train(tmp_path):
    table, index, y = wyrm.ParameterNode(np.zeros((1000, 8))), wyrm.IndexInputNode([0]), wyrm.InputNode([[0.0]])
    loss = (table.embedding_bag(index).sum(axis=1) - y).square()
    data = {index: np.arange(1500).reshape(500, 3) % 1000, y: np.ones((500, 1))}
    trainer = wyrm.Trainer(loss, Adam(0.01, l2=0.1), n_threads=2)
    trainer.fit(data, epochs=3)
    trainer.partial_fit(iter([data, data]))
    trainer.predict(loss, data)
    trainer.save(tmp_path / "checkpoint")
    wyrm.Trainer.resume(tmp_path / "checkpoint", loss, Adam(0.01, l2=0.1))


def refuse(tmp_path):
    """What fails half-way: nodes, graphs, training."""
    for kind in (wyrm.ParameterNode, wyrm.InputNode, wyrm.IndexInputNode, wyrm.HogwildParameter):
        for value in ("x", [[np.nan]], np.zeros((2, 2, 2)), np.zeros((0, 3)), None):
            with contextlib.suppress(TypeError, ValueError):
                kind(value)
    table, index = wyrm.ParameterNode(np.zeros((1000, 8))), wyrm.IndexInputNode([5000])
    rows = table.embedding(index)
    with pytest.raises(IndexError):
        rows.forward()
    with pytest.raises(ValueError):
        table + wyrm.ParameterNode(np.zeros((7, 3)))
    with pytest.raises(IndexError):
        wyrm.Trainer(rows.sum(), SGD(0.1)).fit({index: np.array([5000])})


def save_and_load(tmp_path):
    path = tmp_path / "model"
    FactorizationMachineClassifier(epochs=1).fit(X, Y).save(path)
    wyrm.io.load(path).predict(X)
    wyrm.io.load(path, mmap=True).predict(X)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError):
        wyrm.io.load(path)


def read(tmp_path):
    path = tmp_path / "file"
    wyrm.io.write_libsvm(path, X, Y)
    wyrm.io.read_libsvm(path)
    next(iter(wyrm.io.iter_libsvm(path, chunk_rows=50, n_features=50)))  # and no further
    path.write_bytes(b"1 1:1\n1 x:2\n")
    with pytest.raises(wyrm.io.FormatError):
        wyrm.io.read_libsvm(path)
    vectors = KeyedVectors(8)
    vectors.add_vectors(["a", "b"], np.ones((2, 8), dtype=np.float32))
    for binary in (False, True):
        vectors.save_word2vec_format(path, binary=binary)
        KeyedVectors.load_word2vec_format(path, binary=binary)
        path.write_bytes(path.read_bytes()[:-5])
        with contextlib.suppress(ValueError):
            KeyedVectors.load_word2vec_format(path, binary=binary)


@pytest.mark.parametrize("work", [fit, learn_words, train, refuse, save_and_load, read])
def test_nothing_is_left_behind(work, tmp_path):
    for _ in range(3):
        work(tmp_path)
    grown = []
    for _ in range(2):
        gc.collect()
        before = allocated_bytes()
        for _ in range(5):
            work(tmp_path)
        gc.collect()
        grown.append((allocated_bytes() - before) / 5)
    # Caches may still fill in one of the two; a matrix of the smallest model has more bytes.
    assert min(grown) < 1_000, grown
