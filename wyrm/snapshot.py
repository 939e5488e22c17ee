"""Copies of parameters and optimiser state, to go back to."""


class Snapshot:
    """What parameters and their optimiser state hold now.

    Parameters
    ----------
    parameters : list of HogwildParameter
    optimizer : Optimizer
    """

    def __init__(self, parameters, optimizer):
        self._parameters = parameters
        self._optimizer = optimizer
        self.update()

    def update(self):
        """Take a new copy."""
        self._copies = [parameter.copy_out() for parameter in self._parameters]

    def restore(self):
        """Put the copy back."""
        for parameter, (values, state) in zip(self._parameters, self._copies, strict=True):
            parameter.copy_in(values, state)
