"""Files of arrays: what goes in comes out, and nothing else does."""

import json
import mmap
import os
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wyrm.container import (
    ModelFileError,
    pack_strings,
    read_container,
    read_safetensors,
    unpack_strings,
    whole_file,
    write_container,
    write_safetensors,
)

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f4", ">i8"]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)
CONFIG = {"name": "größe", "rate": 0.1, "none": None, "list": [1, 2.5, "x"], "nested": {"yes": True}}


def example():
    rng = np.random.default_rng(0)
    return {
        "weights": rng.normal(size=(7, 3)).astype(np.float32),
        "ids": rng.integers(0, 9, 11).astype(np.int32),
        "flag": np.array(True),
        "empty": np.empty((0, 4)),
    }


def same(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype.newbyteorder("=")
        and found[name].shape == array.shape
        and found[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        for name, array in expected.items()
    )


@given(arrays=st.dictionaries(st.text(max_size=5), ARRAYS, max_size=5).filter(lambda d: "__metadata__" not in d))
def test_arrays_come_back_as_they_were(arrays, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "arrays"
    write_container(path, "test", 1, CONFIG, arrays)
    for mapped in (False, True):
        config, found = read_container(path, "test", 1, mmap=mapped)
        assert config == CONFIG and same(found, arrays)


def test_the_package_safetensors_reads_the_files_and_writes_what_is_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "file"
    write_container(path, "test", 1, CONFIG, example())
    assert same(safetensors.load_file(path), example())
    safetensors.save_file({"a": np.arange(6, dtype=np.float64).reshape(2, 3)}, path, metadata={"by": "another"})
    metadata, arrays = read_safetensors(path)
    assert metadata == {"by": "another"} and same(arrays, {"a": np.arange(6.0).reshape(2, 3)})
    with pytest.raises(ModelFileError, match="that wyrm did not write"):
        read_container(path, "test", 1)


def test_numpy_scalars_and_tuples_may_be_in_the_description(tmp_path):
    write_container(tmp_path / "file", "test", 1, {"n": np.int64(3), "x": np.float32(0.5), "t": (1, 2)}, {})
    assert read_container(tmp_path / "file", "test", 1) == ({"n": 3, "x": 0.5, "t": [1, 2]}, {})


@pytest.mark.parametrize("bad", [np.array(["text"]), np.array([object()]), np.array([1j])])
def test_what_is_no_number_is_refused(tmp_path, bad):
    with pytest.raises(TypeError, match="'odd': expected numbers or booleans"):
        write_container(tmp_path / "file", "test", 1, {}, {"odd": bad})
    assert not list(tmp_path.iterdir())


def test_mapped_arrays_are_the_file_itself(tmp_path):
    path = tmp_path / "file"
    write_container(path, "test", 1, {}, example())
    _, arrays = read_container(path, "test", 1, mmap=True)
    for name in ("weights", "ids"):
        owner = arrays[name]
        while isinstance(owner, np.ndarray):
            assert not owner.flags.writeable and not owner.flags.owndata
            owner = owner.base
        assert isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)
        assert arrays[name].ctypes.data % arrays[name].itemsize == 0
    del owner
    if os.name != "nt":
        os.replace(path, tmp_path / "moved")  # what is mapped stays, whatever becomes of the name
    assert same(arrays, example())


def test_the_first_array_begins_a_cache_line(tmp_path):
    write_container(tmp_path / "file", "test", 1, {}, {"a": np.zeros(3, np.float32), "b": np.zeros(3)})
    with open(tmp_path / "file", "rb") as file:
        assert (8 + int.from_bytes(file.read(8), "little")) % 64 == 0


def test_damaged_anywhere_it_is_refused_or_unharmed(tmp_path):
    """A byte changed, at every place; what is not refused is the same (as a space in the header that is now a tab)."""
    path = tmp_path / "file"
    write_container(path, "test", 1, CONFIG, example())
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    unharmed = 0
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ int(rng.integers(1, 256))]) + data[place + 1 :])
        try:
            config, arrays = read_container(path, "test", 1)
        except ModelFileError as error:
            assert str(path) in str(error)
        else:
            assert config == CONFIG and same(arrays, example())
            unharmed += 1
    assert unharmed < 50


@pytest.mark.parametrize("mapped", [False, True])
def test_truncated_anywhere_or_longer_it_is_refused(tmp_path, mapped):
    path = tmp_path / "file"
    write_container(path, "test", 1, CONFIG, example())
    data = path.read_bytes()
    for content in [*(data[:n] for n in range(len(data))), data + b"\0"]:
        path.write_bytes(content)
        with pytest.raises(ModelFileError) as caught:
            read_container(path, "test", 1, mmap=mapped)
        assert caught.value.path == str(path) and str(caught.value).startswith(f"{path}: ")


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


HOSTILE = {
    "a header of 2^63 bytes": b"\xff" * 8 + b"{}",
    "a header past the end": struct.pack("<Q", 1000) + b"{}",
    "no JSON": raw(b"{'a'}"),
    "no UTF-8": raw(b'{"\xff": 1}'),
    "UTF-16": raw("{}".encode("utf-16")),
    "a list": raw([1]),
    "a number of 5,000 digits": raw(b'{"a": ' + b"1" * 5000 + b"}"),
    "nested beyond measure": raw(b"[" * 200_000 + b"]" * 200_000),
    "metadata that is no dict": raw({"__metadata__": [1]}),
    "metadata that is no text": raw({"__metadata__": {"wyrm": 1}}),
    "an entry that is no dict": raw({"a": 5}),
    "an entry without a shape": raw({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, b"\0" * 4),
    "an unknown type": raw(entry("BF16", (2,)), b"\0" * 4),
    "a type that is a list": raw(entry(["F32"]), b"\0" * 4),
    "a shape that is text": raw(entry(shape="1"), b"\0" * 4),
    "a shape of floats": raw(entry(shape=(1.0,)), b"\0" * 4),
    "a shape of booleans": raw(entry(shape=(True,)), b"\0" * 4),
    "a negative shape": raw(entry(shape=(-1, -1)), b"\0" * 4),
    "a shape too large for the data": raw(entry(shape=(2**40,)), b"\0" * 4),
    "a shape that overflows": raw(entry(shape=(2**32, 2**32)), b"\0" * 4),
    "an empty shape of endless size": raw(entry(shape=(0, 2**47, 2**47), offsets=(0, 0))),
    "too many dimensions": raw(entry(shape=[1] * 100), b"\0" * 4),
    "offsets past the end": raw(entry(offsets=(4, 8)), b"\0" * 4),
    "offsets that descend": raw(entry(offsets=(4, 0)), b"\0" * 4),
    "one offset": raw(entry(offsets=(4,)), b"\0" * 4),
    "room between": raw(entry() | {"b": entry(offsets=(8, 12))["a"]}, b"\0" * 12),
    "arrays that overlap": raw(entry() | {"b": entry()["a"]}, b"\0" * 4),
    "data that nobody claims": raw({}, b"\0" * 4),
    "nothing": b"",
    "a pickle": b"\x80\x05\x95" + b"\0" * 40,
    "zeros": b"\0" * 100,
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused(tmp_path, content, mapped):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_safetensors(path, mmap=mapped)


def test_descriptions_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "file"
    write_container(path, "test", 2, {}, example())
    with pytest.raises(ModelFileError, match="expected a model, found a test"):
        read_container(path, "model", 1)
    with pytest.raises(ModelFileError, match=r"written by a newer wyrm .*version 2 .*reads 1"):
        read_container(path, "test", 1)
    metadata, arrays = read_safetensors(path)
    write_safetensors(path, {**arrays, "more": np.zeros(1)}, metadata)
    with pytest.raises(ModelFileError, match="has others"):
        read_container(path, "test", 2, mmap=True)
    write_safetensors(path, {**arrays, "ids": arrays["ids"].view(np.float32)}, metadata)
    with pytest.raises(ModelFileError, match="'ids'"):
        read_container(path, "test", 2, mmap=True)


def test_missing_files_and_folders_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_container(tmp_path / "nowhere", "test", 1)
    with pytest.raises(FileNotFoundError, match=r"folder.file"):
        write_container(tmp_path / "folder" / "file", "test", 1, {}, {})
    with pytest.raises(OSError):
        read_container(tmp_path, "test", 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: open(tmp_path / "pipe", "wb").close())
    writer.start()
    with pytest.raises(ModelFileError, match="regular file"):
        read_safetensors(tmp_path / "pipe")
    writer.join()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]
    with whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no names for open files here")
def test_a_pipe_without_a_name_is_written_to():
    """Such as /dev/stdout before a | of the shell."""
    to_read, to_write = os.pipe()
    with whole_file(f"/dev/fd/{to_write}") as file:
        file.write(b"new")
    os.close(to_write)
    with open(to_read, "rb") as file:
        assert file.read() == b"new"


@given(st.lists(st.text(st.characters(), max_size=4), max_size=6))
def test_strings_come_back_as_they_were(strings):
    assert unpack_strings(*pack_strings(strings)) == strings


@pytest.mark.parametrize("ends", [[2, 1, 3], [1, 2], [-1, 3], [4], []])
def test_packed_strings_that_do_not_fit_are_refused(ends):
    with pytest.raises(ValueError, match="packed strings"):
        unpack_strings(np.frombuffer(b"abc", np.uint8), np.array(ends, np.int64))
