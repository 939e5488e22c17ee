"""Text: the words of a corpus, counted and numbered."""

from wyrm.text.stream import TextTokens as TextTokens
from wyrm.text.vocabulary import Vocabulary as Vocabulary
