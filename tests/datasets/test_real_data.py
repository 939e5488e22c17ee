"""The fetched data, where WYRM_DATA_DIR has them."""

import numpy as np
import pytest

from wyrm.datasets import (
    DataUnavailableError,
    fetch_census_income,
    fetch_movielens_1m,
    fetch_movielens_100k,
    fetch_text8,
    fetch_word_analogies,
    fetch_wordsim353,
)

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture
def fetched(data_dir, tmp_path):
    """Fetch without a download; where the data are not there, skip."""

    def fetch(function, **options):
        try:
            return function(data_home=tmp_path, download_if_missing=False, **options)
        except DataUnavailableError as error:
            pytest.skip(f"not under WYRM_DATA_DIR: {str(error).splitlines()[0]}")

    return fetch


def test_census_income(fetched):
    census = fetched(fetch_census_income)
    assert (census.y_train.size, census.y_test.size) == (199_523, 99_762)
    assert (census.y_train.sum(), census.y_test.sum()) == (12_382, 6_186)
    assert len(census.names) == 40
    assert len(census.categorical) == 33
    assert census.train["age"][0] == 73 and census.train["age"].dtype == np.int64
    assert census.train["education"][0] == "High school graduate"
    assert census.test["citizenship"][0] == "Foreign born- Not a citizen of U S "
    assert set(census.train["year"]) == {"94", "95"}
    assert census.weight_train[0] == 1700.09


def test_census_income_as_frame(fetched):
    pd = pytest.importorskip("pandas")
    census = fetched(fetch_census_income, as_frame=True)
    assert isinstance(census.train["race"].dtype, pd.CategoricalDtype)
    assert census.test.shape == (99_762, 40)


def test_text8(fetched):
    path = fetched(fetch_text8)
    assert path.stat().st_size == 100_000_000
    with open(path, "rb") as file:
        assert file.read(20) == b" anarchism originate"


def test_word_evaluation(fetched):
    assert (
        fetched(fetch_word_analogies).read_text().startswith(": capital-common-countries\nAthens Greece Baghdad Iraq\n")
    )
    assert "love\tsex\t6.77" in fetched(fetch_wordsim353).read_text()


def test_movielens_100k(fetched):
    data = fetched(fetch_movielens_100k)
    assert data.users.size == 100_000
    assert (data.users.min(), data.users.max()) == (0, 942)
    assert (data.items.min(), data.items.max()) == (0, 1681)
    assert data.ratings.mean() == pytest.approx(3.52986)


def test_movielens_1m(fetched):
    train, test = fetched(fetch_movielens_1m)
    assert (train.users.size, test.users.size) == (994_169, 6_040)
    np.testing.assert_array_equal(test.users, np.arange(6_040))
    latest = np.zeros(6_040, np.int64)
    np.maximum.at(latest, train.users, train.timestamps)
    assert (latest <= test.timestamps).all()
    both = np.union1d(train.items, test.items)
    np.testing.assert_array_equal(both, np.arange(3_706))
