"""CloudWatch's metrics: what is counted here, what logs carry, and the calls that ask for it."""
