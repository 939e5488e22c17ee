"""Two small models, trained from Python: a regression and a factorisation.  `make demo` runs this."""

import argparse
import time

import numpy as np
from tqdm import tqdm

import wyrm
from wyrm.optim import SGD, Adagrad


def progress(n_steps, name, show):
    disable = None if show else True  # None: only where nobody looks at it, as in a file
    return tqdm(range(n_steps), desc=name, unit=" steps", disable=disable, leave=False, mininterval=0.1)


def regression(rng, show, n_steps=20_000):
    """y = 3 x + 5, one example a step.  Returns the first and last mean losses, and whether it was learnt."""
    slope = wyrm.ParameterNode(rng.random((1, 1)))
    intercept = wyrm.ParameterNode(rng.random((1, 1)))
    x = wyrm.InputNode(np.zeros((1, 1)))
    y = wyrm.InputNode(np.zeros((1, 1)))
    loss = (y - (slope * x + intercept)).square()

    optimizer = SGD(learning_rate=0.1)
    losses = np.empty(n_steps)
    for step in progress(n_steps, "regression", show):
        x_value = rng.random()
        x.set_value(x_value)
        y.set_value(3.0 * x_value + 5.0)
        loss.forward()
        losses[step] = loss.value.item()
        loss.backward()
        optimizer.step(loss.parameters())

    learnt = abs(slope.value.item() - 3.0) < 0.01 and abs(intercept.value.item() - 5.0) < 0.01
    return losses, n_steps, learnt


def factorisation(rng, show, n_rows=1_000, n_columns=1_000, n_factors=8, n_steps=10_000, batch_size=64):
    """A matrix of rank 8 from samples of its entries.  Returns the losses, and whether unseen entries were learnt."""
    matrix = rng.normal(size=(n_rows, n_factors)) @ rng.normal(size=(n_factors, n_columns)) / np.sqrt(n_factors)
    held_out = rng.random(matrix.shape) < 0.1
    seen_rows, seen_columns = np.nonzero(~held_out)

    row_factors = wyrm.ParameterNode(rng.normal(scale=0.3, size=(n_rows, n_factors)))
    column_factors = wyrm.ParameterNode(rng.normal(scale=0.3, size=(n_columns, n_factors)))
    rows = wyrm.IndexInputNode([0])
    columns = wyrm.IndexInputNode([0])
    target = wyrm.InputNode(np.zeros((1, 1)))
    prediction = wyrm.vector_dot(wyrm.embedding(row_factors, rows), wyrm.embedding(column_factors, columns))
    loss = (prediction - target).square().mean()

    optimizer = Adagrad(learning_rate=0.5)
    losses = np.empty(n_steps)
    for step in progress(n_steps, "factorisation", show):
        chosen = rng.integers(len(seen_rows), size=batch_size)
        i, j = seen_rows[chosen], seen_columns[chosen]
        rows.set_value(i)
        columns.set_value(j)
        target.set_value(matrix[i, j].reshape(-1, 1))
        loss.forward()
        losses[step] = loss.value.item()
        loss.backward()
        optimizer.step(loss.parameters())

    error = (np.asarray(row_factors.value) @ np.asarray(column_factors.value).T - matrix)[held_out]
    return losses, n_steps * batch_size, np.mean(error**2) < 0.1 * np.var(matrix)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args()

    wyrm.show_config()
    print(f"\n{'model':<16}{'loss, first 1 %':>16}{'last 1 %':>12}{'examples':>12}{'seconds':>10}")
    for model in (regression, factorisation):
        start = time.perf_counter()
        losses, n_examples, learnt = model(np.random.default_rng(options.seed), not options.quiet)
        seconds = time.perf_counter() - start
        part = len(losses) // 100
        first, last = losses[:part].mean(), losses[-part:].mean()
        print(f"{model.__name__:<16}{first:>16.4g}{last:>12.2g}{n_examples:>12,}{seconds:>10.2f}")
        if not (learnt and last < first):
            raise SystemExit(f"The {model.__name__} did not learn.")


if __name__ == "__main__":
    main()
