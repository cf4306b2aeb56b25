from tests.hands.specs import toy

SPEC = toy("scoring_0")
