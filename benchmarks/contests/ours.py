"""wyrm's own entries."""

import time

from contests import data

EPOCHS = 5


def mean_time(call, n):
    call()
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


class Estimator:
    """A classifier of wyrm.models."""

    epochs = EPOCHS

    def __init__(self, found, n_threads):
        self.data, self.n_threads = found, n_threads

    def X(self, held_out=False):
        return self.data.held_out_X if held_out else self.data.X

    def make(self, epochs):
        raise NotImplementedError

    def run(self):
        self.model = self.make(self.epochs).fit(self.X(), self.data.y)
        self.epoch_seconds = sum(self.model.history_.seconds)  # without checks and preparation
        return self.epochs * self.data.n

    def quality(self):
        return data.quality(self.data, self.model.predict_proba(self.X(held_out=True))[:, 1])

    def curve(self, epochs):
        model = self.make(epochs).fit(self.X(), self.data.y, eval_set=(self.X(held_out=True), self.data.held_out_y))
        total, points = 0.0, []
        for seconds, loss in zip(model.history_.seconds, model.history_.validation_loss):
            total += seconds
            points.append((total, loss))
        return points

    def latency(self, n=2_000):
        """Seconds to predict one row, from Python: a matrix, and its columns alone."""
        row = self.X(held_out=True)[:1]
        columns = row.indices
        return mean_time(lambda: self.model.predict_proba(row), n), mean_time(
            lambda: self.model.predict_proba_one(columns), n
        )

    def predict(self):
        self.model.predict_proba(self.X(held_out=True))
        return len(self.data.held_out_y)


class LogisticRegression(Estimator):
    settings = "Adagrad, learning rate 0.05, batches of 1"

    def make(self, epochs):
        from wyrm.models import LogisticRegression

        return LogisticRegression(epochs=epochs, n_threads=self.n_threads, random_state=0)


class LogisticRegressionSGD(Estimator):
    settings = "SGD, learning rate 0.01, batches of 1"

    def make(self, epochs):
        from wyrm.models import LogisticRegression

        return LogisticRegression(
            optimizer="sgd", learning_rate=0.01, epochs=epochs, n_threads=self.n_threads, random_state=0
        )


class FactorizationMachine(Estimator):
    settings = "16 factors, Adagrad, learning rate 0.05, batches of 1"

    def make(self, epochs):
        from wyrm.models import FactorizationMachineClassifier

        return FactorizationMachineClassifier(n_factors=16, epochs=epochs, n_threads=self.n_threads, random_state=0)


class FieldAwareFactorizationMachine(Estimator):
    epochs = 2
    settings = "4 factors, its default settings: Adagrad, batches of 64 from 50,000 rows on; two epochs"

    def make(self, epochs):
        from wyrm.models import FieldAwareFactorizationMachineClassifier

        return FieldAwareFactorizationMachineClassifier(
            n_factors=4, fields=self.data.fields, epochs=epochs, n_threads=self.n_threads, random_state=0
        )


class RareFactorizationMachine(FactorizationMachine):
    """One epoch: values that come once or twice are learnt by heart in more."""

    epochs = 1
    settings = "16 factors, Adagrad, learning rate 0.05, batches of 1, one epoch"


class ReadLibsvm:
    settings = "read_libsvm"

    def __init__(self, found, n_threads):
        self.data = found

    def run(self):
        from wyrm.io import read_libsvm

        self.found = read_libsvm(self.data.path, n_features=self.data.n_features)
        return self.data.n

    def quality(self):
        return {"values": self.found.X.nnz}
