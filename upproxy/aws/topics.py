"""SNS: topics, and who has subscribed to them."""

from __future__ import annotations

from typing import Any

from upproxy.aws.errors import NotFound
from upproxy.aws.session import Session

PENDING = "PendingConfirmation"
"""The `SubscriptionArn` of a subscription that nobody has confirmed yet."""


class Topics:
    """The topics of a region."""

    def __init__(self, session: Session, region: str) -> None:
        self._sns = session.service("sns", region)

    def subscriptions(self, arn: str) -> list[dict[str, Any]]:
        """Return the subscriptions of a topic: `Protocol`, `Endpoint`, `SubscriptionArn`."""
        try:
            pages = list(self._sns.pages("ListSubscriptionsByTopic", TopicArn=arn))
        except NotFound:
            return []
        return [one for page in pages for one in page["Subscriptions"]]
