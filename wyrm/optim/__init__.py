"""Optimisers, all of them for sparse gradients, and schedules of the learning rate."""

from wyrm.optim.adagrad import Adagrad as Adagrad
from wyrm.optim.adam import Adam as Adam
from wyrm.optim.ftrl import FTRL as FTRL
from wyrm.optim.schedules import ExponentialDecay as ExponentialDecay
from wyrm.optim.schedules import LinearDecay as LinearDecay
from wyrm.optim.schedules import PowerDecay as PowerDecay
from wyrm.optim.schedules import Warmup as Warmup
from wyrm.optim.sgd import SGD as SGD
from wyrm.optim.update import Optimizer as Optimizer
