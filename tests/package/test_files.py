"""What the files of the project may hold."""

import re

CODE = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".c"}
TEXT = CODE | {".md", ".toml", ".yml", ".yaml", ".in", ".txt", ".sh", ".supp", ".cfg", ""}
MAX_LINES = 500

# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a flag that ties a build to one processor": re.compile(r"-m(?:arch|cpu|tune)=native"),
    "a flag that gives up NaN, infinity or the order of sums": re.compile(
        r"-f(?:fast-math|associative-math|finite-math-only)\b|-O(?:fast)\b|/fp:fa(?:st)\b"
    ),
    "a path of one machine": re.compile(r"(?<![\w.$}/])/(?:work|farm|root|home|tmp|Users)/"),
    "loading of pickles": re.compile(r"\ballow_pickle\s*=\s*(?:True)\b"),
}


def test_no_file_has_two_jobs(root, project_files):
    long = {
        str(path): lines
        for path in project_files
        if path.suffix in CODE and (lines := len((root / path).read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"past {MAX_LINES} lines a file has two jobs: {long}"


def test_nothing_forbidden(root, project_files):
    found = [
        f"{path}: {what}: {match[0]!r}"
        for path in project_files
        if path.suffix in TEXT and path.parts[0] != "docs"  # which may say what is not used, and why
        for what, pattern in FORBIDDEN.items()
        if (match := pattern.search((root / path).read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def test_nothing_generated(project_files):
    generated = [path for path in project_files if path.suffix in {".c", ".cpp", ".so", ".pyd", ".o", ".pyc", ".html"}]
    assert not generated
