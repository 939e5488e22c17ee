"""The trainer: any graph, on all cores.

It makes a replica of the loss for each thread, lets the threads draw examples from the feed without the GIL
(wyrm/worker.pyx), and watches them from the calling thread: progress, Ctrl-C, validation, callbacks.
"""

import threading
import time

import numpy as np

from wyrm.blas_threads import single_threaded_blas
from wyrm.callbacks import checked_callbacks
from wyrm.checkpoint import record_of, restore_fit, read_checkpoint, write_checkpoint
from wyrm.deterministic cimport N_SHARDS, reducers_of
from wyrm.errors import describe
from wyrm.feeds.base cimport Feed, Order
from wyrm.feeds import as_feed
from wyrm.feeds.base import leaves_of
from wyrm.history import History
from wyrm.kernels.table cimport dim_t
from wyrm.node cimport OperatorNode, tape_of
from wyrm.optim.update cimport Optimizer, Plan
from wyrm.outcome import outcome_of, raise_not_finite
from wyrm.parameter cimport HogwildParameter
from wyrm.private cimport PrivateCopies
from wyrm.progress import progress_bar
from wyrm.replica cimport Replica
from wyrm.snapshot import FitState, Snapshot
from wyrm.threads import usable_threads
from wyrm.watch import checked_count, watch
from wyrm.worker cimport EVALUATE, PREDICT, TRAIN, Control, Worker, work_kind

# Points a schedule is sampled at; between them the rate follows straight lines.
cdef int RATE_POINTS = 4097

# Of the 4 MB a thread may take, what private copies of parameters get.
cdef size_t COPY_BYTES = 3 << 20

# The rules whose state is made of sums, so that what several threads added to it adds up.
cdef tuple ADDITIVE = ("SGD", "Adagrad")


# In a batch, which index arrays with 32 bits count.
cdef long long MOST_EXAMPLES = 2**31 - 1


cdef double mean(double total, dim_t n):
    return total / n if n else np.nan


class Trainer:
    """Trains the parameters of a loss on a feed of examples.

    Parameters
    ----------
    loss : Node
        What to make small: one row per example of a batch, which the trainer averages, or one value per batch.
    optimizer : Optimizer
        One of :mod:`wyrm.optim`; its schedule, if it has one, follows the progress of :meth:`fit`.
    n_threads : int, optional
        Threads that train at the same time without locks (Niu et al., "HOGWILD!", NeurIPS 2011); default: all the
        cores this process may use. With one thread a run is repeatable bit for bit.
    batch_size : int, default 1
        Examples per step.
    seed : int, default 0
        Orders the examples of each epoch.
    reduction : {"mean", "sum"}, default "mean"
        What becomes of the losses of the examples in a batch. With "sum" the learning rate is that of single examples,
        whatever the batch size. A loss that reduces the batch itself is not changed by it.
    deterministic : bool, default False
        Give up Hogwild's races: the same parameters bit for bit for any number of threads, given seed and batch size.
        Threads share larger batches from arrays; single examples, streams, and optimisers that make up what rows
        missed are trained on by one thread.

    Attributes
    ----------
    history : History
        Of all epochs so far; complete up to the last finished epoch even after an exception.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> import numpy as np, wyrm
    >>> from wyrm.optim import SGD
    >>> rng = np.random.default_rng(0)
    >>> w, b = wyrm.ParameterNode(np.zeros((1, 1))), wyrm.ParameterNode(np.zeros((1, 1)))
    >>> x, y = wyrm.InputNode(np.zeros((1, 1))), wyrm.InputNode(np.zeros((1, 1)))
    >>> trainer = wyrm.Trainer((y - (w * x + b)).square(), SGD(0.1), n_threads=1)
    >>> data = rng.random((1000, 1))
    >>> history = trainer.fit({x: data, y: 3 * data + 5}, epochs=5)
    >>> w.value.round(2), b.value.round(2)
    (array([[3.]], dtype=float32), array([[5.]], dtype=float32))
    """

    def __init__(self, loss, optimizer, n_threads=None, batch_size=1, seed=0, deterministic=False, reduction="mean"):
        if not isinstance(loss, OperatorNode):
            raise TypeError(f"Trainer: expected an operation as loss, got {type(loss).__name__}")
        if not (<OperatorNode> loss).learns:
            raise ValueError(f"Trainer: {describe(loss)} depends on no parameter, so there is nothing to learn")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Trainer: expected an optimiser of wyrm.optim, got {type(optimizer).__name__}")
        self.loss = loss
        self.optimizer = optimizer
        self.n_threads = checked_count("n_threads", usable_threads() if n_threads is None else n_threads)
        self.batch_size = checked_count("batch_size", batch_size, most=MOST_EXAMPLES)
        self.seed = checked_count("seed", seed, least=0, most=2**64 - 1)
        self.deterministic = bool(deterministic)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"Trainer: expected reduction \"mean\" or \"sum\", got {reduction!r}")
        self.reduction = reduction
        self.history = History()
        self._teams = {}                 # replicas of each root, but for those at work
        self._training = threading.Lock()
        self._partial_fits = 0
        self._fit = None                 # of a fit() that can be gone on with: see save()
        self._resumed = False            # the next fit() goes on with it

    def __repr__(self):
        return (f"Trainer({describe(self.loss)}, {self.optimizer!r}, n_threads={self.n_threads}, "
                f"batch_size={self.batch_size}, seed={self.seed}, deterministic={self.deterministic})")

    def __reduce__(self):
        raise TypeError("Trainer: a trainer can't be pickled or copied, as its graph and threads can't; save() writes "
                        "what it learned, and Trainer.resume() goes on with it over the same graph")

    # --- What users call -----------------------------------------------------------------------------------------

    def fit(self, feed, epochs=1, *, validation=None, patience=None, callbacks=(), shuffle=True, verbose=0,
            keep_good=True):
        """Train for some epochs.

        Parameters
        ----------
        feed : dict of input node to array, or a feed of :mod:`wyrm.feeds`, or an iterable of such dicts
            The examples; every input of the loss must be in it.
        epochs : int, default 1
        validation : feed, optional
            Held-out examples, evaluated after each epoch.
        patience : int, optional
            Stop after so many epochs without a better validation loss, and restore the best parameters.
        callbacks : sequence of callables or Callback, optional
            Called as ``callback(trainer)`` after each epoch, see :mod:`wyrm.callbacks`; one that returns True ends
            training.
        shuffle : bool, default True
            Whether each epoch has an order of its own; False takes the examples as they come.
        verbose : int, default 0
            1 shows progress, examples per second and losses.
        keep_good : bool, default True
            Keep a copy of the parameters before each epoch, to go back to when the loss becomes infinite. False saves
            its memory.

        Returns
        -------
        History
            Of this call's epochs; :attr:`history` has those of earlier calls as well.

        Raises
        ------
        ValueError
            If the feed doesn't fit the graph.
        FloatingPointError
            If the loss became NaN or infinite; the parameters are then those from before the epoch.
        KeyboardInterrupt
            On Ctrl-C; the parameters stay usable, and :attr:`history` has the epochs so far.
        """
        epochs = checked_count("epochs", epochs)
        if patience is not None:
            patience = checked_count("patience", patience)
            if validation is None:
                raise ValueError("Trainer.fit: patience watches the validation loss: give validation=")
        callbacks = checked_callbacks(callbacks)
        cdef Feed source = as_feed(feed)
        held_out = None if validation is None else as_feed(validation)
        parameters = [node.parameter for node in self.loss.parameters()]
        state = self._resumable(epochs)
        history = state.history
        source.allow(epochs - len(history.loss))
        if held_out is not None:
            (<Feed> held_out).allow(epochs - len(history.loss))
        if source.n_examples < 0 and self.optimizer.schedule is not None:
            raise ValueError("Trainer.fit: a learning-rate schedule follows progress, so it needs a feed of known "
                             "length: give IterableFeed(..., n_examples=) or a constant learning rate")
        good = Snapshot(parameters, self.optimizer) if keep_good else None
        total = max(0, source.n_examples * epochs)
        try:
            for epoch in range(len(history.loss), epochs):
                if patience is not None and epoch and epoch - history.best_epoch > patience:
                    history.stopped = "patience"
                    break
                with progress_bar(source.n_examples, f"epoch {epoch + 1}/{epochs}", verbose, source.unit) as bar:
                    started = time.perf_counter()
                    try:
                        loss, examples, ended = self._run(
                            self.loss, source, TRAIN, self._order(source, shuffle), bar, callbacks, total,
                            source.n_examples * epoch,
                        )
                        seconds = time.perf_counter() - started
                        self._refuse_overflow()
                        if held_out is not None:
                            validation_loss = self.evaluate(held_out)
                    except FloatingPointError as error:
                        kept = ""
                        if good is not None:
                            good.restore()
                            kept = "; the parameters are as they were before this epoch"
                        raise FloatingPointError(f"epoch {epoch + 1}: {error}{kept}") from None
                    for record in (history, self.history):
                        record.loss.append(mean(loss, examples))
                        record.seconds.append(seconds)
                        record.examples.append(examples)
                        if held_out is not None:
                            record.add_validation_loss(validation_loss)
                    bar.finish(history)
                self.optimizer.progress = (epoch + 1) / epochs
                if held_out is not None and validation_loss < state.best_loss:
                    state.best_loss, history.best_epoch = validation_loss, epoch
                    if patience is not None:
                        state.keep_best(parameters, self.optimizer)
                if any([callback.on_epoch(self) for callback in callbacks]) or ended:
                    history.stopped = "callback"
                    break
                if good is not None and epoch + 1 < epochs:
                    good.update()
        except KeyboardInterrupt:
            self.history.stopped = history.stopped = "interrupt"
            raise
        if state.best is not None:
            state.best.restore()
        self._fit = None
        self.history.stopped, self.history.best_epoch = history.stopped, history.best_epoch
        if history.best_epoch is not None:
            self.history.best_epoch += len(self.history.loss) - len(history.loss)
        return history

    def _resumable(self, epochs):
        """The state of this fit(): that of the one a checkpoint was taken in, or a new one."""
        if not self._resumed or self._fit.epochs != epochs:
            self._fit = FitState(epochs)
        self._resumed = False
        self._fit.history.stopped = None
        return self._fit

    def _refuse_overflow(self):
        """Raise if the last steps of an epoch, whose outcome no loss has seen, left something that is not finite."""
        for node in self.loss.parameters():
            if not (<HogwildParameter> node.parameter).is_finite():
                raise_not_finite(f"{describe(node)} became NaN or infinite", self)

    def partial_fit(self, feed, *, shuffle=False):
        """Train once over some more examples, at the optimiser's present learning rate.

        Parameters
        ----------
        feed : as in :meth:`fit`
        shuffle : bool, default False

        Returns
        -------
        float
            Mean loss over the examples, each before its step.
        """
        cdef Feed source = as_feed(feed)
        self._fit, self._resumed = None, False
        source.allow(1)
        self._partial_fits += 1
        loss, examples, _ = self._run(self.loss, source, TRAIN, self._order(source, shuffle), None, (), 0, 0)
        return mean(loss, examples)

    def evaluate(self, feed):
        """Mean loss over a feed, without training.

        Parameters
        ----------
        feed : as in :meth:`fit`

        Returns
        -------
        float
        """
        loss, examples, _ = self._run(self.loss, as_feed(feed), EVALUATE, None, None, (), 0, 0)
        return mean(loss, examples)

    def predict(self, node, feed):
        """The value of a node for every example of a feed.

        Parameters
        ----------
        node : Node
            With one row per example, such as the prediction inside the loss.
        feed : as in :meth:`fit`
            Inputs that the node doesn't depend on may be left out.

        Returns
        -------
        ndarray of float32, shape (n, cols)
            NaN in the rows of examples that the feed leaves out.
        """
        if not isinstance(node, OperatorNode):
            raise TypeError(f"Trainer.predict: expected an operation, got {type(node).__name__}")
        cdef Feed source = as_feed(feed)
        if source.n_examples < 0:
            return np.concatenate([self.predict(node, block) for _, block in source.blocks(self.batch_size)])
        if source.scattered and self.batch_size > 1:
            raise ValueError(f"Trainer.predict: {type(source).__name__} leaves examples out, so it needs a trainer "
                             f"with batch_size=1")
        output = np.full((source.n_examples, node.shape[1]), np.nan, dtype=np.float32)
        self._run(node, source, PREDICT, None, None, (), 0, 0, output)
        return output

    def save(self, path):
        """Write a checkpoint: parameters, optimiser state, history, and where training is.

        Call it between epochs, such as from :class:`wyrm.callbacks.Checkpoint`. The file is replaced as a whole:
        a process that dies meanwhile leaves the old one.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        OSError
            If the file can't be written.
        RuntimeError
            While threads train.
        """
        if self._training.locked():
            raise RuntimeError("Trainer.save: expected to be called between epochs, such as by on_epoch() of a "
                               "callback, but threads are training: a run couldn't go on from here")
        snapshots = {"last": Snapshot([node.parameter for node in self.loss.parameters()], self.optimizer)}
        if self._fit is not None and self._fit.best is not None:
            snapshots["best"] = self._fit.best
        write_checkpoint(path, snapshots, record_of(self))

    @classmethod
    def resume(cls, path, loss, optimizer, n_threads=None):
        """A trainer that goes on from a checkpoint.

        Build the same graph and the same optimiser as before; their parameters and state are filled in. A
        :meth:`fit` that was interrupted goes on where it was when it is called with the same number of epochs, and with
        one thread ends bit for bit as if nothing had happened.

        Parameters
        ----------
        path : str or path-like
        loss, optimizer, n_threads : as in :class:`Trainer`

        Returns
        -------
        Trainer

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it is no whole checkpoint, or of another graph or optimiser.
        """
        values, states, record = read_checkpoint(path)
        trainer = cls(loss, optimizer, n_threads, record["batch_size"], record["seed"], record["deterministic"],
                      record["reduction"])
        parameters = [node.parameter for node in loss.parameters()]
        shapes = [tuple(array.shape) for array in values["last"]]
        if shapes != [parameter.shape for parameter in parameters]:
            raise ValueError(f"{path}: expected parameters of shapes {[p.shape for p in parameters]}, found {shapes}")
        if record["optimizer"] != repr(optimizer):
            raise ValueError(f"{path}: it was made with {record['optimizer']}, not {optimizer!r}")
        restore_fit(trainer, record)
        for name in ("best", "last"):
            if name in values:
                for parameter, array in zip(parameters, values[name]):
                    parameter.value = array
                optimizer.set_state(states[name], parameters)
                if name == "best":
                    trainer._fit.best = Snapshot(parameters, optimizer)
        return trainer

    # --- One pass ------------------------------------------------------------------------------------------------

    def _order(self, Feed feed, shuffle):
        if not shuffle or feed.in_order or feed.n_examples < 0:
            return None
        return Order(feed.n_examples, self.seed, self._pass())

    def _pass(self):
        """A number for this pass of training, another one for each."""
        return len(self.history.loss) + (self._partial_fits << 32)

    def _run(self, OperatorNode root, Feed feed, int kind, Order order, bar, callbacks, double total, double before,
             output=None):
        """One pass over a feed by all threads; the summed loss, the number of examples, and whether to go no further.

        While threads train, others may evaluate and predict, as a callback does: they have replicas of their own.
        """
        cdef HogwildParameter parameter
        cdef Optimizer optimizer = self.optimizer
        team, entered, trains = [], [], False
        feed.occupy()
        try:
            trains = kind == TRAIN and self._training.acquire(blocking=False)
            if kind == TRAIN and not trains:
                raise RuntimeError("Trainer: its threads are training, so another fit() or partial_fit() can't begin, "
                                   "be it in a callback or in another thread; make a trainer for each")
            team = self._teams.pop(root, team)
            sharded = kind == TRAIN and self._shards(feed)
            n_threads = self.n_threads
            if feed.n_examples >= 0:
                n_threads = max(1, min(n_threads, feed.n_examples // self.batch_size))
            if self.deterministic and kind != PREDICT and not sharded:
                n_threads = 1                    # the loss, too, that early stopping goes by
            n_workers = N_SHARDS if sharded else n_threads
            parameters = [node.parameter for node in root.parameters()]
            # Claiming state may move parameters; from enter() to leave() they stay where they are.
            plans = [optimizer.make_plan(parameters) for _ in range(n_workers)] if kind == TRAIN else None
            for parameter in parameters:
                parameter.make_current()
            for parameter in parameters:
                parameter.enter()
                entered.append(parameter)
            rates = None
            if total and optimizer.schedule is not None:
                rates = [optimizer.schedule(progress) for progress in np.linspace(0, 1, RATE_POINTS).tolist()]
            control = Control(rates, total, before)
            workers = self._workers(root, feed, kind, control, n_workers, plans, output, team)
            runners = workers
            if sharded:
                runners = reducers_of(workers, control, self.n_threads, len(feed), self.batch_size, optimizer)
            # What a feed draws at random is new in each pass of training, and always the same in others.
            feed.enter_epoch(self.seed, self._pass() if kind == TRAIN else 2**64 - 1)
            late = order is not None and feed.takes_shares and not sharded
            if order is not None and not late:
                order.lay()
            try:
                feed.start(None if order is None else order.places, n_threads, self.batch_size)
                if late:
                    feed.laid = &order.laid
                with single_threaded_blas():
                    ended = watch(runners, control, bar, callbacks, self, feed.n_examples, sharded,
                                  order.lay if late else None)
            finally:
                feed.laid = NULL
                failure = feed.finish()
            if failure is not None:
                raise failure
            return *outcome_of(root, workers, runners, feed, self), ended
        finally:
            for parameter in entered:
                parameter.leave()
            feed.vacate()
            self._teams[root] = team
            if trains:
                self._training.release()

    def _shards(self, Feed feed):
        """Whether batches of this feed are cut into parts, so that threads share them deterministically."""
        return self.deterministic and feed.random_access and self.batch_size > 1

    def _workers(self, OperatorNode root, Feed feed, int kind, Control control, n_threads, plans, output, list team):
        cdef Worker worker
        cdef Replica replica
        cdef Optimizer optimizer = self.optimizer
        cdef dim_t i
        leaves = leaves_of(root, feed)
        while len(team) < n_threads:
            team.append(Replica(root))
        workers = []
        for i in range(n_threads):
            replica = team[i]
            replica.refresh_storages(tape_of(root))
            worker = Worker.__new__(Worker)
            worker.control = control
            worker.replica = replica
            worker.kind = <work_kind> kind
            worker.summed = self.reduction == "sum"
            worker.sums = self._shards(feed)
            replica.trains = kind == TRAIN
            worker.cursor = feed.cursor(replica, leaves, self.batch_size)
            worker.cursor.stopped = &control.control.stop
            if kind == PREDICT:
                worker.output = output
            if kind == TRAIN:
                worker.use(optimizer, plans[i])
                if (n_threads > 1 and not self.deterministic and optimizer.rule in ADDITIVE
                        and not (<Plan> plans[i]).factors):
                    worker.copies = PrivateCopies()
                    worker.copies.take(replica, COPY_BYTES, n_threads, self.batch_size)
                    worker.cursor.take_detours(worker.copies.detours)
            workers.append(worker)
        return workers
