from tests.hands.specs import toy

SPEC = toy("monitoring_0")
