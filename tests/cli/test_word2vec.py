"""``wyrm word2vec``."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wyrm.cli.main import main
from wyrm.models import KeyedVectors, Word2Vec

OPTIONS = ["--size", "8", "--epochs", "1", "--min-count", "2", "--threads", "1", "--quiet"]


@pytest.fixture
def text(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "text"
    path.write_text("\n".join(" ".join(rng.choice(list("abcdefgh"), 10)) for _ in range(50)) + "\nonce")
    return path


@pytest.mark.parametrize("options", [[], ["--sg"], ["--hs"], ["--sg", "--hs", "--negative", "2"]])
def test_vectors_of_every_format(text, tmp_path, options, capsys):
    tables = []
    for name in ("v.bin", "v.txt", "v.model"):
        assert main(["word2vec", str(text), "-o", str(tmp_path / name), *OPTIONS, *options]) == 0
    tables.append(KeyedVectors.load_word2vec_format(tmp_path / "v.bin", binary=True))
    tables.append(KeyedVectors.load_word2vec_format(tmp_path / "v.txt"))
    tables.append(Word2Vec.load(tmp_path / "v.model").wv)
    for wv in tables:
        assert sorted(wv.index_to_key) == list("abcdefgh")
        np.testing.assert_allclose(wv.vectors, tables[0].vectors, rtol=1e-5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["v.txt.gz", "v.bin.xz", "v.vec.bz2"])
def test_names_say_what_is_compressed(text, tmp_path, name):
    assert main(["word2vec", str(text), "-o", str(tmp_path / name), *OPTIONS]) == 0
    assert (tmp_path / name).read_bytes()[:2] in (b"\x1f\x8b", b"\xfd7", b"BZ")
    wv = KeyedVectors.load_word2vec_format(tmp_path / name, binary=".bin" in name)
    assert sorted(wv.index_to_key) == list("abcdefgh")
    assert main(["nearest", str(tmp_path / name), "a"]) == 0


def test_the_bar_of_an_epoch_comes_to_its_end(text, tmp_path, capsys):
    assert main(["word2vec", str(text), "-o", str(tmp_path / "v"), *OPTIONS[:-1]]) == 0
    shown = capsys.readouterr().err
    assert "epoch 1/1: 100%" in shown.split("\r")[-1]
    assert "bytes/s" in shown


def test_progress_and_several_files(text, tmp_path, capsys):
    arguments = [str(text), str(text), "-o", str(tmp_path / "v"), "--format", "text", *OPTIONS[:-1]]
    assert main(["word2vec", *arguments]) == 0
    assert "1,002 words, 9 in the vocabulary" in capsys.readouterr().err
    assert main(["nearest", str(tmp_path / "v"), "a", "--topn", "1"]) == 0


def test_errors(text, tmp_path, capsys):
    assert main(["word2vec", str(text), "-o", str(text), *OPTIONS]) == 1
    assert "would replace the text" in capsys.readouterr().err
    assert main(["word2vec", str(tmp_path / "none"), "-o", str(tmp_path / "v"), *OPTIONS]) == 1
    assert "No such file" in capsys.readouterr().err
    assert main(["word2vec", str(text), "-o", str(tmp_path / "no" / "v"), *OPTIONS]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert main(["word2vec", str(text), "-o", str(tmp_path), *OPTIONS]) == 1
    assert "is a folder: name a file in it" in capsys.readouterr().err
    assert main(["word2vec", str(text), "-o", str(tmp_path / "v.gz"), *OPTIONS]) == 1
    assert "a whole model is not compressed" in capsys.readouterr().err
    assert main(["word2vec", str(text), "-o", str(tmp_path / "v"), *OPTIONS, "--min-count", "9999"]) == 1
    assert "no token occurs 9999 times" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a job in the background ignores Ctrl-C")
def test_ctrl_c_keeps_the_vectors(text, tmp_path):
    command = [sys.executable, "-m", "wyrm", "word2vec", text, "-o", tmp_path / "v.bin", *OPTIONS[:-1]]
    with subprocess.Popen([*command, "--epochs", "100000000"], stderr=subprocess.PIPE) as process:
        assert b"in the vocabulary" in process.stderr.readline()  # training is about to begin
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and b"interrupted; the vectors as they were then" in err
    assert len(KeyedVectors.load_word2vec_format(tmp_path / "v.bin", binary=True)) == 8


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="needs /dev/stdin")
def test_a_pipe_is_refused(text, tmp_path):
    command = [sys.executable, "-m", "wyrm", "word2vec", "/dev/stdin", "-o", tmp_path / "v.bin", *OPTIONS]
    done = subprocess.run(command, input=text.read_bytes(), capture_output=True)
    assert done.returncode == 1 and b"/dev/stdin: expected a file, which can be read several times" in done.stderr
