"""The gateway's prediction log: a line, its files, and how they are written, shipped, read, compacted and redacted.

Serving writes it; monitoring, the skew check, training sets, rollouts and the CLI read it, all through this package.
"""
