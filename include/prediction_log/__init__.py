"""The gateway's prediction log: what a line of it says, where its files are, how it is written, read, rotated and redacted.

Serving writes it; monitoring, the skew check, training sets, rollouts and the CLI read it, all through this package.
"""
