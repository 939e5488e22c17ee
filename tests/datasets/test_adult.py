"""Adult, as it ships with the package."""

import json
import lzma
from importlib.resources import files

import numpy as np
import pytest

from wyrm.datasets import load_adult
from wyrm.datasets.adult import unpack
from wyrm.datasets.tables import ColumnBuilder

NAMES = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country"),
)
NUMERIC = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}


def shipped():
    return lzma.decompress(files("wyrm.datasets").joinpath("data", "adult.xz").read_bytes())


def original_rows(folder, part):
    with lzma.open(folder / f"adult.{part}.xz", "rt") as file:
        return [line.rstrip(".\n").split(", ") for line in file if line.strip()]


def packed(folder):
    """The content of adult.xz, from the two original files."""
    train, test = original_rows(folder, "data"), original_rows(folder, "test")
    head = []
    body = b""
    for name, column in zip([*NAMES, "label"], zip(*train, *test)):
        builder = ColumnBuilder()
        builder.add(tuple("01"[text == ">50K"] for text in column) if name == "label" else column)
        coded = builder.build(numeric=name in NUMERIC | {"label"})
        dtype = np.dtype("<u1" if coded.values.size <= 256 else "<u2")
        head.append({"name": name, "values": coded.values.tolist(), "codes": dtype.str})
        body += coded.codes.astype(dtype).tobytes()
    return json.dumps({"n_train": len(train), "columns": head}).encode() + b"\n" + body


def test_shapes_and_kinds():
    adult = load_adult()
    assert adult.names == NAMES == tuple(adult.train) == tuple(adult.test)
    assert set(adult.names) - set(adult.categorical) == NUMERIC
    for part, y, n in ((adult.train, adult.y_train, 32_561), (adult.test, adult.y_test, 16_281)):
        assert y.shape == (n,) and y.dtype == np.int64
        for name, column in part.items():
            assert column.shape == (n,)
            assert column.dtype == (np.int64 if name in NUMERIC else object)
    assert adult.weight_train is None and adult.weight_test is None


def test_known_figures():
    adult = load_adult()
    assert (adult.y_train.sum(), adult.y_test.sum()) == (7_841, 3_846)
    assert (adult.train["workclass"] == "?").sum() == 1_836
    assert (adult.train["age"].min(), adult.train["age"].max()) == (17, 90)
    assert adult.test["native-country"][0] == "United-States"
    assert len(set(adult.train["education"])) == 16


def test_what_is_given_can_be_changed():
    load_adult().train["age"][:] = 0
    load_adult().y_train[:] = 5
    assert load_adult().train["age"][0] == 39
    assert load_adult().y_train.max() == 1


def test_it_is_small_and_its_licence_comes_with_it():
    folder = files("wyrm.datasets").joinpath("data")
    assert len(folder.joinpath("adult.xz").read_bytes()) < 350_000
    text = folder.joinpath("adult.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text and "Kohavi" in text


def test_data_frame():
    pd = pytest.importorskip("pandas")
    plain, adult = load_adult(), load_adult(as_frame=True)
    assert isinstance(adult.train, pd.DataFrame)
    assert tuple(adult.train.columns) == NAMES
    for name in NAMES:
        assert isinstance(adult.train[name].dtype, pd.CategoricalDtype) == (name in adult.categorical)
        np.testing.assert_array_equal(adult.test[name].to_numpy(), plain.test[name])
    assert adult.train["sex"].cat.categories.tolist() == ["Female", "Male"]


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        load_adult(as_frame=True)
    assert load_adult().y_train.size


@pytest.mark.data
def test_what_ships_is_the_original(data_dir):
    folder = data_dir / "adult"
    if not folder.is_dir():
        pytest.skip("adult/ is not under WYRM_DATA_DIR")
    assert shipped() == packed(folder)
    columns, n_train = unpack(shipped())
    rows = original_rows(folder, "data") + original_rows(folder, "test")
    assert n_train == 32_561
    for name, expected in zip(NAMES, zip(*rows)):
        assert list(map(str, columns[name].expand())) == list(expected)
