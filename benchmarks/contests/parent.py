"""Entries in processes of their own, called by turns."""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from contests.entries import CONTESTS, available

WORKER = Path(__file__).with_name("worker.py")


class EntryError(RuntimeError):
    """An entry could not do what it was asked to."""


class Entry:
    """A running worker."""

    def __init__(self, contest, name, n_threads, size=None):
        command = [sys.executable, str(WORKER), contest, name, "--threads", str(n_threads)]
        if size:
            command += ["--size", str(size)]
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        about = self.read()
        self.version, self.settings = about["version"], about["settings"]

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise EntryError(f"{self.name}: {self.process.stderr.read()[-2_000:]}")
        return json.loads(line)

    def ask(self, what):
        self.process.stdin.write(f"{what}\n")
        found = self.read()
        if "error" in found:
            raise EntryError(f"{self.name}, {what}: {found['error']}")
        return found["answer"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


@dataclass
class Result:
    """What one entry did in one contest."""

    name: str
    version: str
    settings: str
    seconds: list = field(default_factory=list)  # of the runs
    epochs: list = field(default_factory=list)  # of these, seconds in epochs alone, where the library tells
    done: int = 0  # units a run goes through
    quality: dict = field(default_factory=dict)
    memory: int | None = None

    @property
    def rates(self):
        return [self.done / seconds for seconds in self.seconds]

    @property
    def rate(self):
        return statistics.median(self.rates)

    @property
    def epoch_rate(self):
        """Units per second of the epochs alone; None where they aren't told apart."""
        return self.done / statistics.median(self.epochs) if self.epochs else None

    @property
    def spread(self):
        """Half the range of the rates, in parts of their median."""
        return (max(self.rates) - min(self.rates)) / 2 / self.rate

    def ratio_to(self, other):
        """The median over the turns of how many times as fast the other was."""
        return statistics.median(b / a for a, b in zip(self.rates, other.rates, strict=True))


def enter(name, n_threads=1, size=None, only=None):
    """The entries of a contest that can run here, started; those that can't, with the reason."""
    entries, missing = [], {}
    for title, make in CONTESTS[name].entries.items():
        if only and title not in only:
            continue
        if not available(make):
            missing[title] = "not installed: make bench-peers"
        elif n_threads > getattr(make, "max_threads", n_threads):
            missing[title] = f"trains on {make.max_threads} thread"
        else:
            try:
                entries.append(Entry(name, title, n_threads, size))
            except EntryError as error:
                missing[title] = str(error).strip().splitlines()[-1]
    return entries, missing


def compete(name, n_threads=1, turns=5, size=None, only=None):
    """Run the entries by turns; results by name, and why others are missing."""
    entries, missing = enter(name, n_threads, size, only)
    results = {entry.name: Result(entry.name, entry.version, entry.settings) for entry in entries}

    def ask(entry, what):
        """None where the entry fails, which ends it; the others go on."""
        try:
            return entry.ask(what)
        except EntryError as error:
            missing[entry.name] = str(error).strip().splitlines()[-1]
            results.pop(entry.name)
            return None

    try:
        for entry in entries:  # with imports, caches and pages that come with the first time
            found = ask(entry, "memory")
            if found is not None:
                results[entry.name].memory = found
        for turn in range(turns):
            for entry in entries[:: 1 if turn % 2 else -1]:
                found = ask(entry, "run") if entry.name in results else None
                if found is not None:
                    results[entry.name].seconds.append(found["seconds"])
                    results[entry.name].done = found["done"]
                    if found["epochs"] is not None:
                        results[entry.name].epochs.append(found["epochs"])
        for entry in entries:
            found = ask(entry, "quality") if entry.name in results else None
            if found is not None:
                results[entry.name].quality = found
    finally:
        for entry in entries:
            entry.close()
    return results, missing
