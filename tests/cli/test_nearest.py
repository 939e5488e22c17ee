"""``wyrm nearest``."""

import gzip

import numpy as np
import pytest

from wyrm.cli.main import main
from wyrm.models import KeyedVectors


@pytest.fixture
def wv():
    wv = KeyedVectors(2)
    wv.add_vectors(["north", "northeast", "east", "west"], [[0, 2], [2, 2], [3, 0], [-1, 0]])
    return wv


FORMATS = {
    "text": lambda wv, path: wv.save_word2vec_format(path),
    "binary": lambda wv, path: wv.save_word2vec_format(path, binary=True),
    "glove": lambda wv, path: wv.save_word2vec_format(path, write_header=False),
    "safetensors": lambda wv, path: wv.save(path),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(wv, tmp_path, name, capsys):
    path = tmp_path / "vectors"
    FORMATS[name](wv, path)
    assert main(["nearest", str(path), "north", "--topn", "2"]) == 0
    assert capsys.readouterr().out == "northeast\t0.7071\neast\t0.0000\n"
    if name != "safetensors":
        path.write_bytes(gzip.compress(path.read_bytes()))
        assert main(["nearest", str(path), "north", "--topn", "1"]) == 0
        assert capsys.readouterr().out == "northeast\t0.7071\n"


def test_keys_that_are_numbers(tmp_path, capsys):
    wv = KeyedVectors(2)
    wv.add_vectors([70, -7, "8", 8], [[0, 2], [2, 2], [3, 0], [-1, 0]])
    wv.save(tmp_path / "items")
    assert main(["nearest", str(tmp_path / "items"), "70", "8", "--topn", "1"]) == 0
    assert capsys.readouterr().out == "-7\t1.0000\n"
    assert main(["nearest", str(tmp_path / "items"), "--topn", "1", "--", "-7"]) == 0
    assert capsys.readouterr().out == "70\t0.7071\n"
    assert main(["nearest", str(tmp_path / "items"), "5"]) == 1
    assert "no vector for '5'" in capsys.readouterr().err


def test_several_keys(wv, tmp_path, capsys):
    wv.save(tmp_path / "vectors")
    assert main(["nearest", str(tmp_path / "vectors"), "north", "east", "--negative", "west", "--topn", "1"]) == 0
    assert capsys.readouterr().out == "northeast\t0.9487\n"
    assert main(["nearest", str(tmp_path / "vectors"), "north", "--limit", "1"]) == 0
    assert capsys.readouterr().out == ""


def test_errors(wv, tmp_path, capsys):
    path = tmp_path / "vectors"
    wv.save_word2vec_format(path)
    assert main(["nearest", str(path), "North"]) == 1
    assert capsys.readouterr().err == f"wyrm: {path} has no vector for 'North'; there is 'north'\n"
    assert main(["nearest", str(path), "south"]) == 1
    assert capsys.readouterr().err == f"wyrm: {path} has no vector for 'south'\n"
    assert main(["nearest", str(path), "north", "--topn", "0"]) == 1
    assert "--topn" in capsys.readouterr().err
    assert main(["nearest", str(tmp_path / "nothing"), "north"]) == 1
    assert "nothing" in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[:-2])
    assert main(["nearest", str(path), "north"]) == 1
    assert "line 5, column 9: expected 2 numbers" in capsys.readouterr().err


def test_foreign_files(tmp_path, capsys):
    for i, content in enumerate([b"", b"\n", b"\x00" * 100, b"3 x\n", b"{}", np.arange(99.0).tobytes()]):
        path = tmp_path / str(i)
        path.write_bytes(content)
        assert main(["nearest", str(path), "north"]) == 1
        assert str(path) in capsys.readouterr().err
