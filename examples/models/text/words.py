"""The bag of words of a review: which words and pairs of neighbours count, and what each token of a text means.

Tokens are what stands between blanks. A token means a word: itself in small letters, without what stands around it. The rarest
words and pairs are left out, and so is every token that no training text had and that is no common spelling of a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from include.backends.onnx.bags import Pair, spellings, tokens

AROUND = re.compile(r"^\W+|\W+$")


def word_of(token: str) -> str:
    return AROUND.sub("", token).lower()


@dataclass(frozen=True)
class Vocabulary:
    """`tokens`: number of the word that a token means. `pairs`: number of a pair of words. Numbers begin at 1, words first."""

    tokens: dict[str, int]
    pairs: dict[Pair, int]
    words: int

    @property
    def size(self) -> int:
        """How many numbers there are, with 0 for what is unknown."""
        return 1 + self.words + len(self.pairs)

    @classmethod
    def learn(cls, texts: Sequence[str], rarest_word: int, rarest_pair: int) -> Vocabulary:
        """Of words in at least `rarest_word` texts, and pairs in at least `rarest_pair`."""
        lines = [[list(map(word_of, line)) for line in tokens(text)] for text in texts]
        often = Counter(word for text in lines for word in {word for line in text for word in line if word})
        words = {word: number for number, word in enumerate(sorted(w for w, n in often.items() if n >= rarest_word), 1)}
        seen = {token: word_of(token) for text in texts for line in tokens(text) for token in line}
        known = {token: words[word] for token, word in (spellings(list(words)) | seen).items() if word in words}
        numbered = [[[words.get(word, 0) for word in line] for line in text] for text in lines]
        common = Counter(pair for text in numbered for pair in set(_pairs(text)))
        kept = sorted(pair for pair, count in common.items() if count >= rarest_pair)
        return cls(known, {pair: number for number, pair in enumerate(kept, 1 + len(words))}, len(words))

    def counts(self, texts: Sequence[str]) -> csr_matrix:
        """How often each number is in each text: float32 [texts, size]."""
        rows, columns = [], []
        for row, text in enumerate(texts):
            numbered = [[self.tokens.get(token, 0) for token in line] for line in tokens(text)]
            found = [number for line in numbered for number in line if number]
            found += [self.pairs[pair] for pair in _pairs(numbered) if pair in self.pairs]
            rows += [row] * len(found)
            columns += found
        ones = np.ones(len(rows), dtype=np.float32)
        return csr_matrix((ones, (rows, columns)), shape=(len(texts), self.size))


def _pairs(lines: Iterable[Sequence[int]]) -> list[Pair]:
    """Neighbours of a line that are both known."""
    return [(one, other) for line in lines for one, other in pairwise(line) if one and other]
