"""Tables of columns as the sparse rows that models learn from."""

from wyrm.preprocessing.encoder import CategoryEncoder as CategoryEncoder

__all__ = ["CategoryEncoder"]
