from tests.hands.specs import toy

SPEC = toy("rollout_1")
