"""The command line, in this process and in others."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import wyrm.io
from wyrm.cli.main import COMMANDS, main
from wyrm.io import write_libffm, write_libsvm
from wyrm.models import LinearRegression, LogisticRegression

FAST = ["--threads", "1", "--seed", "0", "--epochs", "3"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One problem in files of every kind: the label depends on a colour and on whether a number is large."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name, n in (("train", 800), ("test", 300)):
        colour, number = rng.integers(0, 4, n), rng.random(n).round(3)
        y = ((colour == 1) | (number > 0.7)) ^ (rng.random(n) < 0.05)
        y = y.astype(int)
        columns = np.stack([colour, 4 + (10 * number).astype(int)], axis=1)
        X = scipy.sparse.csr_matrix((np.ones(2 * n), columns.ravel(), np.arange(0, 2 * n + 1, 2)), shape=(n, 15))
        write_libsvm(folder / f"{name}.libsvm", X, y)
        write_libsvm(folder / f"{name}.libsvm.gz", X, y)
        write_libsvm(folder / f"{name}.number", X, number + colour)
        write_libffm(folder / f"{name}.libffm", X.indices, (X.indices > 3).astype(int), X.data, X.indptr, y)
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["colour", "number", "code", "bought"])
            words = np.array(["red", "blue", "green", ""])[colour]
            writer.writerows(zip(words, number, colour + 7, np.array(["no", "yes"])[y], strict=True))
    return folder


@pytest.fixture
def run(files, tmp_path, monkeypatch, capsys):
    """Run a command line in a folder of its own; gives status, output and errors."""
    monkeypatch.chdir(tmp_path)
    for path in files.iterdir():
        shutil.copy(path, tmp_path)

    def call(*words):
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return call


def accuracy(run, *words):
    status, out, err = run("evaluate", *words, "--json")
    assert status == 0, err
    return json.loads(out)["accuracy"]


@pytest.mark.parametrize("model", ["lr", "fm"])
@pytest.mark.parametrize("kind", ["libsvm", "libsvm.gz", "libffm", "csv"])
def test_fit_predict_and_evaluate(run, model, kind):
    label = ["--label", "bought"] if kind == "csv" else []
    status, out, err = run("fit", model, f"train.{kind}", "--valid", f"test.{kind}", "-o", "m", *FAST, *label)
    assert (status, err) == (0, "")
    assert "saved to m" in out and "AUC 0." in out and out.count("\n") == 8
    assert accuracy(run, "m", f"test.{kind}", *label) > 0.85
    status, probabilities, _ = run("predict", "m", f"test.{kind}", *label)
    assert status == 0 and run("predict", "m", f"test.{kind}", *label, "-o", "p")[:2] == (0, "")
    assert Path("p").read_text() == probabilities
    p = np.array(probabilities.split(), float)
    assert len(p) == 300 and (p >= 0).all() and (p <= 1).all()
    labels = run("predict", "m", f"test.{kind}", "--labels", *label)[1].split()
    assert set(labels) == ({"yes", "no"} if kind == "csv" else {"0", "1"})
    assert [word in ("yes", "1") for word in labels] == (p > 0.5).tolist()


def test_ffm_takes_fields_from_libffm_and_csv_files(run):
    pytest.importorskip("wyrm.models.field_aware")
    for kind, label in (("libffm", []), ("csv", ["--label", "bought"])):
        assert run("fit", "ffm", f"train.{kind}", "-o", "m", "--factors", 4, *FAST, *label)[0] == 0
        assert accuracy(run, "m", f"test.{kind}", *label) > 0.85


@pytest.mark.parametrize("model", [["linear"], ["fm", "--task", "regression"]])
def test_regression(run, model):
    status, out, _ = run("fit", *model, "train.number", "--valid", "test.number", "-o", "m", *FAST)
    assert status == 0 and "RMSE" in out
    found = json.loads(run("evaluate", "m", "test.number", "--json")[1])
    assert found["rows"] == 300 and found["R2"] > 0.9 and found["RMSE"] > found["MAE"] > 0
    assert len(run("predict", "m", "test.number")[1].split()) == 300


def test_what_it_saves_is_what_python_makes(run):
    run("fit", "lr", "train.libsvm", "-o", "m", *FAST)
    found = wyrm.io.load("m")
    X, y, *_ = wyrm.io.read_libsvm("train.libsvm", zero_based=True)
    expected = LogisticRegression(epochs=3, n_threads=1, random_state=0).fit(X, y.astype(int))
    assert isinstance(found, LogisticRegression)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    run("fit", "fm", "train.csv", "--label", "bought", "-o", "m", *FAST)
    table = {"number": np.array([0.9, 0.1]), "colour": ["red", "blue"], "code": np.array([7.0, 8.0])}
    assert wyrm.io.load("m").predict(table).tolist() == ["yes", "yes"]


def test_in_chunks(run):
    words = ["-o", "m", "--valid", "test.libsvm", "--chunk-rows", 100, *FAST]
    assert run("fit", "lr", "train.libsvm", *words)[0] == 0
    assert accuracy(run, "m", "test.libsvm", "--chunk-rows", 7) > 0.85


def test_patience_stops_and_goes_back_to_the_best(run):
    words = ["--epochs", 1000, "--threads", 1, "--seed", 0, "--patience", 2, "--learning-rate", 1]
    status, out, _ = run("fit", "lr", "train.libsvm", "--valid", "test.libsvm", *words)
    assert status == 0 and out.count("  kept\n") == 1 and out.count("\n") < 900


def test_rows_of_other_widths(run):
    run("fit", "lr", "train.libsvm", "-o", "m", *FAST)
    Path("wide").write_text("1 2:1 400000:1\n0 1:1\n")
    Path("narrow").write_text("1 2:1\n0 1:1\n")
    wide, narrow = run("predict", "m", "wide"), run("predict", "m", "narrow")
    assert wide == narrow and wide[0] == 0
    assert run("fit", "lr", "train.libsvm", "--valid", "wide", *FAST)[0] == 0


def test_columns_of_codes(run):
    run("fit", "lr", "train.csv", "--label", "bought", "--categorical", "code", "--bins", 4, "-o", "m", *FAST)
    names = wyrm.io.load("m").encoder.get_feature_names_out().tolist()
    assert {"code=7", "colour=<missing>", "number=<missing>"} <= set(names)
    assert sum(name.startswith("number") for name in names) == 5
    assert accuracy(run, "m", "test.csv", "--label", "bought") > 0.85


def test_csv_without_a_header_and_by_other_separators(run):
    Path("t.tsv").write_text("a\t1\t1\nb\t2\t0\n" * 50)
    assert run("fit", "lr", "t.tsv", "--no-header", "--label", "-1", "-o", "m", *FAST)[0] == 0
    assert accuracy(run, "m", "t.tsv", "--no-header", "--label", 2) == 1.0
    Path("t.csv").write_text("\ufeffx;label\n" + "a;1\nb;0\n" * 50)
    assert run("fit", "lr", "t.csv", "-o", "m", *FAST)[0] == 0
    assert accuracy(run, "m", "t.csv") == 1.0
    assert run("predict", "m", "t.csv", "--labels")[1] == "1\n0\n" * 50
    Path("only.csv").write_text("x\nb\nnew\n\n")
    assert run("predict", "m", "only.csv", "--format", "csv", "--labels")[1].splitlines()[0] == "0"


def test_info(run):
    run("fit", "fm", "train.csv", "--label", "bought", "-o", "m", *FAST)
    status, out, _ = run("info", "m")
    assert status == 0
    for word in ("TableModel", "CategoryEncoder", "n_factors", "classes = ['no', 'yes']", "float32"):
        assert word in out


def test_standard_input(run):
    run("fit", "lr", "train.libsvm", "-o", "m", *FAST)
    command = [sys.executable, "-m", "wyrm", "evaluate", "m", "-", "--json"]
    with open("test.libsvm", "rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert json.loads(done.stdout)["rows"] == 300


@pytest.mark.skipif(os.name == "nt", reason="needs /dev/stdin")
@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
@pytest.mark.parametrize("name", ["train.libsvm", "train.libsvm.gz", "train.libffm", "train.csv"])
def test_pipes_are_read_once_and_whole(run, name, path):
    model = "lr" if "libsvm" in name else "ffm"
    content = Path(name).read_bytes()
    label = ["--label", "bought"] if name.endswith("csv") else []

    def piped(*words):
        command = [sys.executable, "-m", "wyrm", *words, *label]
        done = subprocess.run(command, input=content, capture_output=True, text=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert b": 800 rows," in piped("fit", model, path, "-o", "m", *FAST)
    assert json.loads(piped("evaluate", "m", path, "--json"))["rows"] == 800
    assert len(piped("predict", "m", path).splitlines()) == 800
    status, _, err = run("fit", "lr", "-", "-o", "m", "--chunk-rows", "10")
    assert status == 1 and "several times" in err


def test_of_many_epochs_some_are_printed(run):
    out = run("fit", "lr", "train.libsvm", "--epochs", "123")[1]
    epochs = [int(line.split()[0]) for line in out.splitlines() if line[:5].strip().isdigit()]
    assert epochs == [*range(1, 11), *range(20, 101, 10), 123]


BAD_FILES = {
    "empty": b"",
    "no_number": b"1 1:x\n",
    "bad_header.csv": b"a,a\n1,2\n",
    "ragged.csv": b"a,label\n1,2\n1\n",
    "only_header.csv": b"a,label\n",
    "only_label.csv": b"label\n1\n",
    "no_label.csv": b"a,b\n1,2\n",
    "missing.csv": b"a,label\nx,1\ny,\n",
    "binary.csv": b"a,\xff\xfe,\x00\n" * 9,
    "cut.gz": None,
    "one_class": b"1 1:1\n1 2:1\n",
    "fractions": b"0.5 1:1\n0.25 2:1\n",
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("model", ["lr", "ffm"])
def test_bad_files_give_one_line_and_status_1(run, name, model):
    content = BAD_FILES[name]
    if content is None:
        content = Path("train.libsvm.gz").read_bytes()[:-100]
    Path(name).write_bytes(content)
    status, out, err = run("fit", model, name, "-o", "m")
    assert status == 1 and err.startswith("wyrm: ") and err.count("\n") == 1
    assert "saved" not in out
    assert not os.path.exists("m")


def test_errors_name_what_is_wrong(run):
    run("fit", "lr", "train.libsvm", "-o", "m", *FAST)
    run("fit", "fm", "train.csv", "--label", "bought", "-o", "t", *FAST)
    Path("damaged").write_bytes(Path("m").read_bytes()[:-1])
    Path("words.csv").write_text("colour,number,code\nred,many,7\n")
    Path("lacks.csv").write_text("colour,number\nred,1\n")
    Path("other").write_text("7 1:1\n")
    for words, message in {
        ("predict", "nowhere", "test.libsvm"): "nowhere: No such file",
        ("predict", "m", "nowhere"): "nowhere: No such file",
        ("predict", "damaged", "test.libsvm"): "damaged: truncated",
        ("predict", "train.libsvm", "test.libsvm"): "train.libsvm: ",
        ("predict", "m", "test.csv"): "learnt from a libsvm or libffm file",
        ("predict", "t", "test.libsvm"): "learnt from a CSV file",
        ("predict", "t", "words.csv"): "column 'number': expected numbers",
        ("predict", "t", "lacks.csv"): "lacks ['code']",
        ("evaluate", "m", "other"): "knows the classes [0, 1], and not [7]",
        ("evaluate", "t", "lacks.csv"): "--label COLUMN",
        ("fit", "lr", "train.libsvm", "-o", "no/where"): "there is no folder no",
        ("fit", "lr", "train.libsvm", "-o", "."): ". is a folder",
        ("fit", "lr", "train.libsvm", "--task", "regression"): "lr is for classification only",
        ("fit", "lr", "train.libsvm", "--factors", 3): "lr has no --factors",
        ("fit", "ffm", "train.libsvm"): "needs: give a libffm file",
        ("fit", "lr", "train.csv", "--chunk-rows", 5): "--chunk-rows",
        ("fit", "lr", "train.libsvm", "--chunk-rows", 5, "--patience", 1): "--valid",
        ("fit", "lr", "train.csv", "--label", "nothing"): "no column 'nothing'",
        ("fit", "lr", "train.csv", "--label", "bought", "--categorical", "x"): "no column 'x'",
        ("fit", "linear", "train.csv", "--label", "bought"): "expected numbers to predict, got",
        ("info", "train.csv"): "train.csv: ",
    }.items():
        status, out, err = run(*words)
        assert (status, out) == (1, ""), words
        assert err.startswith("wyrm: ") and err.count("\n") == 1 and message in err, (words, err)


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["fit"],
        ["fit", "tree", "x"],
        ["fit", "lr", "x", "--epochs", "0"],
        ["fit", "lr", "x", "--l2", "-1"],
        ["fit", "lr", "x", "--learning-rate", "nan"],
        ["predict", "m"],
        ["--nonsense"],
    ],
)
def test_wrong_words_give_status_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2 and "usage: wyrm" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0 and f"usage: wyrm {command}" in out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert f"    {command}" in capsys.readouterr().out


def test_without_words_it_prints_the_configuration(capsys):
    assert main([]) == main(["config"]) == 0
    assert capsys.readouterr().out.count("instruction set") == 2


def test_traceback_on_demand(run):
    with pytest.raises(FileNotFoundError):
        main(["info", "nowhere", "--traceback"])


def test_the_reader_of_a_pipe_may_leave(run):
    run("fit", "lr", "train.libsvm", "-o", "m", *FAST)
    Path("long").write_text("1 1:1\n" * 100_000)
    command = [sys.executable, "-m", "wyrm", "predict", "m", "long", "--chunk-rows", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a job in the background ignores Ctrl-C")
def test_ctrl_c_keeps_the_model(run):
    command = [sys.executable, "-m", "wyrm", "fit", "lr", "train.libsvm", "--epochs", "100000000", "-o", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "800 rows" in process.stdout.readline()  # training is about to begin
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "wyrm: interrupted; the model as it was then is in m\n"
    assert "saved to m" in out and accuracy(run, "m", "test.libsvm") > 0.85


def test_linear_models_can_be_loaded_anywhere(run):
    run("fit", "linear", "train.number", "-o", "m", *FAST)
    assert isinstance(LinearRegression.load("m"), LinearRegression)
