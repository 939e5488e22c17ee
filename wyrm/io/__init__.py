"""Readers and writers of the files that sparse models learn from."""

from wyrm.container import ModelFileError as ModelFileError
from wyrm.io.errors import FormatError as FormatError
from wyrm.io.errors import TruncatedError as TruncatedError
from wyrm.io.libffm import LibffmData as LibffmData
from wyrm.io.libffm import iter_libffm as iter_libffm
from wyrm.io.libffm import read_libffm as read_libffm
from wyrm.io.libsvm import LibsvmData as LibsvmData
from wyrm.io.libsvm import iter_libsvm as iter_libsvm
from wyrm.io.libsvm import read_libsvm as read_libsvm
from wyrm.io.saving import load as load
from wyrm.io.saving import save as save
from wyrm.io.writers import write_libffm as write_libffm
from wyrm.io.writers import write_libsvm as write_libsvm
