from tests.hands.specs import toy

SPEC = toy("features_0")
