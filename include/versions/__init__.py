"""Registered versions: the record, the state machine of its stage, the queries, and what stands against offering one."""
