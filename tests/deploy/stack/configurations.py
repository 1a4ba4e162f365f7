"""Configurations, each with a feature of the stack, and what is known beside them."""

from pathlib import Path

from upproxy.config import Config, load
from upproxy.deploy.names import Names
from upproxy.deploy.stack.facts import Facts, alias_of

REGION = "eu-central-1"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-1111-2222-3333-444455556666"
ZONE = "Z0123456789ABCDEFGHIJ"

GATEWAYS = """
throttle: {rate: 100, burst: 200}
lambda: {log_retention: null, tags: {team: shop}}
"""
DOMAIN = """
stages: {production: {domain: shop.example, path: /, zone: shop.example}}
"""
BELOW = """
endpoint: http_api
stages: {production: {domain: shop.example, path: /api/v2, zone: false}}
"""
DNS = r"""
dns:
  shop.example:
    - {name: shop.example, type: MX, value: [10 mx.shop.example]}
    - {name: "*.shop.example", type: TXT, ttl: 60, value: ['said "so"', '"quoted already"']}
  elsewhere.example:
    - {name: elsewhere.example, type: A, value: [192.0.2.1]}
"""
WARM = """
warm: {count: 3}
"""
WINDOW = """
warm: {count: 3, rate: 5m, window: "Fri,Sat 22:30-04:15 Europe/London"}
"""
ALERTS = """
alerts:
  - {metric: http.latency, statistic: p95, threshold: 1500, period: 5m, evaluation_periods: 2, action: team,
     description: Slow}
  - {metric: http.latency, statistic: p95, threshold: 5000, action: night-watch}
  - {metric: lambda.errors, statistic: sum, threshold: 0.5, operator: ">=", missing: breaching, action: [chat, team]}
  - {metric: Orders, namespace: Shop, statistic: sum, threshold: 1, operator: "<", period: 1h, disable: true,
     action: []}
actions:
  - {name: team, type: email, emails: [team@shop.example, lead@shop.example]}
  - {name: night-watch, type: sms, numbers: ["+41790000000"]}
  - {name: chat, type: slack, url: "${SLACK_URL}", channel: "#shop"}
  - {name: unused, type: email, emails: [nobody@shop.example]}
"""
DEFAULTS = """
alerts: true
actions:
  - {name: email.team, type: email, emails: [team@shop.example]}
  - {name: incidents, type: webhook, url: "${INCIDENTS_URL}"}
"""
FEATURES = {
    "http_api": "endpoint: http_api",
    "http_api_throttled": "endpoint: http_api" + GATEWAYS,
    "rest_api": "endpoint: rest_api",
    "rest_api_throttled": "endpoint: rest_api" + GATEWAYS,
    "rest_api_iam": "endpoint: rest_api\nlambda: {url_auth: iam, timeout: 900}",
    "domain": DOMAIN,
    "domain_below": BELOW,
    "dns": DNS,
    "warm": WARM,
    "warm_window": WINDOW,
    "alerts": ALERTS,
    "alerts_by_default": DEFAULTS,
    "all": DOMAIN + DNS + WINDOW + ALERTS + GATEWAYS,
}


def configuration(folder: Path, text: str, stage: str = "production") -> Config:
    (folder / "up.yml").write_text(f"name: shop\n{text}\n")
    return load(str(folder), stage, "./server")


def names(config: Config) -> Names:
    return Names(config.name, config.stage)


def facts(config: Config, region: str = REGION, **more) -> Facts:
    domain = config.settings.domain is not None
    known = {
        "alias": alias_of(names(config)),
        "certificate": CERTIFICATE if domain else None,
        "zone": ZONE if domain and config.settings.zone else None,
        "zones": {"shop.example": ZONE},
    }
    return Facts(region, **{**known, **more})


EXPORTS = {
    "function_url": """
environment: {DATABASE: "${DATABASE_URL}"}
lambda:
  concurrency: 10
  provisioned: 2
  snapstart: false
  vpc: {subnets: [subnet-0a1b2c3d], security_groups: [sg-0a1b2c3d]}
  policy: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/${aws:username}/*"}]
""",
    "function_url_iam": "lambda: {url_auth: iam, role: 'arn:aws:iam::123456789012:role/shop'}",
    "all": FEATURES["all"],
}
