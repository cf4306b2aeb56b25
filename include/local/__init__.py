"""The local platform: every server of Slipstream on this machine, on loopback, under one process supervisor."""
