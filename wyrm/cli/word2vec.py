"""Learn vectors of words from text, and write them to a file.

Text is UTF-8, a sentence to a line, words between whitespace; files may have any size and be compressed.  Parameters
are those of wyrm.models.Word2Vec.  Ctrl-C ends training and saves the vectors as they are then:

  wyrm word2vec corpus.txt -o vectors.bin
  wyrm word2vec 2023.txt.gz 2024.txt.gz -o vectors.txt --sg --size 300 --sample 1e-4
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from wyrm.cli.errors import UserError
from wyrm.cli.options import check_output
from wyrm.io.target import COMPRESS
from wyrm.models import Word2Vec

# What the end of a file's name says about its format.
FORMATS = {".bin": "binary", ".txt": "text", ".vec": "text"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", nargs="+", help="text files")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where the vectors go")
    parser.add_argument(
        "--format",
        choices=["binary", "text", "model"],
        help="word2vec's, or the whole model (default: by FILE's name, .bin, .txt or .vec, then .gz, .xz or .bz2 to "
        "compress it; else model)",
    )
    parser.add_argument(
        "--size", "--vector-size", type=int, default=100, metavar="N", help="numbers in a vector (default: 100)"
    )
    parser.add_argument("--window", type=int, default=5, metavar="N", help="neighbours on each side (default: 5)")
    parser.add_argument("--min-count", type=int, default=5, metavar="N", help="leave out rarer words (default: 5)")
    parser.add_argument("--sg", action="store_true", help="skip-gram instead of CBOW")
    parser.add_argument("--hs", action="store_true", help="hierarchical softmax instead of negative sampling")
    parser.add_argument(
        "--negative", type=int, metavar="N", help="words drawn as negatives (default: 5; with --hs none)"
    )
    parser.add_argument(
        "--sample", type=float, default=1e-3, metavar="T", help="thin out words above this frequency (1e-3)"
    )
    parser.add_argument("--alpha", type=float, metavar="RATE", help="learning rate (default: .025, for CBOW .05)")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="times through the text (default: 5)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of random numbers (default: 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores this process may use")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(options: argparse.Namespace) -> int:
    check_output(options.output)
    output = Path(options.output)
    compressed = output.suffix in COMPRESS
    form = options.format or FORMATS.get(output.with_suffix("").suffix if compressed else output.suffix, "model")
    if form == "model" and compressed:
        raise UserError(f"{output}: a whole model is not compressed; give a name without {output.suffix}")
    for path in options.corpus:
        if os.path.exists(path) and output.exists() and os.path.samefile(path, output):
            raise UserError(f"{path}: the vectors would replace the text")
    negative = options.negative if options.negative is not None else 0 if options.hs else 5
    model = Word2Vec(
        vector_size=options.size,
        window=options.window,
        min_count=options.min_count,
        sg=int(options.sg),
        hs=int(options.hs),
        negative=negative,
        sample=options.sample,
        alpha=options.alpha if options.alpha is not None else 0.025 if options.sg else 0.05,
        epochs=options.epochs,
        seed=options.seed,
        workers=options.threads,
    )
    corpus = [Path(path) for path in options.corpus]
    interrupted = False
    try:
        model.build_vocab(corpus)
        if not options.quiet:
            print(f"{model.corpus_total_words:,} words, {len(model.wv):,} in the vocabulary", file=sys.stderr)
        try:
            model.train(corpus, verbose=0 if options.quiet else 1)
        except KeyboardInterrupt:
            interrupted = True
    except RuntimeError as error:
        raise UserError(str(error)) from error
    if form == "model":
        model.save(output)
    else:
        model.wv.save_word2vec_format(output, binary=form == "binary")
    if interrupted:
        print(f"wyrm: interrupted; the vectors as they were then are in {output}", file=sys.stderr)
        return 130
    return 0
