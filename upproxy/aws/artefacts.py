"""S3: the bucket for artefacts that are too large to be sent to Lambda directly, and those that are kept in it.

Every call names the account that the bucket has to belong to, since anybody may have taken its name.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from boto3.s3.transfer import TransferConfig

from upproxy.aws.errors import AccessDenied, Conflict, NotFound
from upproxy.aws.session import Session, translating

PART = 8 * 1024 * 1024  # bytes of a part; also the size from which parts are used
_TAG = {"Key": "upproxy:artefacts", "Value": "ready"}
_PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
_TIDY = {
    "Rules": [
        {
            "ID": "abandoned-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
}


class Artefacts:
    """A bucket of the account in a region. `accelerate` sends uploads through S3 Transfer Acceleration."""

    def __init__(self, session: Session, region: str, bucket: str, *, accelerate: bool = False) -> None:
        self._s3 = session.service("s3", region)
        self._upload = session.service("s3", region, s3={"use_accelerate_endpoint": True}) if accelerate else self._s3
        self._accelerate = accelerate
        self.bucket = bucket
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": session.account}

    def ready(self) -> None:
        """Create the bucket where there is none: private, encrypted, and rid of uploads that were broken off.

        Its tag comes last and says that all of this is done, so that the next try makes up for what one has left out.
        Raises Conflict where the bucket is somebody else's.
        """
        self._made()
        if self._accelerate:  # which the app that made the bucket may not have wanted
            accelerated = {"Status": "Enabled"}
            self._s3.call("PutBucketAccelerateConfiguration", **self._where, AccelerateConfiguration=accelerated)

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        try:
            self._s3.call("HeadObject", Key=key, **self._where)
        except NotFound:
            return False
        return True

    def put(self, key: str, content: bytes, progress: Callable[[int], None]) -> None:
        """Upload an object in parts, which are repeated one by one where they fail.

        `progress` is called with the number of bytes that have just been sent, from several threads.
        """
        config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=6)
        extra = {"ExpectedBucketOwner": self._where["ExpectedBucketOwner"]}
        with translating("s3", "UploadPart"):
            self._upload.client.upload_fileobj(
                io.BytesIO(content), self.bucket, key, ExtraArgs=extra, Callback=progress, Config=config
            )

    def keys(self, prefix: str) -> Iterator[str]:
        """Go through the keys of objects. Nothing where there is no bucket."""
        try:
            for page in self._s3.pages("ListObjectsV2", Prefix=prefix, **self._where):
                for entry in page.get("Contents", ()):
                    yield str(entry["Key"])
        except NotFound:
            return

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._s3.call("DeleteObject", Key=key, **self._where)

    def remove(self) -> None:
        """Delete the bucket if it is ours and empty."""
        try:
            if _TAG in self._s3.call("GetBucketTagging", **self._where)["TagSet"]:
                self._s3.call("DeleteBucket", **self._where)
        except NotFound:
            pass
        except Conflict as error:
            if error.code != "BucketNotEmpty":
                raise

    def reference(self, key: str) -> dict[str, Any]:
        """Return where an object is, under the names of Lambda's API."""
        return {"S3Bucket": self.bucket, "S3Key": key}

    def _made(self) -> None:
        found: list[dict[str, str]] = []
        try:
            found = self._s3.call("GetBucketTagging", **self._where)["TagSet"]
        except NotFound as error:
            if error.code != "NoSuchTagSet":
                self._create()
        except AccessDenied as error:
            raise Conflict(
                f"the bucket {self.bucket} cannot be used: it is another account's, or your policy does not allow it",
                hint="Look at it in the S3 console; `upproxy policy` prints what a deploy needs.",
                code=error.code,
            ) from None
        else:
            if _TAG in found:
                return
        self._s3.call("PutPublicAccessBlock", **self._where, PublicAccessBlockConfiguration=_PRIVATE)
        self._s3.call("PutBucketEncryption", **self._where, ServerSideEncryptionConfiguration=_ENCRYPTED)
        self._s3.call("PutBucketLifecycleConfiguration", **self._where, LifecycleConfiguration=_TIDY)
        self._s3.call("PutBucketTagging", **self._where, Tagging={"TagSet": [*found, _TAG]})

    def _create(self) -> None:
        region = self._s3.region
        # us-east-1 is the one region that must not be named.
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.call("CreateBucket", Bucket=self.bucket, **place)
        except Conflict as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise
