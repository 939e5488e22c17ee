"""Tables of columns as the sparse rows that models learn from."""
