from tests.aws.moto_server import aws

__all__ = ["aws"]
