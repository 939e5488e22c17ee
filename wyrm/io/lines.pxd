from libc.stdint cimport int32_t, int64_t

cdef enum Fault:
    NONE
    NO_MEMORY
    NO_LABEL
    SEVERAL_LABELS
    LABEL_TOO_LARGE
    NO_QUERY
    QUERY_TOO_LARGE
    QUERY_MISSING
    QUERY_UNEXPECTED
    NO_FIELD
    FIELD_TOO_LARGE
    FIELD_ALONE
    NO_INDEX
    INDEX_ZERO
    INDEX_TOO_LARGE
    NO_VALUE
    VALUE_TOO_LARGE
    NO_END
    DUPLICATE

cdef enum Queries:
    UNKNOWN
    PRESENT
    ABSENT

cdef struct Entry:
    int64_t index
    int64_t position
    float value

# What has been read since the last `take`, where the next value goes, and what a line may hold.
cdef struct Rows:
    float* labels
    int64_t* queries
    int64_t* ends                # ends[i]: number of values in the rows up to and with row i
    int32_t* fields
    int32_t* narrow              # indices, until one is past int32 and they move to `wide`
    int64_t* wide
    float* values
    int64_t n_rows
    int64_t n_values

    bint with_fields
    bint is_wide
    bint sum_duplicates
    bint refuse_zero
    bint has_zero                # index 0 has been seen, in any row of the file
    Queries has_queries
    int64_t index_limit          # the first index, and field, that is too large
    int64_t field_limit
    int64_t max_index            # the largest in the file so far, and where it stands
    int64_t max_index_line
    int64_t max_index_column
    int32_t max_field
    int64_t line

    Fault fault
    const char* fault_at
    Entry* scratch               # room to sort a row in
    int64_t scratch_size

cdef const char* read_lines(Rows* rows, const char* at, const char* stop, int64_t max_rows) noexcept nogil
