"""The loop on machines that share nothing but what goes over the wire: `make e2e-cluster`, as root on Linux."""
