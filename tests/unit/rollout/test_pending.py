from __future__ import annotations

import json
from math import isnan, nan

from include.rollout.pending import CONTESTED, PENDING, PendingAnswers


def test_what_is_remembered_comes_back_as_it_was_stored() -> None:
    waiting = PendingAnswers()
    waiting.add("a", 2**63, 1, -12.75)
    waiting.add("b", 7, 0, 1e300)
    again = PendingAnswers.from_json(json.loads(json.dumps(waiting.to_json())))
    assert again == waiting
    assert again.find("a") == (2**63, 1, -12.75)
    assert PendingAnswers.from_json(PendingAnswers().to_json()) == PendingAnswers()


def test_the_first_answer_of_an_id_counts_and_an_id_of_two_entities_is_nobodys() -> None:
    waiting = PendingAnswers()
    for unit, said in ((1, 5.0), (1, 6.0)):
        waiting.add("mine", unit, 0, said)
        waiting.add("ours", unit + int(said) % 2, 1, said)
    assert waiting.find("mine") == (1, 0, 5.0)
    assert waiting.find("ours") == (2, CONTESTED, 0.0)
    assert waiting.find("other") is None


def test_an_answer_that_no_label_could_judge_waits_for_its_outcome_all_the_same() -> None:
    waiting = PendingAnswers()
    waiting.add("a", 3, 1, None)
    kept = PendingAnswers.from_json(waiting.to_json()).find("a")
    assert kept is not None
    assert (kept[0], kept[1], isnan(kept[2])) == (3, 1, True)


def test_the_oldest_answers_are_forgotten() -> None:
    waiting = PendingAnswers()
    for number in range(2 * PENDING + 1):
        waiting.add(str(number), number, 0, nan)
    assert len(waiting.answers) == PENDING
    assert waiting.find("0") is None
    assert waiting.take(str(2 * PENDING)) is not None
    assert waiting.take(str(2 * PENDING)) is None
