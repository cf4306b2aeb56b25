from tests.hands.specs import toy

SPEC = toy("training_0")
