"""Files of word2vec and GloVe: what is written is read, here and by gensim, and what is wrong is refused."""

import bz2
import gzip
import io
import lzma
import re
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wyrm.io import FormatError, TruncatedError
from wyrm.models import KeyedVectors

COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
FORMATS = {
    "text": {"binary": False},
    "binary": {"binary": True},
    "glove": {"write_header": False},
}


def load(content, **options):
    return KeyedVectors.load_word2vec_format(io.BytesIO(content), **options)


def reading(options):
    """The options that read what these write."""
    return {"binary": options.get("binary", False), "no_header": not options.get("write_header", True)}


@pytest.fixture
def wv():
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((700, 9)) * 10.0 ** rng.integers(-30, 30, (700, 9))).astype(np.float32)
    vectors[0] = [0, -0.0, 1, -1, 1e-45, 3.4028235e38, 16777216, 0.1, 1 / 3]
    keys = [f"w{i}" for i in range(698)] + ["ありがとう", "naïve"]
    return KeyedVectors.from_arrays(keys, vectors, count=np.arange(700, 0, -1))


def check(wv, found):
    assert found.index_to_key == wv.index_to_key
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, wv.vectors)


@pytest.mark.parametrize("name", FORMATS)
class TestThereAndBack:
    @pytest.mark.parametrize("suffix", COMPRESS)
    def test_paths(self, wv, tmp_path, name, suffix):
        path = tmp_path / f"vectors{suffix}"
        wv.save_word2vec_format(path, **FORMATS[name])
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        plain = io.BytesIO()
        wv.save_word2vec_format(plain, **FORMATS[name])
        if suffix:
            module = {".gz": gzip, ".xz": lzma, ".bz2": bz2}[suffix]
            assert module.decompress(path.read_bytes()) == plain.getvalue()
        check(wv, KeyedVectors.load_word2vec_format(path, **reading(FORMATS[name])))
        check(wv, KeyedVectors.load_word2vec_format(str(path), **reading(FORMATS[name])))

    def test_limit(self, wv, name):
        file = io.BytesIO()
        wv.save_word2vec_format(file, **FORMATS[name])
        for limit in (1, 5, 699, 700, 10_000, None):
            found = load(file.getvalue(), limit=limit, **reading(FORMATS[name]))
            assert found.index_to_key == wv.index_to_key[:limit]
            np.testing.assert_array_equal(found.vectors, wv.vectors[:limit])
            assert found.get_vecattr("w0", "count") == len(found)

    def test_a_stream_in_small_pieces(self, wv, name):
        class Trickle(io.BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 7))

            def readinto(self, buffer):
                return super().readinto(memoryview(buffer)[:7])

        file = io.BytesIO()
        wv.save_word2vec_format(file, **FORMATS[name])
        check(wv, KeyedVectors.load_word2vec_format(Trickle(file.getvalue()), **reading(FORMATS[name])))

    def test_more_than_a_block(self, name):
        vectors = np.random.default_rng(0).standard_normal((5_000, 60)).astype(np.float32)
        wv = KeyedVectors.from_arrays([f"w{i}" for i in range(5_000)], vectors)
        file = io.BytesIO()
        wv.save_word2vec_format(file, **FORMATS[name])
        check(wv, load(file.getvalue(), **reading(FORMATS[name])))

    def test_vectors_longer_than_a_block(self, name):
        vectors = np.random.default_rng(0).standard_normal((3, 200_000)).astype(np.float32)
        wv = KeyedVectors.from_arrays(["a", "b", "c"], vectors)
        file = io.BytesIO()
        wv.save_word2vec_format(file, **FORMATS[name])
        check(wv, load(file.getvalue(), **reading(FORMATS[name])))

    def test_taken_for_another(self, wv, tmp_path, name):
        path = tmp_path / "vectors"
        wv.save_word2vec_format(path, **FORMATS[name])
        hints = {"text": "format(path)", "binary": "binary=True", "glove": "no_header=True"}
        for other in set(FORMATS) - {name}:
            with pytest.raises((FormatError, UnicodeDecodeError)) as caught:
                KeyedVectors.load_word2vec_format(path, **reading(FORMATS[other]))
            assert hints[name] in caught.value.__notes__[0]

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
    def test_truncated(self, wv, tmp_path, name, part):
        path = tmp_path / "vectors"
        wv.save_word2vec_format(path, **FORMATS[name])
        content = path.read_bytes()
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(FormatError, match=r"vectors, (line|byte) \d+"):
            KeyedVectors.load_word2vec_format(path, **reading(FORMATS[name]))

    @pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
    def test_truncated_while_compressed(self, wv, tmp_path, name, suffix):
        path = tmp_path / f"vectors{suffix}"
        wv.save_word2vec_format(path, **FORMATS[name])
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(FormatError, match="intact"):
            KeyedVectors.load_word2vec_format(path, **reading(FORMATS[name]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves a file open
@pytest.mark.parametrize("name", FORMATS)
class TestGensim:
    """Written here and read by gensim, and the other way round."""

    @pytest.fixture
    def gensim_vectors(self):
        return pytest.importorskip("gensim.models").KeyedVectors

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_written_here(self, wv, tmp_path, name, suffix, gensim_vectors):
        path = str(tmp_path / f"vectors{suffix}")
        wv.save_word2vec_format(path, fvocab=str(tmp_path / "vocab"), **FORMATS[name])
        found = gensim_vectors.load_word2vec_format(path, fvocab=str(tmp_path / "vocab"), **reading(FORMATS[name]))
        assert found.index_to_key == wv.index_to_key
        np.testing.assert_array_equal(found.vectors, wv.vectors)
        np.testing.assert_array_equal(found.expandos["count"], wv.expandos["count"])

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_written_there(self, wv, tmp_path, name, suffix, gensim_vectors):
        path = str(tmp_path / f"vectors{suffix}")
        theirs = gensim_vectors(wv.vector_size)
        theirs.add_vectors(wv.index_to_key, wv.vectors)
        theirs.expandos["count"] = np.random.default_rng(0).permutation(len(wv))
        theirs.save_word2vec_format(path, fvocab=str(tmp_path / "vocab"), **FORMATS[name])
        options = reading(FORMATS[name])
        expected = gensim_vectors.load_word2vec_format(path, fvocab=str(tmp_path / "vocab"), **options)
        found = KeyedVectors.load_word2vec_format(path, fvocab=str(tmp_path / "vocab"), **options)
        assert found.index_to_key == expected.index_to_key
        np.testing.assert_array_equal(found.vectors, expected.vectors)
        np.testing.assert_array_equal(found.expandos["count"], expected.expandos["count"])
        found = KeyedVectors.load_word2vec_format(path, **options)
        expected = gensim_vectors.load_word2vec_format(path, **options)
        np.testing.assert_array_equal(found.expandos["count"], expected.expandos["count"])


class TestText:
    def test_blanks_and_line_ends(self):
        found = load(b"\xef\xbb\xbf3 2 \r\na 1 2 \r\n\r\nb\t3\t4\nc  5  6")
        assert found.index_to_key == ["a", "b", "c"]
        assert found.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]

    def test_keys_with_blanks_where_it_is_clear(self):
        """As some of GloVe's files have them."""
        found = load(b"the 1 2\n. . . 3 4\nat name@domain.com 5 6\n7 8 9\n", no_header=True)
        assert found.index_to_key == ["the", ". . .", "at name@domain.com", "7"]
        assert found.vectors.tolist() == [[1, 2], [3, 4], [5, 6], [8, 9]]

    def test_no_vectors(self):
        found = load(b"0 3\n")
        assert (len(found), found.vector_size) == (0, 3)

    @pytest.mark.parametrize(
        ("content", "line", "column", "expected"),
        [
            (b"2 2\na 1 2\nb 3\n", 3, 4, "2 numbers after the key"),
            (b"2 2\na 1 2\nb 3 4 5\n", 3, 7, "the end of the line after 2 numbers"),
            (b"2 2\na 1 2\nb 3 x\n", 3, 5, "a number"),
            (b"2 2\na 1 2\nb 3 4x\n", 3, 5, "a number"),
            (b"2 2\na 1 2\nb nan 4\n", 3, 3, "finite"),
            (b"2 2\na 1 2\nb 3 -inf\n", 3, 5, "finite"),
            (b"2 2\na 1 2\nb 3 1e39\n", 3, 5, "finite"),
            (b"2 2\na 1 2\n 3 4\n", 3, 1, "a key"),
            (b"2 2\na 1 2\nb\n", 3, 2, "2 numbers after the key"),
            (b"2 2\na 1 2\n\n\nb 1\n", 5, 4, "2 numbers after the key"),
            (b"1 2\na 1 2\nb 1 2\n", 3, 1, "the end after 1 vectors"),
            (b"1 2\na 1 2\n\n\nb 1 2\n", 5, 1, "the end after 1 vectors"),
            (b"2\na 1 2\n", 1, 1, "no_header=True"),
            (b"a 1 2\nb 1 2\n", 1, 1, "no_header=True"),
            (b"2 0\na\nb\n", 1, 1, "two numbers"),
            (b"-2 2\na 1 2\n", 1, 1, "two numbers"),
            (b"2 2 2\na 1 2\n", 1, 1, "two numbers"),
            (b"\n", 1, 1, "two numbers"),
            (b"999999999999999999 999999999999999999\na 1 2\n", 2, 1, "999999999999999999 numbers"),
            (b"1 1000000000000\na 1 2\n", 2, 1, "1000000000000 numbers"),
        ],
    )
    def test_malformed(self, content, line, column, expected):
        with pytest.raises(FormatError) as caught:
            load(content)
        assert (caught.value.line, caught.value.column) == (line, column)
        assert expected in caught.value.expected

    @pytest.mark.parametrize("content", [b"3 2\na 1 2\nb 1 2\n", b"999999999999999 2\na 1 2\n", b"1 2\n", b""])
    def test_too_short(self, content):
        with pytest.raises(TruncatedError, match="<stream>, line"):
            load(content)
        with pytest.raises(EOFError):
            load(content)

    @pytest.mark.parametrize("content", [b"a\n", b"a b\n", b"\n"])
    def test_nothing_without_a_header(self, content):
        with pytest.raises(FormatError, match="a key and numbers"):
            load(content, no_header=True)

    def test_a_binary_file_taken_for_a_text(self, wv):
        file = io.BytesIO()
        wv.save_word2vec_format(file, binary=True)
        with pytest.raises((FormatError, UnicodeDecodeError)):
            load(file.getvalue())

    def test_promises_cost_nothing(self, tmp_path):
        """A table for what the header says would not fit into any memory."""
        path = tmp_path / "vectors"
        path.write_bytes(b"900000000000000000 2\na 1 2\n")
        for content in (path, io.BytesIO(path.read_bytes()), io.BytesIO(gzip.compress(path.read_bytes()))):
            with pytest.raises(TruncatedError, match="900000000000000000 vectors"):
                KeyedVectors.load_word2vec_format(content)


class TestBinary:
    def file(self, *rows, header=None, end=b""):
        size = len(rows[0][1]) if rows else 2
        parts = [header or b"%d %d\n" % (len(rows), size)]
        for key, vector in rows:
            parts += [key, b" ", np.array(vector, "<f4").tobytes(), end]
        return b"".join(parts)

    @pytest.mark.parametrize("end", [b"", b"\n"])
    def test_newlines_between(self, end):
        found = load(self.file((b"a", [1, 2]), (b"\nb", [10, 13]), end=end), binary=True)
        assert found.index_to_key == ["a", "b"]
        assert found.vectors.tolist() == [[1, 2], [10, 13]]

    def test_no_vectors(self):
        assert len(load(b"0 3\n", binary=True)) == 0

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value):
        with pytest.raises(FormatError) as caught:
            load(self.file((b"a", [1, 2]), (b"b", [3, value])), binary=True)
        assert caught.value.offset == 4 + 2 + 8 + 2 + 4
        assert "'b'" in caught.value.found
        assert "<stream>, byte 20: expected" in str(caught.value)

    @pytest.mark.parametrize("header", [b"x", b"1\n", b"1 2 3\n", b"1 0\n", b"\n", b"1" * 200])
    def test_headers(self, header):
        with pytest.raises(FormatError, match="line 1, column 1: expected 'count size'"):
            load(header + b" " * 500, binary=True)

    @pytest.mark.parametrize("header", [b"3 2\n", b"900000000000000000 2\n", b"1 900000000000000000\n", b"9 20\n"])
    def test_too_short(self, header, tmp_path):
        content = self.file((b"a", [1, 2]), (b"b", [3, 4]), header=header)
        path = tmp_path / "vectors"
        path.write_bytes(content)
        for source in (path, io.BytesIO(content), io.BytesIO(gzip.compress(content))):
            with pytest.raises(TruncatedError, match="byte") as caught:
                KeyedVectors.load_word2vec_format(source, binary=True)
            assert isinstance(caught.value, EOFError)

    def test_too_long(self):
        content = self.file((b"a", [1, 2]), (b"b", [3, 4]), header=b"1 2\n")
        with pytest.raises(FormatError, match="byte 14: expected the end after 1 vectors"):
            load(content, binary=True)
        assert load(content, binary=True, limit=1).index_to_key == ["a"]
        assert len(load(self.file((b"a", [1, 2])) + b"\n\n", binary=True)) == 1

    def test_there_is_no_binary_file_without_a_header(self):
        with pytest.raises(ValueError, match="no_header"):
            load(b"", binary=True, no_header=True)


@pytest.mark.parametrize("binary", [False, True])
class TestKeys:
    def file(self, *keys, binary):
        rows = [key + b" " + (b"\0\0\x80?" if binary else b"1\n") for key in keys]
        return b"%d 1\n" % len(keys) + b"".join(rows)

    def test_not_utf8(self, binary):
        content = self.file(b"a", b"\xff\xfe", "é".encode(), binary=binary)
        with pytest.raises(UnicodeDecodeError, match=r"key at (line 3|byte 10) of <stream>.*unicode_errors"):
            load(content, binary=binary)
        found = load(content, binary=binary, unicode_errors="replace")
        assert found.index_to_key == ["a", "\ufffd\ufffd", "é"]
        assert load(content, binary=binary, encoding="latin-1").index_to_key == ["a", "ÿþ", "Ã©"]
        again = io.BytesIO()
        load(content, binary=binary, unicode_errors="surrogateescape").save_word2vec_format(again, binary=binary)
        assert again.getvalue() == content

    def test_truncated_characters(self, binary):
        content = self.file("ありがとう".encode()[:-1], b"b", binary=binary)
        assert load(content, binary=binary, unicode_errors="ignore").index_to_key == ["ありがと", "b"]

    def test_twice(self, binary):
        with pytest.warns(UserWarning, match="<stream>: 2 vectors are left out.*'b'"):
            found = load(self.file(b"a", b"b", b"b", b"a", b"c", binary=binary), binary=binary)
        assert found.index_to_key == ["a", "b", "c"]
        assert found.key_to_index == {"a": 0, "b": 1, "c": 2}
        assert found.vectors.shape == (3, 1)

    def test_long(self, binary):
        key = b"x" * 1_000_000
        assert load(self.file(b"a", key, binary=binary), binary=binary).index_to_key == ["a", key.decode()]

    def test_bad_arguments(self, binary):
        content = self.file(b"a", binary=binary)
        with pytest.raises(LookupError):
            load(content, binary=binary, encoding="nothing")
        with pytest.raises(LookupError):
            load(content, binary=binary, unicode_errors="nothing")
        with pytest.raises(ValueError, match="limit"):
            load(content, binary=binary, limit=-1)
        with pytest.raises(TypeError, match="binary file"):
            KeyedVectors.load_word2vec_format(io.StringIO("1 1\na 1\n"), binary=binary)

    @pytest.mark.parametrize("key", ["", "new york", "a\nb", " a"])
    def test_what_the_format_cannot_hold(self, binary, key, tmp_path):
        wv = KeyedVectors(1)
        wv.add_vectors(["a", key], [[1], [2]])
        (tmp_path / "vectors").write_text("before")
        with pytest.raises(ValueError, match=re.escape(repr(key))):
            wv.save_word2vec_format(tmp_path / "vectors", binary=binary)
        assert (tmp_path / "vectors").read_text() == "before"
        assert len(list(tmp_path.iterdir())) == 1

    def test_not_finite(self, binary, tmp_path):
        wv = KeyedVectors.from_arrays(["a", "b"], np.array([[1.0], [1e300]]))
        with pytest.raises(ValueError, match="'b' is not finite in float32"), np.errstate(over="ignore"):
            wv.save_word2vec_format(tmp_path / "vectors", binary=binary)
        assert not list(tmp_path.iterdir())


class TestOptions:
    def test_counts(self, tmp_path):
        wv = KeyedVectors.from_arrays(["a", "b", "c"], np.eye(3, dtype=np.float32), count=[3, 9, 5])
        file, vocabulary = io.BytesIO(), io.BytesIO()
        wv.save_word2vec_format(file, vocabulary)
        assert vocabulary.getvalue() == b"b 9\nc 5\na 3\n"
        assert file.getvalue() == b"3 3\nb 0 1 0\nc 0 0 1\na 1 0 0\n"
        found = load(file.getvalue(), fvocab=io.BytesIO(b"b 9\nother 7\n\na 3\n"))
        assert found.expandos["count"].tolist() == [9, 0, 3]

    @pytest.mark.parametrize("content", [b"a 3\nb\n", b"a 3\nb x\n", b"a 3\nb 1 2\n", b"a 3\nb -1\n"])
    def test_bad_counts(self, content):
        with pytest.raises(FormatError, match="line 2, column 1: expected a key and a count"):
            load(b"1 1\na 1\n", fvocab=io.BytesIO(content))

    def test_sorting_by_another_attribute(self):
        wv = KeyedVectors.from_arrays(["a", "b"], np.eye(2, dtype=np.float32), rank=[1.5, 2.5])
        file, vocabulary = io.BytesIO(), io.BytesIO()
        wv.save_word2vec_format(file, vocabulary, sort_attr="rank", prefix="*")
        assert file.getvalue() == b"2 2\n*b 0 1\n*a 1 0\n"
        assert vocabulary.getvalue() == b"*b 2.5\n*a 1.5\n"
        with pytest.raises(ValueError, match="'count'"):
            wv.save_word2vec_format(file, vocabulary)

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_appending(self, tmp_path, suffix):
        path = tmp_path / f"vectors{suffix}"
        for i, key in enumerate("ab"):
            wv = KeyedVectors.from_arrays([key], np.ones((1, 2), np.float32))
            wv.save_word2vec_format(path, total_vec=2, write_header=i == 0, append=i == 1, binary=True)
        assert KeyedVectors.load_word2vec_format(path, binary=True).index_to_key == ["a", "b"]

    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_types(self, dtype):
        found = load(b"1 2\na 0.1 0.5\n", datatype=dtype)
        assert found.vectors.dtype == dtype
        np.testing.assert_array_equal(found.vectors, np.array([[0.1, 0.5]], np.float32).astype(dtype))

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        wv = KeyedVectors.from_arrays(["a", "b"], np.eye(2, dtype=np.float32))
        path = tmp_path / "vectors"
        wv.save_word2vec_format(path)
        before = path.read_bytes()
        wv["c"] = [1, 1]
        monkeypatch.setattr("wyrm.io.word2vec.format_lines", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            wv.save_word2vec_format(path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["vectors"]

    def test_a_link_stays_one(self, tmp_path):
        wv = KeyedVectors.from_arrays(["a"], np.eye(1, dtype=np.float32))
        (tmp_path / "real").write_text("")
        try:
            (tmp_path / "link").symlink_to(tmp_path / "real")
        except OSError:
            pytest.skip("no links here")
        wv.save_word2vec_format(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text() == "1 1\na 1\n"


key = st.text(st.characters(exclude_characters=" \t\r\n\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=8)
number = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.dictionaries(key, st.lists(number, min_size=3, max_size=3), min_size=1), st.sampled_from(sorted(FORMATS)))
def test_any_keys_and_numbers(rows, name):
    wv = KeyedVectors.from_arrays(rows, np.array(list(rows.values()), np.float32))
    file = io.BytesIO()
    wv.save_word2vec_format(file, **FORMATS[name])
    found = load(file.getvalue(), **reading(FORMATS[name]))
    assert found.index_to_key == wv.index_to_key
    assert found.vectors.tobytes() == wv.vectors.tobytes()


def test_keys_that_look_like_something_else():
    """A file without a header may begin with any key."""
    for first in ("BZhang", "7", "-1e5", "nan", "PK", "#", '"', "{"):
        wv = KeyedVectors.from_arrays([first, "b"], np.eye(2, dtype=np.float32))
        file = io.BytesIO()
        wv.save_word2vec_format(file, write_header=False)
        assert load(file.getvalue(), no_header=True).index_to_key == [first, "b"]


TOKENS = [
    *(
        b" ",
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b".",
        b"-",
        b"e",
        b"nan",
        b"inf",
        b"\x00",
        b"0",
        b"1",
        b"2",
        b"0.5",
        b"a",
        b"b",
    ),
    *(b"2 2\n", b"1 2\n", b"3 1\n", b"a 1 2\n", b"b 3 4\n", b"\x00\x00\x80?", b"\xff", b"99999999999999999", b"1e39"),
]


@settings(max_examples=300)
@example(b"1 99999999999999999\n \n", False, False, 0)
@example(b"1 99999999999999999\n\n\r\n", False, False, 0)
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join), st.booleans(), st.booleans(), st.integers(0, 3))
def test_whatever_a_file_holds(content, binary, no_header, limit):
    options = {"binary": binary, "no_header": no_header and not binary, "limit": limit or None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            found = load(content, **options)
        except (FormatError, UnicodeDecodeError):
            return
    assert found.vectors.shape == (len(found.index_to_key), found.vector_size)
    assert len(found.key_to_index) == len(found)
    assert np.isfinite(found.vectors).all()


def test_numbers_too_large_for_the_type_asked_for_are_refused():
    text = b"2 2\nsmall 1 2\nlarge 1e30 2\n"
    assert load(text, datatype=np.float64)["large"][0] == np.float32(1e30)
    with pytest.raises(
        ValueError, match="expected numbers that fit into float16, found larger ones in the vector of 'large'"
    ):
        load(text, datatype=np.float16)
