"""Where bytes come from: paths, file objects, compressed files, whole and broken."""

import bz2
import gzip
import io
import lzma
import pathlib
import threading

import numpy as np
import pytest

from wyrm.io import FormatError, iter_libffm, iter_libsvm, read_libffm, read_libsvm

TEXT = b"".join(b"%d %d:%d 1000:0.5\n" % (i % 2, i % 900 + 1, i) for i in range(30_000))
COMPRESS = {
    "": bytes,
    ".gz": lambda content: gzip.compress(content, compresslevel=1),
    ".xz": lambda content: lzma.compress(content, preset=0),
    ".bz2": lambda content: bz2.compress(content, compresslevel=1),
}


def check(data):
    assert data.X.shape == (30_000, 1000)
    np.testing.assert_array_equal(data.y, np.arange(30_000) % 2)
    np.testing.assert_array_equal(data.X.data[::2], np.arange(30_000))


class Trickle:
    """A file that can only be read on, a few bytes at a time."""

    def __init__(self, content, size):
        self.content = content
        self.size = size
        self.at = 0

    def read(self, size):
        start, self.at = self.at, self.at + min(size, self.size)
        return self.content[start : self.at]


@pytest.mark.parametrize("suffix", COMPRESS)
class TestContent:
    def test_path(self, tmp_path, suffix):
        path = tmp_path / f"data.libsvm{suffix}"
        path.write_bytes(COMPRESS[suffix](TEXT))
        check(read_libsvm(path))
        check(read_libsvm(str(path)))

    def test_the_content_tells_not_the_name(self, tmp_path, suffix):
        path = tmp_path / "data.gz"
        path.write_bytes(COMPRESS[suffix](TEXT))
        check(read_libsvm(path))

    def test_file_object(self, tmp_path, suffix):
        path = tmp_path / "data"
        path.write_bytes(COMPRESS[suffix](TEXT))
        with open(path, "rb") as file:
            check(read_libsvm(file))
            assert not file.closed
        check(read_libsvm(io.BytesIO(COMPRESS[suffix](TEXT))))

    @pytest.mark.parametrize("size", [5, 1000])
    def test_a_stream_that_cannot_seek(self, suffix, size):
        check(read_libsvm(Trickle(COMPRESS[suffix](TEXT), size)))

    def test_several_streams_in_a_row(self, suffix):
        half = TEXT.index(b"\n", len(TEXT) // 2) - 3
        check(read_libsvm(io.BytesIO(COMPRESS[suffix](TEXT[:half]) + COMPRESS[suffix](TEXT[half:]))))

    def test_chunks(self, tmp_path, suffix):
        path = tmp_path / "data"
        path.write_bytes(COMPRESS[suffix](TEXT))
        assert [chunk.y.size for chunk in iter_libsvm(path, chunk_rows=12_000)] == [12_000, 12_000, 6_000]

    def test_nothing(self, suffix):
        assert read_libsvm(io.BytesIO(COMPRESS[suffix](b""))).y.size == 0


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
class TestBroken:
    @pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
    def test_truncated(self, tmp_path, suffix, part):
        content = COMPRESS[suffix](TEXT)
        path = tmp_path / f"data{suffix}"
        path.write_bytes(content[: int(len(content) * part)])
        for read in (read_libsvm, lambda path: list(iter_libsvm(path, chunk_rows=10)), read_libffm):
            with pytest.raises(FormatError) as caught:
                read(path)
            if read is read_libsvm:
                assert f"data{suffix}, line " in str(caught.value)
                assert "intact" in caught.value.expected
                assert caught.value.column is None

    def test_garbage_inside(self, suffix):
        content = bytearray(COMPRESS[suffix](TEXT))
        middle = len(content) // 2
        content[middle : middle + 20] = bytes(range(20))
        with pytest.raises(FormatError):
            read_libsvm(io.BytesIO(content))

    def test_only_the_beginning(self, suffix):
        with pytest.raises(FormatError):
            read_libsvm(io.BytesIO(COMPRESS[suffix](b"")[:7]))


def test_blocks_end_anywhere():
    """Lines longer than a block, and a file that ends without a newline."""
    long = b"1 " + b" ".join(b"%d:1" % i for i in range(1, 300_001))
    data = read_libsvm(io.BytesIO(b"0 1:1\n" + long + b"\n" + long))
    assert np.diff(data.X.indptr).tolist() == [1, 300_000, 300_000]
    data = read_libsvm(io.BytesIO(b"1 1:1 #" + b"x" * 1_000_000 + b"\n0 2:1"))
    assert data.y.tolist() == [1, 0]


@pytest.mark.parametrize("n", range(-4, 5))
def test_a_newline_near_the_end_of_a_block(n):
    line = b"1 1:0.5 #" + b"x" * ((1 << 18) - 10 + n)
    assert len(line) == (1 << 18) - 1 + n
    for text in (line, line + b"\n", line + b"\r\n", line + b"\n0 2:1"):
        assert read_libsvm(io.BytesIO(text)).X.data[0] == 0.5


def test_the_name_in_messages(tmp_path):
    path = tmp_path / "train.libsvm"
    path.write_bytes(b"1 x\n")
    with pytest.raises(FormatError) as caught:
        read_libsvm(path)
    assert caught.value.path == str(path)
    with open(path, "rb") as file, pytest.raises(FormatError) as caught:
        read_libsvm(file)
    assert caught.value.path == str(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_libsvm(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        next(iter_libffm(tmp_path / "none"))


@pytest.mark.parametrize("read", [read_libsvm, read_libffm, iter_libsvm, iter_libffm])
def test_neither_path_nor_file(read):
    with pytest.raises(TypeError, match="path or a binary file"):
        read(5)


def test_text_files_are_refused(tmp_path):
    with pytest.raises(TypeError, match="binary"):
        read_libsvm(io.StringIO("1 1:1\n"))


def test_errors_of_the_system_are_not_taken_for_broken_data():
    class Failing:
        def __init__(self):
            self.content = [gzip.compress(TEXT)[:1000]]

        def read(self, size):
            if not self.content:
                raise OSError(5, "Input/output error")
            return self.content.pop()

    with pytest.raises(OSError, match="Input/output error"):
        read_libsvm(Failing())


def test_a_file_is_closed_when_its_chunks_are_left(tmp_path):
    path = pathlib.Path(tmp_path / "data")
    path.write_bytes(TEXT)
    chunks = iter_libsvm(path, chunk_rows=10)
    next(chunks)
    chunks.close()  # an open file would be a ResourceWarning, which is an error here


def test_threads():
    """Readers don't share anything."""
    found = [None] * 4

    def work(i):
        found[i] = read_libsvm(io.BytesIO(TEXT))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for data in found:
        check(data)
