"""The stack: gateways, domains, the warmer and alarms, which change rarely and take CloudFormation minutes."""
