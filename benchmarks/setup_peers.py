"""An environment with the libraries that the benchmarks compare with, over the one that runs this.

    python benchmarks/setup_peers.py .venv-peers

Packages are pinned in peers.txt. They go into an environment of their own, so that none of them changes a version that
development uses; what it lacks is found in the other, wyrm among it. A package that doesn't install is left out, and
said so: the benchmarks skip it.
"""

import argparse
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


def pins():
    lines = (line.partition("#")[0].strip() for line in (HERE / "peers.txt").read_text().splitlines())
    return [line for line in lines if line]


def make(folder):
    """The environment's interpreter; wyrm and what it needs come from this one's site-packages."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    # addsitedir, for the .pth files that lie there.
    below = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(own, "below.pth").write_text(below)
    return python


def install(python, pin):
    """Whether it worked. Only wheels: a peer isn't worth an afternoon with its compiler."""
    # The CPU's wheels of PyTorch, which are a tenth of the others; where they can't be reached, whatever there is.
    sources = [["--extra-index-url", CPU_WHEELS], []] if pin.startswith("torch") and sys.platform == "linux" else [[]]
    for source in sources:
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:"]
        done = subprocess.run([*command, *source, pin], capture_output=True, text=True)
        if done.returncode == 0:
            return True
    print(f"{pin}: left out. {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    python = make(folder)
    for pin in pins():
        if install(python, pin):
            print(f"{pin}: installed", flush=True)
    subprocess.run([python, "-c", "import wyrm"], check=True)
    (folder / "installed").touch()


if __name__ == "__main__":
    main()
