"""Tables of columns as the sparse rows that models learn from."""

from wyrm.preprocessing.encoder import CategoryEncoder as CategoryEncoder
from wyrm.preprocessing.table_model import TableModel as TableModel

__all__ = ["CategoryEncoder", "TableModel"]
