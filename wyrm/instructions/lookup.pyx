"""Lookups into a table: embedding, embedding_bag, fm_interaction and field_aware_interaction.

They read only the rows an index list names, and their backward emits only those rows.  Operand a, where there is one,
holds a weight per index.  code.n[0] is set for the mean of a bag; code.n[1] is where packed weights start in the
scratch; code.n[2] is the number of fields, or for a bag whether its gradient is divided among its rows.
"""

from libc.string cimport memcmp, memcpy
from wyrm.gradient cimport gradient_t, index_t, lookup_slots, lookup_products
from wyrm.instructions.program cimport (
    FIELD_OUT_OF_RANGE, FIELDS_DIFFER, NO_ROWS, OK, OP_EMBEDDING, OP_EMBEDDING_BAG, OP_FIELD_AWARE, OP_FM_INTERACTION,
    OUT_OF_MEMORY, ROW_OUT_OF_RANGE, WEIGHTS_DIFFER, flat, instruction_t, op_t, size, slot_t,
)
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport bags_t, dim_t, entry_t, fields_t, row_t, rows_t, slots_t, products_t
from wyrm.parameter cimport storage_t


cdef inline dim_t packed_size(instruction_t* code) noexcept nogil:
    return 0 if code.a == NULL or flat(code.a) else size(code.a)


cdef inline const float* flat_weights(instruction_t* code) noexcept nogil:
    """The weights as one run of floats: those of a parameter beside its optimiser's state are copied together."""
    cdef slot_t* a = code.a
    cdef float* packed = code.scratch + code.n[1]
    cdef dim_t r
    if a == NULL:
        return NULL
    if flat(a):
        return a.value
    for r in range(a.rows):
        memcpy(packed + r * a.cols, a.value + r * a.ld, a.cols * sizeof(float))
    return packed


cdef inline int open_bags(bags_t* bags, instruction_t* code) noexcept nogil:
    """Describe the rows to the kernels; the only place where indices are checked against the table."""
    if code.index.high >= code.storage.rows:
        return ROW_OUT_OF_RANGE
    bags.table = code.storage.value
    bags.stride = code.storage.stride
    bags.D = code.storage.cols
    bags.rows = code.index.rows
    bags.offsets = code.index.offsets
    bags.weights = flat_weights(code)
    bags.n = code.index.n
    bags.bags = code.index.bags
    bags.mean = code.n[0] != 0
    return OK


cdef inline int weights_match(instruction_t* code) noexcept nogil:
    return WEIGHTS_DIFFER if code.a != NULL and size(code.a) != code.index.n else OK


cdef inline int begin(bags_t* bags, instruction_t* code) noexcept nogil:
    cdef int status = open_bags(bags, code)
    if status == OK:
        status = weights_match(code)
    if status == OK and code.storage.catch_up != NULL:
        code.storage.catch_up(code.storage, bags.rows, bags.n)
    return status


# --- embedding ---------------------------------------------------------------------------------------------------
#
# A single row, as in factorisation with one example per step, is copied on the spot.

cdef int embedding_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.index.n
    code.out.cols = code.storage.cols
    code.work = size(code.out)
    if code.index.n == 1:
        code.forward, code.backward = embedding_one, embedding_one_back
    else:
        code.forward, code.backward = embedding, embedding_back
    return NO_ROWS if code.index.n == 0 else OK


cdef int embedding(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef int status = begin(&bags, code)
    if status == OK:
        kernels.gather(code.out.value, &bags)
    return status


cdef int embedding_back(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef slots_t slots
    open_bags(&bags, code)
    if lookup_slots(&slots, code.gradient, code.index) < 0:
        return OUT_OF_MEMORY
    kernels.scatter(&slots, code.out.grad, &bags)
    return OK


cdef int embedding_one(instruction_t* code) noexcept nogil:
    cdef storage_t* storage = code.storage
    if code.index.high >= storage.rows:
        return ROW_OUT_OF_RANGE
    if storage.catch_up != NULL:
        storage.catch_up(storage, code.index.rows, 1)
    memcpy(code.out.value, storage.value + code.index.rows[0] * storage.stride, storage.cols * sizeof(float))
    return OK


cdef int embedding_one_back(instruction_t* code) noexcept nogil:
    cdef gradient_t* gradient = code.gradient
    if gradient.n > 0 or gradient.capacity == 0 or gradient.dense != NULL:
        return embedding_back(code)
    gradient.touched[0] = code.index.rows[0]
    memcpy(gradient.values, code.out.grad, gradient.cols * sizeof(float))
    gradient.n = 1
    gradient.hashed = False
    gradient.source = code.index
    gradient.source_version = code.index.version
    return OK


# Whoever reads the rows of an embedding may do so in the table, and put their gradients where they belong.  Nothing is
# then left to do but to look whether the rows are there.

cdef int embedding_in_place(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    return begin(&bags, code)


cdef int embedding_in_place_back(instruction_t* code) noexcept nogil:
    return OK


cdef void read_in_place(instruction_t* code) noexcept nogil:
    """Have an embedding copy nothing; for its only reader's shape function, which comes after its own."""
    code.forward, code.backward = embedding_in_place, embedding_in_place_back


cdef void rows_in_place(rows_t* rows, const instruction_t* code) noexcept nogil:
    """The rows of such an embedding."""
    rows.value = code.storage.value
    rows.stride = code.storage.stride
    rows.at = code.index.rows


cdef int slots_in_place(slots_t* slots, instruction_t* code) noexcept nogil:
    """Where their gradients go; a status. Valid until the next call for the same table."""
    return OUT_OF_MEMORY if lookup_slots(slots, code.gradient, code.index) < 0 else OK


# --- embedding_bag -----------------------------------------------------------------------------------------------

cdef int bag_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.index.bags
    code.out.cols = code.storage.cols
    code.scratch_size = packed_size(code)
    code.work = code.index.n * code.storage.cols
    return weights_match(code)


cdef int bag(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef int status = begin(&bags, code)
    if status == OK:
        kernels.bag(code.out.value, &bags)
    return status


cdef void describe_products(products_t* products, const instruction_t* code, const float* source) noexcept nogil:
    """What the gradient of a sum over bags, or of fm, is left as, but for weights and slopes."""
    products.offsets = code.index.offsets
    products.bags = code.index.bags
    products.stride = code.storage.cols
    products.source = source
    products.mean = code.n[2] != 0               # of fm, never


cdef inline products_t* open_products(instruction_t* code, const bags_t* bags, bint once,
                                      const float* source) noexcept nogil:
    """The products that the gradient may be left as; NULL: it is to be worked out."""
    cdef products_t* products = NULL
    # Weights that the step changes as well are no longer there when it comes to the products.
    if code.a == NULL or code.a.grad == NULL:
        products = lookup_products(code.gradient, code.index, once)
    if products != NULL:
        describe_products(products, code, source)
        products.weights = bags.weights
    return products


cdef int bag_back(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef slots_t slots
    cdef const products_t* products = &code.gradient.products
    if products.n and products.source == code.out.grad:
        return OK                            # whoever reads the sum has left it so
    open_bags(&bags, code)
    bags.mean = code.n[2] != 0
    if open_products(code, &bags, False, code.out.grad) != NULL:
        return OK
    if lookup_slots(&slots, code.gradient, code.index) < 0:
        return OUT_OF_MEMORY
    kernels.bag_back(&slots, code.out.grad, &bags)
    if code.a != NULL and code.a.grad != NULL:
        bags.mean = code.n[0] != 0
        kernels.bag_weights_back(code.a.grad, code.out.grad, &bags, code.add_a)
    return OK


# --- fm_interaction ----------------------------------------------------------------------------------------------

cdef int fm_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.index.bags
    code.out.cols = 1
    code.n[1] = code.index.bags * code.storage.cols
    code.scratch_size = code.n[1] + packed_size(code)
    code.work = code.index.n * code.storage.cols * 2
    return weights_match(code)


cdef int fm(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef int status = begin(&bags, code)
    if status == OK:
        kernels.fm(code.out.value, code.scratch, &bags)
    return status


cdef int fm_back(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef slots_t slots
    cdef products_t* products
    open_bags(&bags, code)
    products = open_products(code, &bags, True, code.scratch)
    if products != NULL:
        products.slopes = code.out.grad
        return OK
    if lookup_slots(&slots, code.gradient, code.index) < 0:
        return OUT_OF_MEMORY
    kernels.fm_back(&slots, code.out.grad, code.scratch, &bags)
    if code.a != NULL and code.a.grad != NULL:
        kernels.fm_weights_back(code.a.grad, code.out.grad, code.scratch, &bags, code.add_a)
    return OK


# --- field_aware_interaction -------------------------------------------------------------------------------------
#
# The scratch is room for the entries of a bag, which backward lays out again rather than keep them for all bags.

cdef inline void open_fields(fields_t* fields, instruction_t* code) noexcept nogil:
    cdef const index_t* index = code.index if code.index.origin == NULL else code.index.origin
    fields.n_fields = code.n[2]
    if code.fields != NULL:
        fields.fields = code.fields.rows
        fields.rows = NULL
    else:
        fields.fields = code.row_fields
        fields.rows = index.rows


cdef int fields_match(instruction_t* code) noexcept nogil:
    """Whether the fields, where they are an index list, have the bags of the rows."""
    if code.fields != NULL and (
        code.fields.n != code.index.n or code.fields.bags != code.index.bags
        or (code.index.bags > 1
            and memcmp(code.fields.offsets, code.index.offsets, (code.index.bags + 1) * sizeof(row_t)) != 0)
    ):
        return FIELDS_DIFFER
    return OK


cdef int field_aware_shape(instruction_t* code) noexcept nogil:
    cdef dim_t room = code.index.n * sizeof(entry_t) // sizeof(float) + code.n[2]
    code.out.rows = code.index.bags
    code.out.cols = 1
    code.n[1] = room
    code.scratch_size = room + packed_size(code)
    code.work = code.index.n * code.storage.cols
    cdef int status = weights_match(code)
    return fields_match(code) if status == OK else status


cdef int field_aware(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef fields_t fields
    cdef int status = begin(&bags, code)
    if status == OK:
        status = fields_match(code)
    if status == OK and code.fields != NULL and code.fields.high >= code.n[2]:
        status = FIELD_OUT_OF_RANGE
    if status == OK:
        open_fields(&fields, code)
        kernels.field_aware(code.out.value, <entry_t*> code.scratch, &bags, &fields)
    return status


cdef int field_aware_back(instruction_t* code) noexcept nogil:
    cdef bags_t bags
    cdef slots_t slots
    cdef fields_t fields
    open_bags(&bags, code)
    open_fields(&fields, code)
    if lookup_slots(&slots, code.gradient, code.index) < 0:
        return OUT_OF_MEMORY
    kernels.field_aware_back(&slots, code.out.grad, <entry_t*> code.scratch, &bags, &fields)
    if code.a != NULL and code.a.grad != NULL:
        kernels.field_aware_weights_back(code.a.grad, code.out.grad, <entry_t*> code.scratch, &bags, &fields,
                                         code.add_a)
    return OK


cdef void fill_lookup(op_t* ops) noexcept:
    ops[OP_EMBEDDING] = op_t("embedding", embedding_shape, embedding, embedding_back, 0, 0)
    ops[OP_EMBEDDING_BAG] = op_t("embedding_bag", bag_shape, bag, bag_back, 1, 0)
    ops[OP_FM_INTERACTION] = op_t("fm_interaction", fm_shape, fm, fm_back, 1, 0)
    ops[OP_FIELD_AWARE] = op_t("field_aware_interaction", field_aware_shape, field_aware, field_aware_back, 1, 0)
