"""The same faults put into what a team would write with each tool as its documentation says, without Slipstream."""
