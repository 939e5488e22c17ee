"""The errors of a file that does not follow its format."""

from __future__ import annotations


class FormatError(ValueError):
    """A file does not follow its format; the message tells where, what was expected and what was found.

    Attributes
    ----------
    path : str
        The file, or ``<stream>`` for a file object without a name.
    line : int or None
        Line number, from 1; None in a binary file.
    column : int or None
        Place in the line, from 1, in bytes; None if the file itself is broken there, as a truncated ``.gz`` is.
    expected : str
        What would have been right.
    found : str
        What is there.
    offset : int or None
        Place in a binary file, from 0, in bytes; None in a text.

    Examples
    --------
    >>> import io
    >>> from wyrm.io import FormatError, read_libsvm
    >>> try:
    ...     read_libsvm(io.BytesIO(b"1 3:0.5 7:x\\n"))
    ... except FormatError as error:
    ...     print(error)
    <stream>, line 1, column 11: expected a number after ':', found 'x'
    """

    def __init__(
        self, path: str, line: int | None, column: int | None, expected: str, found: str, offset: int | None = None
    ) -> None:
        super().__init__(path, line, column, expected, found, offset)
        self.path = path
        self.line = line
        self.column = column
        self.expected = expected
        self.found = found
        self.offset = offset

    def __str__(self) -> str:
        place = f"line {self.line}" if self.offset is None else f"byte {self.offset}"
        column = "" if self.column is None else f", column {self.column}"
        return f"{self.path}, {place}{column}: expected {self.expected}, found {self.found}"


class TruncatedError(FormatError, EOFError):
    """A file ends before all is read that its beginning announces; also an EOFError, which gensim raises then."""
