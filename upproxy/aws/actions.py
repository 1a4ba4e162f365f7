"""The IAM action that allows a call, where it is not named like the call.

https://docs.aws.amazon.com/service-authorization/latest/reference/ has them by service.
"""

from __future__ import annotations

_PREFIXES = {"monitoring": "cloudwatch", "cloudwatch": "cloudwatch", "apigatewayv2": "apigateway"}
_NAMED_OTHERWISE = {
    ("apigateway", "GetAccount"): "apigateway:GET",
    ("lambda", "Invoke"): "lambda:InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "lambda:InvokeFunction",
    ("s3", "CompleteMultipartUpload"): "s3:PutObject",
    ("s3", "CreateMultipartUpload"): "s3:PutObject",
    ("s3", "DeleteObjects"): "s3:DeleteObject",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "s3:GetLifecycleConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "PutBucketAccelerateConfiguration"): "s3:PutAccelerateConfiguration",
    ("s3", "PutBucketEncryption"): "s3:PutEncryptionConfiguration",
    ("s3", "PutBucketLifecycleConfiguration"): "s3:PutLifecycleConfiguration",
    ("s3", "PutPublicAccessBlock"): "s3:PutBucketPublicAccessBlock",
    ("s3", "UploadPart"): "s3:PutObject",
}


def action_of(service: str, operation: str) -> str:
    """Return the action, such as `lambda:InvokeFunction`, of a call by its names in the API."""
    return _NAMED_OTHERWISE.get((service, operation)) or f"{_PREFIXES.get(service, service)}:{operation}"
