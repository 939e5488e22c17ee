"""Copies of parameters and optimiser state, to go back to."""

import numpy as np

from wyrm.history import History


class Snapshot:
    """What parameters and their optimiser state hold.

    Parameters
    ----------
    parameters : list of HogwildParameter
    optimizer : Optimizer

    Attributes
    ----------
    values : list of ndarray of float32
        A copy of each parameter's values.
    state : dict
        As ``optimizer.get_state(parameters)`` gives it.
    """

    def __init__(self, parameters, optimizer):
        self._parameters = parameters
        self._optimizer = optimizer
        # The state first: claiming it may lay the values out anew, which takes room for a while.
        self.state = optimizer.get_state(parameters)
        self.values = [np.array(parameter.value) for parameter in parameters]

    def update(self):
        """Copy what they hold now, to the same memory."""
        self.state = self._optimizer.get_state(self._parameters, into=self.state)
        for parameter, values in zip(self._parameters, self.values, strict=True):
            np.copyto(values, parameter.value)

    def restore(self):
        """Put the copy back."""
        for parameter, values in zip(self._parameters, self.values, strict=True):
            parameter.value = values
        self._optimizer.set_state(self.state, self._parameters)


class FitState:
    """What a fit() has to know to go on after an interruption."""

    def __init__(self, epochs):
        self.epochs = epochs
        self.history = History()
        self.best_loss = float("inf")
        self.best = None  # Snapshot of the best parameters, under early stopping
        self.spare = None

    def keep_best(self, parameters, optimizer):
        """Make what they hold now the best. An interruption meanwhile leaves the earlier one."""
        if self.spare is None:
            best = Snapshot(parameters, optimizer)
        else:
            best = self.spare
            best.update()
        self.best, self.spare = best, self.best
