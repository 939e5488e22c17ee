"""Every kernel of every instruction set, called through ctypes with NumPy arrays.

Arrays that a kernel writes stand between canaries, off any alignment, and the canaries are checked after each call.
"""

import ctypes
import importlib
from ctypes import POINTER, Structure, c_double, c_float, c_int, c_int32, c_ssize_t, c_void_p

import numpy as np

from wyrm.kernels.dispatch import available_instruction_sets

INSTRUCTION_SETS = [*available_instruction_sets(), "double"]
MARGIN = 37  # canaries on either side; odd, so that nothing is aligned
CANARY = -7777


class Guarded:
    """Arrays between canaries; leaving the block checks that the canaries live."""

    def __enter__(self):
        self.blocks = []
        return self

    def __call__(self, array, dtype=None):
        """A copy of `array` between canaries."""
        array = np.asarray(array, dtype=dtype)
        block = np.full(array.size + 2 * MARGIN, CANARY, dtype=array.dtype)
        self.blocks.append(block)
        inside = block[MARGIN : MARGIN + array.size].reshape(array.shape)
        inside[...] = array
        return inside

    def __exit__(self, kind, error, traceback):
        if kind is None:
            for block in self.blocks:
                assert (block[:MARGIN] == CANARY).all(), "the kernel wrote in front of an output"
                assert (block[block.size - MARGIN :] == CANARY).all(), "the kernel wrote behind an output"


def pointer(array):
    return None if array is None else array.ctypes.data


class Kernels:
    """The kernels of one instruction set.  Outputs given as arrays are added to; None stands for overwriting."""

    def __init__(self, name):
        self.name = name
        self.addresses = importlib.import_module(f"wyrm.kernels._{name}").addresses()
        double = name == "double"
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self.eps = float(np.finfo(self.dtype).eps)
        self.real = real = c_double if double else c_float

        class Product(Structure):
            _fields_ = (
                [(name, c_void_p) for name in ("c", "a", "b")]
                + [(name, c_ssize_t) for name in ("ldc", "lda", "ldb", "M", "N", "K")]
                + [(name, c_int) for name in ("transpose_a", "transpose_b", "add")]
            )

        class Bags(Structure):
            _fields_ = [
                ("table", c_void_p), ("stride", c_ssize_t), ("D", c_ssize_t), ("rows", c_void_p), ("offsets", c_void_p),
                ("weights", c_void_p), ("n", c_ssize_t), ("bags", c_ssize_t), ("mean", c_int),
            ]  # fmt: skip

        class Slots(Structure):
            _fields_ = [("values", c_void_p), ("slots", c_void_p), ("add", c_int)]

        class Fields(Structure):
            _fields_ = [("fields", c_void_p), ("n_fields", c_ssize_t), ("rows", c_void_p)]

        class Rows(Structure):
            _fields_ = [("value", c_void_p), ("stride", c_ssize_t), ("at", c_void_p)]

        class Pairs(Structure):
            _fields_ = [("a", Rows), ("b", Rows)] + [(name, c_ssize_t) for name in ("blocks", "M", "N", "D")]

        class Products(Structure):
            _fields_ = (
                [(name, c_void_p) for name in ("rows", "offsets", "weights", "source", "slopes")]
                + [(name, c_ssize_t) for name in ("n", "bags", "each", "stride")]
                + [("mean", c_int)]
            )

        class Merge(Structure):
            _fields_ = (
                [("value", c_void_p), ("state", c_void_p), ("stride", c_ssize_t), ("state_stride", c_ssize_t)]
                + [("mine", c_void_p), ("base", c_void_p), ("rows", c_void_p), ("packed", c_int), ("last", c_void_p)]
                + [(name, c_ssize_t) for name in ("n", "cols", "width")]
            )

        class Hyper(Structure):
            _fields_ = (
                [(name, real) for name in ("learning_rate", "eps", "l1", "l2", "clip_low", "clip_high")]
                + [("clip", c_int)]
                + [(name, real) for name in ("gain1", "gain2", "adam_rate", "adam_eps", "beta")]
            )

        self.Product, self.Bags, self.Slots, self.Fields = Product, Bags, Slots, Fields
        self.Rows, self.Pairs, self.Products, self.Merge, self.Hyper = Rows, Pairs, Products, Merge, Hyper
        p, n, flag = c_void_p, c_ssize_t, c_int
        self.signatures = {
            "unary": (None, p, p, p, n),
            "unary_fast": (None, p, p, p, n),
            "unary_back": (None, p, p, p, p, p, n, flag),
            "binary": (None, p, p, p, n, n, n),
            "binary_back_a": (None, p, p, p, p, p, n, n, n, flag),
            "binary_back_b": (None, p, p, p, p, p, n, n, n, flag),
            "scale": (None, p, p, real, n, flag),
            "scale_rows": (None, p, p, p, n, n, n, flag),
            "total": (real, p, n),
            "dot": (real, p, p, n),
            "row_dots": (None, p, p, p, n, n, n, n),
            "sum_rows": (None, p, p, n, n, n, real, flag),
            "sum_cols": (None, p, p, n, n, n, real, flag),
            "softmax": (None, p, p, n, n, n),
            "softmax_back": (None, p, p, p, n, n, flag),
            "log_softmax": (None, p, p, n, n, n),
            "log_softmax_back": (None, p, p, p, n, n, flag),
            "product": (None, p),
            "pair_dots": (None, p, p),
            "pair_dots_back": (None, p, p, p, p),
            "sgd_products": (None, p, n, n, p, p),
            "adagrad_products": (None, p, n, n, p, p),
            "sgd_pairs": (None, p, p, real, flag),
            "sgd_dots": (None, p, p, p, real),
            "gather": (None, p, p),
            "scatter": (None, p, p, p),
            "bag": (None, p, p),
            "bag_back": (None, p, p, p),
            "bag_weights_back": (None, p, p, p, flag),
            "fm": (None, p, p, p),
            "fm_back": (None, p, p, p, p),
            "fm_weights_back": (None, p, p, p, p, flag),
            "field_aware": (None, p, p, p, p),
            "field_aware_back": (None, p, p, p, p, p),
            "field_aware_weights_back": (None, p, p, p, p, p, flag),
            "prefetch": (None, p, n, n, p, p, n),
            "loss": (None, p, p, p, p, n),
            "merge_rows": (None, p, p, real),
            "merge_sums": (None, p, p, p, n, real),
            "describe_rows": (None, POINTER(c_int32), POINTER(c_int32), POINTER(c_int), p, n),
            "unique_rows": (n, p, p, p, n, p, n),
        }
        self.functions = {}

    def __repr__(self):
        return f"Kernels({self.name!r})"

    def call(self, name, *args):
        """Call a kernel; arrays stand for their addresses."""
        if name not in self.functions:
            prototype = ctypes.CFUNCTYPE(*self.signatures[name.split(".")[0]])
            self.functions[name] = prototype(self.addresses[name])
        return self.functions[name](*(pointer(arg) if isinstance(arg, np.ndarray) else arg for arg in args))

    def array(self, values):
        return np.ascontiguousarray(values, dtype=self.dtype)

    def output(self, guard, shape, given):
        return guard(np.full(shape, np.nan) if given is None else given, self.dtype)

    # ---- elementwise ----

    def unary(self, name, x, attr=None, fast=False, in_place=False):
        x, attr = self.array(x), None if attr is None else self.array(attr)
        with Guarded() as guard:
            y = guard(x) if in_place else self.output(guard, x.shape, None)
            self.call(f"unary{'_fast' if fast else ''}.{name}", y, y if in_place else x, attr, x.size)
        return y

    def unary_back(self, name, dy, x, y, attr=None, dx=None, in_place=False):
        dy, x, y = map(self.array, (dy, x, y))
        attr = None if attr is None else self.array(attr)
        with Guarded() as guard:
            out = guard(dy) if in_place else self.output(guard, x.shape, dx)
            self.call(f"unary_back.{name}", out, out if in_place else dy, x, y, attr, x.size, dx is not None)
        return out

    def binary(self, name, a, b, n, a_step=1, b_step=1, in_place=False):
        a, b = self.array(a), self.array(b)
        with Guarded() as guard:
            y = guard(a) if in_place else self.output(guard, n, None)
            self.call(f"binary.{name}", y, y if in_place else a, b, a_step, b_step, n)
        return y

    def binary_back(self, side, name, dy, a, b, y, a_step=1, b_step=1, dx=None):
        dy, a, b, y = map(self.array, (dy, a, b, y))
        with Guarded() as guard:
            out = self.output(guard, dy.shape, dx)
            self.call(f"binary_back_{side}.{name}", out, dy, a, b, y, a_step, b_step, dy.size, dx is not None)
        return out

    def scale(self, x, alpha, y=None):
        x = self.array(x)
        with Guarded() as guard:
            out = self.output(guard, x.shape, y)
            self.call("scale", out, x, alpha, x.size, y is not None)
        return out

    def scale_rows(self, x, alpha, cols, y=None):
        x, alpha = self.array(x), self.array(alpha)
        with Guarded() as guard:
            out = self.output(guard, (x.shape[0], cols), y)
            self.call("scale_rows", out, x, alpha, x.shape[1], x.shape[0], cols, y is not None)
        return out

    # ---- reductions: x is [rows, stride], of which the first `cols` columns count ----

    def total(self, x):
        return self.call("total", self.array(x), x.size)

    def dot(self, a, b):
        return self.call("dot", self.array(a), self.array(b), a.size)

    def row_dots(self, a, b, cols):
        a, b = self.array(a), self.array(b)
        with Guarded() as guard:
            y = self.output(guard, a.shape[0], None)
            self.call("row_dots", y, a, b, a.shape[1], b.shape[1], a.shape[0], cols)
        return y

    def sum_axis(self, name, x, cols, alpha, y=None):
        x = self.array(x)
        with Guarded() as guard:
            out = self.output(guard, cols if name == "sum_rows" else x.shape[0], y)
            self.call(name, out, x, x.shape[1], x.shape[0], cols, alpha, y is not None)
        return out

    def softmax(self, name, x, cols):
        x = self.array(x)
        with Guarded() as guard:
            y = self.output(guard, (x.shape[0], cols), None)
            self.call(name, y, x, x.shape[1], x.shape[0], cols)
        return y

    def softmax_back(self, name, dy, y, dx=None):
        dy, y = self.array(dy), self.array(y)
        with Guarded() as guard:
            out = self.output(guard, y.shape, dx)
            self.call(name, out, dy, y, y.shape[0], y.shape[1], dx is not None)
        return out

    # ---- products ----

    def product(self, a, b, transpose_a=False, transpose_b=False, c=None, pads=(0, 0, 0)):
        """op(a) @ op(b), with `pads` unused elements at the end of each row of c, a and b."""
        a, b = (np.pad(self.array(x), ((0, 0), (0, pad))) for x, pad in ((a, pads[1]), (b, pads[2])))
        K, M = (a.shape[0], a.shape[1] - pads[1])[:: 1 if transpose_a else -1]
        N = b.shape[0] if transpose_b else b.shape[1] - pads[2]
        with Guarded() as guard:
            block = np.full((M, N + pads[0]), CANARY, dtype=self.dtype)
            block[:, :N] = np.nan if c is None else c
            out = guard(block)
            p = self.Product(pointer(out), pointer(a), pointer(b), N + pads[0], a.shape[1], b.shape[1], M, N, K,
                             transpose_a, transpose_b, c is not None)  # fmt: skip
            self.call("product", ctypes.byref(p))
        assert (out[:, N:] == CANARY).all(), "the kernel wrote between the rows of c"
        return out[:, :N].copy()

    def rows(self, table, at):
        """Rows of a table that is kept alive; all of them where `at` is None."""
        at = None if at is None else np.ascontiguousarray(at, dtype=np.int32)
        made = self.Rows(pointer(table), table.shape[1], pointer(at))
        made.keep = at
        return made

    def pairs(self, tables, ats, blocks, M, N, D):
        tables = [self.array(table) for table in tables]
        rows = [self.rows(table, at) for table, at in zip(tables, ats, strict=True)]
        made = self.Pairs(*rows, blocks, M, N, D)
        made.keep = tables, rows
        return made

    def pair_dots(self, pairs):
        with Guarded() as guard:
            y = self.output(guard, (pairs.blocks, pairs.M, pairs.N), None)
            self.call("pair_dots", y, ctypes.byref(pairs))
        return y

    def pair_dots_back(self, pairs, dy, slots, values, both=True):
        """The gradients of a and b, by slots; `values` are added to, None stands for overwriting."""
        dy, made, out = self.array(dy), [], []
        with Guarded() as guard:
            for rows, at, given in zip((pairs.M, pairs.N), slots, values, strict=True):
                n = pairs.blocks * rows if at is None else max(at) + 1
                out.append(self.output(guard, (n, pairs.D), given))
                at = None if at is None else np.ascontiguousarray(at, dtype=np.int32)
                made.append(self.Slots(pointer(out[-1]), pointer(at), given is not None))
                made[-1].keep = at
            db = ctypes.byref(made[1]) if both else None
            self.call("pair_dots_back", ctypes.byref(made[0]), db, dy, ctypes.byref(pairs))
        return out

    def products(self, name, table, D, rows, source, rate, offsets=None, weights=None, mean=False, each=0,
                 slopes=None, eps=0):  # fmt: skip
        rows, offsets = (None if x is None else np.ascontiguousarray(x, dtype=np.int32) for x in (rows, offsets))
        source = self.array(source)
        weights, slopes = (None if x is None else self.array(x) for x in (weights, slopes))
        made = self.Products(
            *(pointer(x) for x in (rows, offsets, weights, source, slopes)), rows.size, len(source), each,
            source.shape[1], mean,
        )  # fmt: skip
        hyper = self.Hyper(learning_rate=rate, eps=eps)
        with Guarded() as guard:
            out = guard(table, self.dtype)
            self.call(name, out, out.shape[1], D, ctypes.byref(made), ctypes.byref(hyper))
        return out

    def sgd_pairs(self, tables, ats, M, N, D, dy, rate, distinct):
        """Both tables after a step by the slopes dy of the dot products of their rows."""
        dy = self.array(dy)
        with Guarded() as guard:
            out = [guard(table, self.dtype) for table in tables]
            rows = [self.rows(table, at) for table, at in zip(out, ats, strict=True)]
            made = self.Pairs(*rows, 1, M, N, D)
            self.call("sgd_pairs", ctypes.byref(made), dy, rate, distinct)
        return out

    def sgd_dots(self, a, table, at, blocks, N, D, dy, rate):
        """The gradient of a from its dot products with rows of a table, and the table after a step by theirs."""
        a, dy = self.array(a), self.array(dy)
        with Guarded() as guard:
            da = self.output(guard, (blocks, D), None)
            out = guard(table, self.dtype)
            rows = [self.rows(a, None), self.rows(out, at)]
            made = self.Pairs(*rows, blocks, 1, N, D)
            self.call("sgd_dots", da, ctypes.byref(made), dy, rate)
        return da, out

    # ---- lookups: table is [N, stride], of which the first D columns count ----

    def bags(self, table, D, rows, offsets, weights=None, mean=False):
        table, weights = self.array(table), None if weights is None else self.array(weights)
        rows, offsets = (np.ascontiguousarray(x, dtype=np.int32) for x in (rows, offsets))
        made = self.Bags(pointer(table), table.shape[1], D, pointer(rows), pointer(offsets), pointer(weights),
                         rows.size, offsets.size - 1, mean)  # fmt: skip
        made.keep = table, rows, offsets, weights
        return made

    def slots(self, guard, bags, slots, n_slots, values):
        """The struct, and the array it points to: NaN, or a copy of `values` that is added to."""
        out = self.output(guard, (n_slots, bags.D), values)
        slots = None if slots is None else np.ascontiguousarray(slots, dtype=np.int32)
        made = self.Slots(pointer(out), pointer(slots), values is not None)
        made.keep = slots
        return made, out

    def gather(self, bags):
        with Guarded() as guard:
            y = self.output(guard, (bags.n, bags.D), None)
            self.call("gather", y, ctypes.byref(bags))
        return y

    def bag(self, bags):
        with Guarded() as guard:
            y = self.output(guard, (bags.bags, bags.D), None)
            self.call("bag", y, ctypes.byref(bags))
        return y

    def fm(self, bags):
        with Guarded() as guard:
            y = self.output(guard, bags.bags, None)
            sums = self.output(guard, (bags.bags, bags.D), None)
            self.call("fm", y, sums, ctypes.byref(bags))
        return y, sums

    def rows_back(self, name, bags, dy, slots, n_slots, values=None, sums=None):
        """scatter, bag_back and fm_back: the gradient of the table, by slots."""
        dy = self.array(dy)
        with Guarded() as guard:
            target, out = self.slots(guard, bags, slots, n_slots, values)
            sums = () if sums is None else (self.array(sums),)
            self.call(name, ctypes.byref(target), dy, *sums, ctypes.byref(bags))
        return out

    def weights_back(self, name, bags, dy, dw=None, sums=None):
        dy = self.array(dy)
        with Guarded() as guard:
            out = self.output(guard, bags.n, dw)
            sums = () if sums is None else (self.array(sums),)
            self.call(name, out, dy, *sums, ctypes.byref(bags), dw is not None)
        return out

    def fields(self, guard, bags, fields, n_fields, by_row=False):
        """The struct, and room for what the kernels lay out."""
        fields = np.ascontiguousarray(fields, dtype=np.int32)
        made = self.Fields(pointer(fields), n_fields, bags.rows if by_row else None)
        made.keep = fields
        return made, guard(np.full(3 * bags.n + (n_fields + 1) // 2, -1), np.int64)

    def field_aware(self, bags, *fields):
        with Guarded() as guard:
            y = self.output(guard, bags.bags, None)
            fields, room = self.fields(guard, bags, *fields)
            self.call("field_aware", y, room, ctypes.byref(bags), ctypes.byref(fields))
        return y

    def field_aware_back(self, bags, dy, slots, n_slots, *fields, values=None):
        with Guarded() as guard:
            target, out = self.slots(guard, bags, slots, n_slots, values)
            fields, room = self.fields(guard, bags, *fields)
            self.call("field_aware_back", ctypes.byref(target), self.array(dy), room, ctypes.byref(bags),
                      ctypes.byref(fields))  # fmt: skip
        return out

    def field_aware_weights_back(self, bags, dy, *fields, dw=None):
        with Guarded() as guard:
            out = self.output(guard, bags.n, dw)
            fields, room = self.fields(guard, bags, *fields)
            self.call("field_aware_weights_back", out, self.array(dy), room, ctypes.byref(bags), ctypes.byref(fields),
                      dw is not None)  # fmt: skip
        return out

    # ---- losses and index lists ----

    def loss(self, name, y_hat, y):
        y_hat, y = self.array(y_hat), self.array(y)
        with Guarded() as guard:
            loss, slope = self.output(guard, y.shape, None), self.output(guard, y.shape, None)
            self.call(f"loss.{name}", loss, slope, y_hat, y, y.size)
        return loss, slope

    def merge_rows(self, table, mine, base, last, rows, sums, share, cols, packed=False):
        """All four arrays and the sums, as they are afterwards; the state is beside the values."""
        rows = np.ascontiguousarray(rows, dtype=np.int32)
        with Guarded() as guard:
            arrays = [guard(array, self.dtype) for array in (table, mine, base, last)]
            table, mine, base, last = arrays
            sums = guard(sums, self.dtype)
            state = pointer(table) + cols * table.itemsize
            made = self.Merge(pointer(table), state, table.shape[1], table.shape[1], pointer(mine), pointer(base),
                              pointer(rows), packed, pointer(last), rows.size, cols, mine.shape[1] - cols)  # fmt: skip
            self.call("merge_rows", sums, ctypes.byref(made), share)
        return [*arrays, sums]

    def merge_sums(self, shared, mine, base, share):
        """All three, as they are afterwards."""
        with Guarded() as guard:
            arrays = [guard(array, self.dtype) for array in (shared, mine, base)]
            self.call("merge_sums", *arrays, arrays[0].size, share)
        return arrays

    def describe_rows(self, rows):
        rows = np.ascontiguousarray(rows, dtype=np.int32)
        low, high, increasing = c_int32(5), c_int32(5), c_int(5)
        self.call("describe_rows", *map(ctypes.byref, (low, high, increasing)), rows, rows.size)
        return low.value, high.value, increasing.value

    def unique_rows(self, rows, n_buckets, seed=0):
        rows = np.ascontiguousarray(rows, dtype=np.int32)
        rubbish = np.random.default_rng(seed).integers(-5, rows.size + 5, size=n_buckets)
        with Guarded() as guard:
            unique = guard(np.full(rows.size, -1, dtype=np.int32))
            slots = guard(np.full(rows.size, -1, dtype=np.int32))
            buckets = guard(rubbish, np.int32)
            count = self.call("unique_rows", unique, slots, buckets, n_buckets, rows, rows.size)
        return unique[:count].copy(), slots.copy()


KERNELS = {name: Kernels(name) for name in INSTRUCTION_SETS}
