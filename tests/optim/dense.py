"""Each optimiser as its paper has it: dense, in float64, every row at every step."""

import numpy as np


def soft(x, q):
    return np.sign(x) * np.maximum(0, np.abs(x) - q)


class Dense:
    def __init__(self, weights, l2=0.0, l1=0.0, clip=None):
        self.w = np.array(weights, dtype=np.float64)
        self.l2, self.l1, self.clip = l2, l1, clip
        self.t = 0
        self.start()

    def start(self):
        pass

    def step(self, gradient, rate):
        self.t += 1
        self.update(gradient if self.clip is None else np.clip(gradient, *self.clip), rate)


class DenseSGD(Dense):
    def update(self, g, rate):
        self.w = soft(max(0, 1 - rate * self.l2) * self.w - rate * g, rate * self.l1)


class DenseAdagrad(Dense):
    def __init__(self, weights, eps=1e-10, **settings):
        self.eps = eps
        super().__init__(weights, **settings)

    def start(self):
        self.accumulator = np.zeros_like(self.w)

    def update(self, g, rate):
        self.accumulator += g**2
        move = rate * g / (np.sqrt(self.accumulator) + self.eps)
        self.w = soft(max(0, 1 - rate * self.l2) * self.w - move, rate * self.l1)


class DenseAdam(Dense):
    def __init__(self, weights, beta1=0.9, beta2=0.999, eps=1e-8, **settings):
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        super().__init__(weights, **settings)

    def start(self):
        self.m = np.zeros_like(self.w)
        self.v = np.zeros_like(self.w)

    def update(self, g, rate):
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m = self.m / (1 - self.beta1**self.t)
        v = self.v / (1 - self.beta2**self.t)
        self.w = max(0, 1 - rate * self.l2) * self.w - rate * m / (np.sqrt(v) + self.eps)


class DenseFTRL(Dense):
    """McMahan et al. (2013), algorithm 1, with the z that gives the first weights."""

    def __init__(self, weights, beta=1.0, **settings):
        self.beta = beta
        super().__init__(weights, **settings)

    def start(self):
        self.n = np.zeros_like(self.w)
        self.rate = None
        self.z = None

    def scale(self, n, rate):
        return (self.beta + np.sqrt(n)) / rate

    def update(self, g, rate):
        if self.z is None:
            self.rate = rate
            self.z = -self.w * (self.scale(self.n, rate) + self.l2) - np.sign(self.w) * self.l1
        n = self.n + g**2
        sigma = self.scale(n, rate) - self.scale(self.n, self.rate)
        self.z += g - sigma * self.w
        self.n, self.rate = n, rate
        self.w = -soft(self.z, self.l1) / (self.scale(n, rate) + self.l2)


DENSE = {"SGD": DenseSGD, "Adagrad": DenseAdagrad, "Adam": DenseAdam, "FTRL": DenseFTRL}
