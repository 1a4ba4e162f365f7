import pytest
from botocore.stub import Stubber

from tests.aws.moto_server import REGION, aws
from tests.aws.released import release
from upproxy.aws.session import Session

__all__ = ["aws"]


@pytest.fixture
def session(aws):
    return Session(region=REGION)


@pytest.fixture
def released(aws):
    """A function with the alias that a stack stands in front of."""
    release()


@pytest.fixture
def cloudformation(session):
    """CloudFormation's answers, one after the other; requests and answers are checked against its model."""
    with Stubber(session.service("cloudformation", REGION).client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
