"""Estimators that are saved, mapped and pickled."""

import copy
import pickle

import numpy as np
import pytest
from estimators import (
    ALL,
    is_classifier,
    make,
    output,
    target,
)

from wyrm.models import (
    KeyedVectors,
    LinearRegression,
    LogisticRegression,
    Word2Vec,
)
from wyrm.optim import LinearDecay


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


def test_tokens_of_any_kind_are_saved_as_they_are(tmp_path):
    tokens = ["a", 7, -7, 2**70, np.int8(3), 1.5, np.float32(0.5), b"b", None, ("user", 1), (("x",),), "7", "('a',)"]
    model = Word2Vec(vector_size=4, min_count=1, epochs=1).fit([tokens] * 5)
    model.save(tmp_path / "model")
    again = Word2Vec.load(tmp_path / "model")
    assert again.wv.index_to_key == model.wv.index_to_key == tokens
    for token in (1.5, b"b", ("user", 1)):
        np.testing.assert_array_equal(again.wv[token], model.wv.get_vector(token))
        assert token not in dict(again.wv.most_similar(token, topn=20))
        assert again.wv.most_similar(positive=[token], topn=3) == again.wv.most_similar(token, topn=3)
    for key in (frozenset("a"), float("nan"), object()):
        wv = KeyedVectors.from_arrays([key], np.ones((1, 2), np.float32))
        with pytest.raises(TypeError, match="expected keys that are strings, numbers, bytes or tuples of these"):
            wv.save(tmp_path / "wv")
