"""Real data to try models on: Adult comes with the package, the rest is fetched."""

from wyrm.datasets.adult import load_adult as load_adult
from wyrm.datasets.census_income import fetch_census_income as fetch_census_income
from wyrm.datasets.fetch import DataUnavailableError as DataUnavailableError
from wyrm.datasets.movielens import Ratings as Ratings
from wyrm.datasets.movielens import RatingsSplit as RatingsSplit
from wyrm.datasets.movielens import fetch_movielens_1m as fetch_movielens_1m
from wyrm.datasets.movielens import fetch_movielens_100k as fetch_movielens_100k
from wyrm.datasets.tables import TabularData as TabularData
from wyrm.datasets.text8 import fetch_text8 as fetch_text8
from wyrm.datasets.word_evaluation import fetch_word_analogies as fetch_word_analogies
from wyrm.datasets.word_evaluation import fetch_wordsim353 as fetch_wordsim353
