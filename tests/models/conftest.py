import pytest
from estimators import linear_data


@pytest.fixture(scope="module")
def data():
    """A sparse matrix of ones, and what a linear model gives of it."""
    return linear_data()
