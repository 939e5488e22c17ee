"""Where data are looked for, how they are downloaded, and what is said when they can't be."""

import gzip
import hashlib
import http.server
import logging
import sys
import threading
import types
import zipfile

import numpy as np
import pytest

from wyrm.datasets import (
    DataUnavailableError,
    census_income,
    fetch_census_income,
    fetch_movielens_1m,
    fetch_movielens_100k,
    fetch_text8,
    movielens,
    text8,
)
from wyrm.datasets.fetch import Resource, cache_folder, read_resource

WORDS = b" anarchism originated as a term of abuse"
FETCHERS = [fetch_text8, fetch_movielens_100k, fetch_movielens_1m, fetch_census_income]


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Two empty folders: one of the user, and the cache."""
    own, cache = tmp_path / "own", tmp_path / "cache"
    own.mkdir()
    monkeypatch.setenv("WYRM_DATA_DIR", str(own))
    monkeypatch.setenv("WYRM_CACHE_DIR", str(cache))
    return own, cache


@pytest.fixture
def server(tmp_path):
    """A web server on this machine; gives its folder and address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


def replace(monkeypatch, module, name, **changes):
    """Give a resource of `module` other hashes, or another home."""
    resource = getattr(module, name)
    fields = {key: getattr(resource, key) for key in ("name", "places", "url", "download_hash", "content_hash")}
    monkeypatch.setattr(module, name, Resource(**fields | changes))


def zip_of(path, **members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)


class TestOffline:
    @pytest.mark.parametrize("fetch", FETCHERS)
    def test_what_to_do(self, fetch, folders, monkeypatch):
        """A machine without a connection: pooch fails as requests does there."""
        own, cache = folders

        def retrieve(url, **options):
            raise OSError(f"no route to {url}")

        monkeypatch.setitem(sys.modules, "pooch", types.SimpleNamespace(retrieve=retrieve))
        with pytest.raises(DataUnavailableError) as caught:
            fetch()
        message = str(caught.value)
        assert "no route to http" in message
        assert str(own) in message and str(cache) in message
        assert f"save it as {cache}" in message

    @pytest.mark.parametrize("fetch", FETCHERS)
    def test_without_pooch(self, fetch, monkeypatch):
        monkeypatch.setitem(sys.modules, "pooch", None)
        with pytest.raises(DataUnavailableError, match="pip install pooch"):
            fetch()

    @pytest.mark.parametrize("fetch", FETCHERS)
    def test_not_asked_to_download(self, fetch, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "pooch", None)
        monkeypatch.delenv("WYRM_DATA_DIR")
        with pytest.raises(DataUnavailableError, match="download_if_missing is false") as caught:
            fetch(data_home=tmp_path / "mine", download_if_missing=False)
        assert str(tmp_path / "mine") in str(caught.value)
        assert "WYRM_DATA_DIR" in str(caught.value)


class TestDownload:
    """With pooch, from a server on this machine."""

    @pytest.fixture(autouse=True)
    def quiet(self):
        pooch = pytest.importorskip("pooch")
        logger = pooch.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)
        yield
        logger.setLevel(level)

    def test_once_and_then_from_the_cache(self, server, folders, monkeypatch):
        folder, address = server
        zip_of(folder / "text8.zip", text8=WORDS)
        replace(
            monkeypatch,
            text8,
            "_TEXT8",
            url=f"{address}/text8.zip",
            download_hash=md5((folder / "text8.zip").read_bytes()),
            content_hash=md5(WORDS),
        )
        path = fetch_text8()
        assert path == folders[1] / "text8" / "text8"
        assert path.read_bytes() == WORDS
        (folder / "text8.zip").unlink()
        assert fetch_text8() == path
        path.unlink()
        assert fetch_text8().read_bytes() == WORDS  # unpacked again
        assert sorted(file.name for file in path.parent.iterdir()) == ["text8", "text8.zip"]

    def test_another_file_at_that_address(self, server, folders, monkeypatch):
        folder, address = server
        zip_of(folder / "text8.zip", text8=b"something else")
        replace(monkeypatch, text8, "_TEXT8", url=f"{address}/text8.zip")
        with pytest.raises(DataUnavailableError, match="hash"):
            fetch_text8()
        assert not (folders[1] / "text8" / "text8.zip").exists()

    def test_not_there(self, server, monkeypatch):
        replace(monkeypatch, text8, "_TEXT8", url=f"{server[1]}/none.zip")
        with pytest.raises(DataUnavailableError, match="404"):
            fetch_text8()

    def test_nobody_answers(self, monkeypatch):
        replace(monkeypatch, text8, "_TEXT8", url="http://127.0.0.1:9/text8.zip")
        with pytest.raises(DataUnavailableError, match="the download failed"):
            fetch_text8()

    def test_content_is_checked_where_the_hash_of_the_download_is_not_known(self, server, folders):
        folder, address = server
        (folder / "words.gz").write_bytes(gzip.compress(WORDS))
        resource = Resource("words", ("words.gz",), f"{address}/words.gz", content_hash=md5(WORDS))
        assert read_resource(resource, None, True) == WORDS
        (folders[1] / "words.gz").unlink()
        (folder / "words.gz").write_bytes(gzip.compress(b"others"))
        with pytest.raises(ValueError, match=r"does not hold words.*remove it"):
            read_resource(resource, None, True)


class TestFound:
    """On this machine, in one form or another."""

    @pytest.fixture(autouse=True)
    def no_downloads(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pooch", None)

    def test_the_folder_of_the_user_comes_first(self, folders):
        for folder, content in zip(folders, (b"own", b"cached")):
            folder.mkdir(exist_ok=True)
            (folder / "words").write_bytes(content)
        resource = Resource("words", ("words",), "")
        assert read_resource(resource, None, True) == b"own"
        (folders[0] / "words").unlink()
        assert read_resource(resource, None, True) == b"cached"

    def test_text8(self, folders, monkeypatch):
        own, cache = folders
        replace(monkeypatch, text8, "_TEXT8", content_hash=md5(WORDS))
        zip_of(own / "text8" / "text8.zip", text8=WORDS)
        assert fetch_text8() == cache / "text8" / "text8"
        assert fetch_text8().read_bytes() == WORDS
        (own / "text8" / "text8").write_bytes(WORDS)
        assert fetch_text8() == own / "text8" / "text8"

    def test_text8_goes_where_it_is_told(self, folders, monkeypatch, tmp_path):
        replace(monkeypatch, text8, "_TEXT8", content_hash=md5(WORDS))
        zip_of(folders[0] / "text8.zip", text8=WORDS)
        assert fetch_text8(data_home=tmp_path / "there") == tmp_path / "there" / "text8" / "text8"
        assert not folders[1].exists()

    @pytest.mark.parametrize("what", ["other words", "no archive", "no member", "half an archive"])
    def test_a_broken_archive(self, folders, what):
        path = folders[0] / "text8.zip"
        if what == "no archive":
            path.write_bytes(b"words")
        else:
            zip_of(path, **({"words": WORDS} if what == "no member" else {"text8": WORDS}))
        if what == "half an archive":
            path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(ValueError, match=r"text8\.zip.*remove it"):
            fetch_text8()
        assert list((folders[1] / "text8").iterdir()) == []

    def test_movielens_100k(self, folders, monkeypatch):
        content = b"196\t242\t3\t881250949\n943\t1682\t5\t891717742\n"
        replace(monkeypatch, movielens, "_100K", content_hash=md5(content))
        zip_of(folders[0] / "ml-100k.zip", **{"ml-100k__u.data": content})
        for _ in range(2):
            data = fetch_movielens_100k()
            assert data.users.tolist() == [195, 942] and data.items.tolist() == [241, 1681]
            assert data.ratings.tolist() == [3, 5] and data.timestamps.tolist() == [881250949, 891717742]
            assert (data.n_users, data.n_items) == (943, 1682)
            assert (data.users.dtype, data.ratings.dtype, data.timestamps.dtype) == (np.int32, np.float32, np.int64)
            (folders[0] / "ml-100k.rating").write_bytes(content)

    def test_movielens_1m_from_the_original(self, folders):
        lines = ["1::50::5::30", "1::7::4::20", "1::9::3::30", "2::7::2::8", "2::50::1::7", "3::4::5::1"]
        zip_of(folders[0] / "ml-1m.zip", **{"ml-1m__ratings.dat": "\n".join(lines)})
        train, test = fetch_movielens_1m()
        # Items by first appearance: 50, 7, 9, 4.  User 0's last second has two ratings: the later line is held out.
        assert [column.tolist() for column in test[:4]] == [[0, 1, 2], [2, 1, 3], [3, 2, 5], [30, 8, 1]]
        assert [column.tolist() for column in train[:4]] == [[0, 0, 1], [0, 1, 0], [5, 4, 1], [30, 20, 7]]

    def test_movielens_1m_split_already(self, folders, monkeypatch):
        contents = [b"0\t5\t4\t9\n0\t6\t3\t8\n", b"0\t2\t1\t10\n"]
        parts = []
        for part, resource, content in zip(("train", "test"), movielens._1M_PARTS, contents):
            (folders[0] / f"ml-1m.{part}.rating").write_bytes(content)
            parts.append(Resource(resource.name, resource.places, resource.url, None, md5(content)))
        monkeypatch.setattr(movielens, "_1M_PARTS", parts)
        train, test = fetch_movielens_1m()
        assert train.items.tolist() == [5, 6] and test.items.tolist() == [2]
        assert test.n_items == 3706

    def test_census_income(self, folders, monkeypatch):
        row = [f"v{i}" for i in range(42)]
        for i, name in enumerate(census_income._NAMES):
            if name in census_income._NUMERIC:
                row[i] = str(i)
        row[24], row[41] = "1700.09", "- 50000."
        other = [*row[:41], "50000+."]
        other[0] = "73"
        files = {}
        for part, rows in (("data", [row, other]), ("test", [other])):
            content = "".join(", ".join(columns) + "\n" for columns in rows).encode()
            (folders[0] / "census_income").mkdir(exist_ok=True)
            (folders[0] / "census_income" / f"census-income.{part}.gz").write_bytes(gzip.compress(content))
            resource = census_income._FILES[part]
            files[part] = Resource(resource.name, resource.places, resource.url, None, md5(content))
        monkeypatch.setattr(census_income, "_FILES", files)
        census = fetch_census_income()
        assert len(census.names) == 40 and len(census.categorical) == 33
        assert "instance weight" not in census.names
        assert census.y_train.tolist() == [0, 1] and census.y_test.tolist() == [1]
        assert census.weight_train.tolist() == [1700.09] * 2
        assert census.train["age"].tolist() == [0, 73] and census.train["age"].dtype == np.int64
        assert census.train["year"].tolist() == ["v40", "v40"]


class TestCacheFolder:
    def test_named(self, folders):
        assert cache_folder() == folders[1]

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG is for other systems")
    def test_of_the_user(self, monkeypatch, tmp_path):
        monkeypatch.delenv("WYRM_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "wyrm"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_folder() == tmp_path / ".cache" / "wyrm"


class TestHomes:
    """What stands in the source of the fetchers."""

    RESOURCES = (text8._TEXT8, movielens._100K, movielens._1M, *census_income._FILES.values())

    @pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
    def test_everything_is_checked(self, resource):
        assert resource.url.startswith("http")
        assert resource.download_hash or resource.content_hash
        # The name under which a download is kept tells how to read it.
        assert resource.places[-1].partition("::")[0].rpartition(".")[2] == resource.url.rpartition(".")[2]
