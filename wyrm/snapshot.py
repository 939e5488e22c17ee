"""Copies of parameters and optimiser state, to go back to."""

import numpy as np


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
        self.values = [np.empty(parameter.shape, dtype=np.float32) for parameter in parameters]
        self.update()

    def update(self):
        """Copy what they hold now."""
        for parameter, values in zip(self._parameters, self.values, strict=True):
            np.copyto(values, parameter.value)
        self.state = self._optimizer.get_state(self._parameters)

    def restore(self):
        """Put the copy back."""
        for parameter, values in zip(self._parameters, self.values, strict=True):
            parameter.value = values
        self._optimizer.set_state(self.state, self._parameters)
