from __future__ import annotations

import numpy as np

from examples.models.text.decide import OFTEN, rather_rare
from examples.models.text.words import Vocabulary, word_of

TEXTS = ["Love this dress!", "love this dress.", "I love it\nthis dress", "(awful) itchy", "awful fit"]


def test_a_token_means_its_word() -> None:
    assert [word_of(token) for token in ("Dress!", '"love', "it's", "...", "5'8\".")] == ["dress", "love", "it's", "", "5'8"]


def test_rare_words_and_pairs_are_left_out() -> None:
    known = Vocabulary.learn(TEXTS, rarest_word=2, rarest_pair=2)
    words = {token: number for token, number in known.tokens.items() if token.islower() and token.isalpha()}
    assert set(words) == {"love", "this", "dress", "awful"}
    assert set(known.pairs) == {(words["love"], words["this"]), (words["this"], words["dress"])}
    assert known.size == 1 + 4 + 2
    assert known.tokens["(awful)"] == known.tokens["AWFUL!"] == words["awful"]


def test_counts_of_a_text() -> None:
    known = Vocabulary.learn(TEXTS, rarest_word=2, rarest_pair=2)
    counts = known.counts(["love love this dress, never seen", "this\ndress", ""]).toarray()
    love, this, dress = (known.tokens[word] for word in ("love", "this", "dress"))
    assert counts[0, [love, this, dress]].tolist() == [2, 1, 1]
    assert counts[0].sum() == 6  # and two pairs
    assert counts[1].sum() == 2  # no pair goes over the end of a line
    assert counts[2].sum() == 0
    assert not counts[:, 0].any()


def test_a_rare_class_is_answered_where_it_is_likelier_than_it_comes() -> None:
    often = np.array([OFTEN, [0.02, 0.3, 0.12, 0.2, 0.36], [0.01, 0.01, 0.05, 0.2, 0.73]])
    assert rather_rare(often).tolist()[1:] == [1, 4]
