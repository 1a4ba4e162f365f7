from tests.aws.moto_server import aws, nobody

__all__ = ["aws", "nobody"]
