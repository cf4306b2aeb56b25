"""The gateway under fuzzed requests, good and bad together."""
