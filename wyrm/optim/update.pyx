"""Optimisers: settings, the plan of a step, and the step.

A plan lists what a step has to do, one target for each parameter, as a C array. It is made the first time a set of
parameters is seen and found again by identity, so a step in a loop makes no Python object. A trainer makes plans over
the gradients of its replicas and applies them without the GIL.
"""

import numbers
import threading
from weakref import ref

import numpy as np

cimport cython
from libc.math cimport INFINITY
from libc.string cimport memset
from wyrm.errors import describe
from wyrm.gradient cimport gradient_t
from wyrm.kernels.dispatch cimport kernels
from wyrm.leaf cimport ParameterNode
from wyrm.memory cimport wyrm_alloc, wyrm_free
from wyrm.optim.state cimport (
    hogwild_step, hogwild_step_adagrad, hogwild_step_decay, hogwild_step_factors, hogwild_step_moments,
    hogwild_step_plain, set_learning_rate,
)
from wyrm.sync cimport WYRM_FREE_THREADED, wyrm_drop, wyrm_take

cdef enum:
    # Elements of gradient from which a step gives up the GIL; below, taking it back would cost as much as the step.
    WORTH_RELEASING = 20_000

    MAX_PLANS = 16

# Held while an optimiser claims a parameter: laying out its state may wait, and give up the GIL.
cdef object claiming = threading.Lock()

# Slots of a row's state.
cdef dict SLOTS = {"SGD": (), "Adagrad": ("accumulator",), "Adam": ("m", "v"), "FTRL": ("z", "n")}

# Least and largest value of each setting, and how to say it.  Adam sums up to log(1e-20) / log(beta1) missed steps.
cdef dict RANGES = {
    "l2": (0, 1e30, "a number >= 0"), "l1": (0, 1e30, "a number >= 0"), "eps": (1e-30, 1e30, "a number > 0"),
    "beta": (1e-30, 1e30, "a number > 0"), "beta1": (0, 0.9999, "a number from 0 to 0.9999"),
    "beta2": (0, 1 - 2.0**-40, "a number from 0, below 1"),
}


# --- Settings ----------------------------------------------------------------------------------------------------

cdef double checked(str what, object value, double low, double high, str expected) except? -1:
    """A real number in [low, high]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: expected {expected}, got {value!r} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        number = INFINITY
    if not low <= number <= high:
        raise ValueError(f"{what}: expected {expected}, got {value!r}")
    return number


cdef object checked_clip(str what, object clip):
    expected = "None or a pair (low, high) with low <= 0 <= high"
    if clip is None:
        return None
    if isinstance(clip, (str, bytes)) or not hasattr(clip, "__len__") or len(clip) != 2:
        raise TypeError(f"{what}: expected {expected}, got {clip!r} ({type(clip).__name__})")
    low, high = clip
    low = checked(what, low, -INFINITY, INFINITY, expected)
    high = checked(what, high, -INFINITY, INFINITY, expected)
    if low > high:
        raise ValueError(f"{what}: expected {expected}, got low > high in {clip!r}")
    if low > 0 or high < 0:
        raise ValueError(f"{what}: expected {expected}, got {clip!r}: it would give a gradient to rows that have none")
    return low, high


cdef bint are_same(tuple nodes, object parameters):
    """Whether a list or tuple holds exactly these nodes."""
    cdef Py_ssize_t i
    if type(parameters) is list:
        if len(<list> parameters) != len(nodes):
            return False
        for i in range(len(nodes)):
            if (<list> parameters)[i] is not nodes[i]:
                return False
        return True
    if type(parameters) is tuple and len(<tuple> parameters) == len(nodes):
        for i in range(len(nodes)):
            if (<tuple> parameters)[i] is not nodes[i]:
                return False
        return True
    return False


cdef class Plan:
    """What one step does; the optimiser it came from must be alive while it is applied."""

    def __dealloc__(self):
        wyrm_free(self.plan.targets)


cdef void hogwild_apply(const plan_t* plan) noexcept nogil:
    """One step: update the rows that have a gradient, clear the gradients. Races with other threads by design."""
    cdef dim_t i
    for i in range(plan.n):
        plan.step(plan.targets + i, plan.settings)


cdef class Optimizer:
    """Base of the optimisers: SGD, Adagrad, Adam and FTRL.

    All of them update touched rows only. What a row misses meanwhile (weight decay, shrinkage, the moments of Adam) is
    made up when it is next read, so the values read are those of the dense algorithm.
    """

    def __init__(self):
        raise TypeError(f"{type(self).__name__}: expected one of SGD, Adagrad, Adam or FTRL from wyrm.optim")

    def _set_up(self, str rule, learning_rate, parameters, dict settings):
        """Check and take over the arguments of a subclass."""
        cdef dict checked_settings = {}
        for name, value in settings.items():
            if name == "clip":
                checked_settings[name] = checked_clip(f"{rule}: clip", value)
            else:
                low, high, expected = RANGES[name]
                checked_settings[name] = checked(f"{rule}: {name}", value, low, high, expected)
        self._settings = checked_settings
        self.rule = rule
        self.plans = {}
        memset(&self.settings, 0, sizeof(self.settings))
        self.settings.l2 = self.settings.hyper.l2 = checked_settings["l2"]
        self.settings.l1 = self.settings.hyper.l1 = checked_settings.get("l1", 0.0)
        self.settings.hyper.eps = checked_settings.get("eps", 0.0)
        self.settings.hyper.beta = checked_settings.get("beta", 0.0)
        self.settings.hyper.gain1 = 1.0 - checked_settings.get("beta1", 0.0)
        self.settings.hyper.gain2 = 1.0 - checked_settings.get("beta2", 0.0)
        if checked_settings["clip"] is not None:
            self.settings.hyper.clip = True
            self.settings.hyper.clip_low, self.settings.hyper.clip_high = checked_settings["clip"]
        if rule == "Adam":
            self.step_fn = hogwild_step_moments
        elif rule != "FTRL" and (checked_settings["l2"] > 0 or checked_settings["l1"] > 0):
            self.step_fn = hogwild_step_decay
        elif rule == "SGD" and not self.settings.hyper.clip:
            self.step_fn = hogwild_step_plain
        elif rule == "Adagrad" and not self.settings.hyper.clip:
            self.step_fn = hogwild_step_adagrad
        else:
            self.step_fn = hogwild_step
        self.learning_rate = learning_rate
        self.bound = None if parameters is None else self._checked_nodes(parameters)

    @property
    def learning_rate(self):
        """float: the rate of the next step. Set it to a number or to a schedule, a callable of :attr:`progress`."""
        return self.settings.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        if callable(value):
            rate = self._rate_at(value, self.progress_)
        else:
            rate = checked(f"{self.rule}: learning_rate", value, 0, 1e30, "a number >= 0 or a schedule")
            value = rate
        self.rate = value
        set_learning_rate(&self.settings, rate)

    @property
    def schedule(self):
        """callable or None: the schedule the rate follows."""
        return self.rate if callable(self.rate) else None

    @property
    def progress(self):
        """float: how much of training is done, from 0 to 1; a trainer sets it, and a schedule's rate follows it."""
        return self.progress_

    @progress.setter
    def progress(self, value):
        cdef double progress = checked(f"{self.rule}: progress", value, 0, 1, "a number from 0 to 1")
        if callable(self.rate):
            set_learning_rate(&self.settings, self._rate_at(self.rate, progress))
        self.progress_ = progress

    @property
    def config(self):
        """dict: all settings but the rate, by the names of the constructor's arguments; a copy."""
        return dict(self._settings)

    def _rate_at(self, schedule, double progress):
        rate = schedule(progress)
        what = f"{self.rule}: learning_rate from {schedule!r} at progress {progress}"
        return checked(what, rate, 0, 1e30, "a number >= 0")

    def __repr__(self):
        given = "".join(f", {name}={value!r}" for name, value in self._settings.items() if value)
        return f"{type(self).__name__}(learning_rate={self.rate!r}{given})"

    def __reduce__(self):
        return _rebuild, (type(self), self.rate, dict(self._settings))

    # --- Steps ---------------------------------------------------------------------------------------------------

    @cython.critical_section
    def step(self, parameters=None):
        """Update parameters by their gradients, and clear the gradients.

        Parameters
        ----------
        parameters : sequence of ParameterNode, optional
            Such as ``loss.parameters()``; default: those the optimiser was made with.

        Raises
        ------
        TypeError
            If something else is among them.
        ValueError
            If there are none, or a parameter holds the state of another kind of optimiser that is still alive.
        RuntimeError
            If another thread is running a graph on one of them.
        """
        cdef Plan plan = self.last
        if parameters is None:
            parameters = self._bound()
        if plan is None or (plan.nodes is not parameters and not are_same(plan.nodes, parameters)):
            plan = self.plan_of(parameters)
        self.run(plan)

    def zero_gradients(self, parameters=None):
        """Clear gradients without using them.

        Parameters
        ----------
        parameters : sequence of ParameterNode, optional
            Default: those the optimiser was made with.
        """
        for node in self._checked_nodes(self._bound() if parameters is None else parameters):
            node.zero_gradients()

    def _bound(self):
        if self.bound is None:
            raise ValueError(f"{self.rule}: it was made without parameters: give them here, as in "
                             f"optimizer.step(loss.parameters()), or to the constructor")
        return self.bound

    def _checked_nodes(self, parameters):
        """A tuple of distinct ParameterNodes."""
        if isinstance(parameters, ParameterNode):
            raise TypeError(f"{self.rule}: expected a sequence of ParameterNode, got a single one: "
                            f"put it in a list, [{describe(parameters)}]")
        try:
            nodes = tuple(parameters)
        except TypeError:
            what = type(parameters).__name__
            raise TypeError(f"{self.rule}: expected a sequence of ParameterNode, got {what}") from None
        for i, node in enumerate(nodes):
            if not isinstance(node, ParameterNode):
                raise TypeError(f"{self.rule}: expected ParameterNodes, got {type(node).__name__} at position {i}")
        return nodes if len(set(nodes)) == len(nodes) else tuple(dict.fromkeys(nodes))

    cdef Plan plan_of(self, object parameters):
        """The plan for these nodes, made if there is none yet."""
        cdef ParameterNode node
        cdef Plan plan
        cdef tuple nodes = self._checked_nodes(parameters)
        cdef dim_t i
        plan = self.plans.get(nodes)
        if plan is None:
            plan = self.make_plan([node.parameter for node in nodes])
            for i in range(plan.plan.n):
                node = nodes[i]
                plan.plan.targets[i].gradient = &node.own_gradient
            if len(self.plans) >= MAX_PLANS:
                self.plans.clear()
            self.plans[nodes] = plan
        plan.nodes = nodes
        self.last = plan
        return plan

    cdef Plan make_plan(self, list parameters):
        """A plan over HogwildParameters; whoever asks for it sets the gradient of each target."""
        cdef Plan plan = Plan.__new__(Plan)
        cdef target_t* target
        cdef HogwildParameter parameter
        cdef RowState state
        cdef dim_t i
        cdef bint factors = False
        plan.parameters = parameters
        plan.states = []
        plan.plan.settings = &self.settings
        plan.plan.targets = <target_t*> wyrm_alloc(len(parameters) * sizeof(target_t))
        if plan.plan.targets == NULL:
            raise MemoryError(f"{self.rule}: no memory for a step over {len(parameters)} parameters")
        for i in range(len(parameters)):
            parameter = parameters[i]
            parameter.refuse_training()
            state = self.claim(parameter)
            plan.states.append(state)
            target = plan.plan.targets + i
            target.storage = &parameter.storage
            target.gradient = NULL
            target.clock = NULL if state is None else &state.clock
            if self.rule == "SGD":
                target.update, target.update_products = kernels.sgd_rows, kernels.sgd_products
            elif self.rule == "Adagrad":
                target.update, target.update_products = kernels.adagrad_rows, kernels.adagrad_products
            elif self.rule == "Adam":
                target.update = kernels.adam_rows
            else:
                target.update = kernels.ftrl_rows
            plan.plan.n += 1
            factors = factors or parameter.storage.factors != NULL
        self.heed_factors(plan, factors)
        return plan

    cdef int heed_factors(self, Plan plan, bint factors) except -1:
        """Take the step that knows about gradient_factors, or the other one."""
        if factors and (self.step_fn == hogwild_step_decay or self.rule not in ("SGD", "Adagrad")):
            raise ValueError(f"{self.rule}: a parameter has gradient_factors, which SGD and Adagrad without l1 and l2 "
                             f"heed, and {self!r} doesn't: under it rows change that have no gradient")
        plan.factors = factors
        plan.plan.step = hogwild_step_factors if factors else self.step_fn
        return 0

    cdef int run(self, Plan plan) except -1:
        cdef target_t* targets = plan.plan.targets
        cdef gradient_t* gradient
        cdef HogwildParameter parameter
        cdef dim_t i, work = 0, taken = 0, entered = 0
        cdef bint free = True, factors = False
        for i in range(plan.plan.n):
            factors = factors or targets[i].storage.factors != NULL
            gradient = targets[i].gradient
            free = free and not gradient.busy
            work += gradient.n * gradient.cols
            if gradient.dense_touched:
                work += gradient.rows * gradient.cols
        if factors != plan.factors:
            self.heed_factors(plan, factors)
        if free and work < WORTH_RELEASING and not WYRM_FREE_THREADED:
            hogwild_apply(&plan.plan)
            return 0
        try:
            while free and taken < plan.plan.n:
                free = wyrm_take(&targets[taken].gradient.busy)
                taken += free
            if not free:
                raise RuntimeError(
                    f"{self.rule}: another thread is running a graph on one of the parameters; give each thread a "
                    f"graph of its own over ParameterNode.shared(parameter)"
                )
            for parameter in plan.parameters:
                parameter.enter()
                entered += 1
            with nogil:
                hogwild_apply(&plan.plan)
        finally:
            for i in range(entered):
                (<HogwildParameter> plan.parameters[i]).leave()
            for i in range(taken):
                wyrm_drop(&targets[i].gradient.busy)
        return 0

    cdef str kind(self):
        """What the state of this optimiser means; optimisers of one kind share it."""
        cdef list decays = [name for name in ("l2", "l1") if self._settings.get(name)]
        if self.rule == "Adam":
            return "Adam(beta1={beta1}, beta2={beta2}, eps={eps})".format(**self._settings)
        if self.rule == "FTRL" or not decays:
            return self.rule
        return f"{self.rule} with {' and '.join(decays)}"

    cdef RowState claim(self, HogwildParameter parameter):
        """The state this optimiser keeps beside a parameter's rows: that of live ones of its kind, or a fresh one."""
        cdef RowState state
        cdef bint l2 = self._settings["l2"] > 0, l1 = self._settings.get("l1", 0.0) > 0
        if self.rule == "SGD" and not l2 and not l1:
            return None
        with claiming:
            living = [other for other in [entry() for entry in parameter.optimizers] if other is not None]
            kind = self.kind()
            if living:
                state = parameter.state_kind
                if state.kind != kind:
                    raise ValueError(
                        f"{self!r}: the parameter of shape {parameter.shape} holds the state of {living[0]!r}, which "
                        f"is still alive; delete that optimiser first, or go on with it (its learning_rate can be set)"
                    )
            else:
                decays = self.rule in ("SGD", "Adagrad")
                state = RowState(kind, SLOTS[self.rule], parameter.storage.cols, l2 and decays, l1 and decays)
                if self.rule == "Adam":
                    state.make_tables(parameter.storage.rows, self._settings["beta1"], self._settings["beta2"],
                                      self._settings["eps"])
                state.install(parameter)
            if not any(other is self for other in living):
                living.append(self)
            parameter.optimizers[:] = [ref(other) for other in living]
        return state

    def _storages(self, parameters):
        """The HogwildParameters of nodes, or those given themselves."""
        if parameters is None:
            parameters = self._bound()
        parameters = tuple(parameters)
        if all(isinstance(parameter, HogwildParameter) for parameter in parameters):
            return list(parameters)
        return [node.parameter for node in self._checked_nodes(parameters)]

    def get_state(self, parameters=None, *, into=None):
        """What training has to be resumed with: progress, and for each parameter the state beside its rows.

        Parameters
        ----------
        parameters : sequence of ParameterNode or HogwildParameter, optional
            Default: those the optimiser was made with.
        into : dict, optional
            What an earlier call gave for parameters of the same shapes: its arrays are written over and used again.

        Returns
        -------
        dict
            ``"progress"``, ``"learning_rate"`` (of the next step) and ``"parameters"``, a list with a dict for each:
            ``"kind"``, ``"slots"`` (float32 arrays of the parameter's shape, by name) and ``"clock"`` (numbers); None
            for a parameter without state, as under plain SGD. Values and settings are not in it.
        """
        cdef HogwildParameter parameter
        cdef RowState state
        cdef list saved = []
        for i, parameter in enumerate(self._storages(parameters)):
            state = self.claim(parameter)
            earlier = None if into is None else into["parameters"][i]
            saved.append(None if state is None else state.get(parameter, earlier))
        return {"progress": self.progress_, "learning_rate": self.settings.learning_rate, "parameters": saved}

    def set_state(self, state, parameters=None):
        """Go on from what :meth:`get_state` gave.

        An optimiser of the same settings, over parameters that have been given the values of that time, then takes the
        very steps that the first one would have taken.

        Parameters
        ----------
        state : dict
            As :meth:`get_state` gives it.
        parameters : sequence of ParameterNode or HogwildParameter, optional
            As many as the state was taken from, in the same order; default: those the optimiser was made with.

        Raises
        ------
        ValueError
            If the state is of another kind of optimiser, or its shapes or their number differ.
        """
        cdef HogwildParameter parameter
        cdef RowState row_state
        storages = self._storages(parameters)
        saved = state["parameters"]
        if len(saved) != len(storages):
            raise ValueError(f"{self.rule}: expected the state of {len(storages)} parameters, got that of {len(saved)}")
        for parameter, one in zip(storages, saved):
            row_state = self.claim(parameter)
            if (row_state is None) != (one is None):
                expected = "no state" if one else f"the state of {self.kind()}"
                raise ValueError(f"{self.rule}: expected {expected} for the parameter of shape {parameter.shape}, "
                                 f"got {one['kind'] if one else 'none'}")
            if row_state is not None:
                row_state.set(parameter, one)
        self.progress = state["progress"]
        if not callable(self.rate):
            self.learning_rate = state["learning_rate"]


def _rebuild(cls, rate, settings):
    return cls(rate, **settings)
