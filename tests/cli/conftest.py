from tests.aws.moto_server import aws, running_server, server

__all__ = ["aws", "running_server", "server"]
