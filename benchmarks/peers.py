"""The same steps in PyTorch, on the same values: one thread, sparse gradients of tables."""

import numpy as np


def on_one_thread():
    """torch, held to one thread."""
    import torch

    torch.set_num_threads(1)
    torch.sparse.check_sparse_tensor_invariants.disable()  # its default, which it warns about
    return torch


class TorchRegression:
    def __init__(self, step):
        self.torch = torch = on_one_thread()
        self.w, self.b = (torch.tensor(np.array(node.value), requires_grad=True) for node in (step.w, step.b))
        xs, ys = (torch.tensor(array) for array in step.arrays.values())
        self.steps = list(zip(xs.split(step.batch_size), ys.split(step.batch_size)))
        self.optimizer = torch.optim.SGD([self.w, self.b], lr=step.optimizer.learning_rate)

    def run(self, n):
        w, b, optimizer = self.w, self.b, self.optimizer
        for x, y in self.steps[:n]:
            loss = (y - (w * x + b)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def values(self):
        return [value.detach().numpy() for value in (self.w, self.b)]


class TorchFactorisation:
    def __init__(self, step):
        self.torch = torch = on_one_thread()
        self.u, self.v = (
            torch.nn.Embedding.from_pretrained(torch.tensor(np.array(node.value)), freeze=False, sparse=True)
            for node in (step.u, step.v)
        )
        i, j, y = (torch.tensor(array) for array in step.arrays.values())
        self.steps = list(zip(i.split(1), j.split(1), y[:, 0].split(1)))
        weights = [self.u.weight, self.v.weight]
        make = {"SGD": torch.optim.SGD, "Adagrad": torch.optim.Adagrad}[step.rule]
        self.optimizer = make(weights, lr=step.optimizer.learning_rate)

    def run(self, n):
        u, v, optimizer = self.u, self.v, self.optimizer
        for i, j, y in self.steps[:n]:
            loss = ((u(i) * v(j)).sum(1) - y).square()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def values(self):
        return [table.weight.detach().numpy() for table in (self.u, self.v)]


def torch_peer(step):
    """The peer of a step, which is made from its present values; checked like the step itself."""
    return {"Regression": TorchRegression, "Factorisation": TorchFactorisation}[type(step).__name__](step)


def check_peer(step, peer, n):
    """Drive the first n steps of a new peer and compare what it learnt with the reference of the step."""
    expected = step.reference(n)
    peer.run(n)
    for rows, found in zip(expected, peer.values(), strict=True):
        rows.check(found)
