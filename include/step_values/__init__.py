"""What the steps' results say: the type of each step's `value`, for the step that makes it and for all who read it.

A result is JSON in the ledger, which outlives the code that wrote it. A key that results of earlier releases lack is NotRequired.
"""
