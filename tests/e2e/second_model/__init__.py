"""A whole second model, as its author would write it: another label, another library. Copied into include/models/ by the test."""
