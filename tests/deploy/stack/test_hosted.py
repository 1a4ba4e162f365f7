"""Which hosted zones records go to."""

import pytest

from upproxy.aws.zones import Zone
from upproxy.deploy.errors import DeployError
from upproxy.deploy.stack.hosted import zone_of, zones_of

ZONES = [Zone("Z1", "shop.example"), Zone("Z2", "api.shop.example"), Zone("Z3", "example"), Zone("Z4", "op.example")]
TWICE = [*ZONES, Zone("Z5", "shop.example")]


@pytest.mark.parametrize(
    ("domain", "said", "zone"),
    [
        ("shop.example", True, "Z1"),
        ("www.shop.example", True, "Z1"),
        ("v1.api.shop.example", True, "Z2"),
        ("api.shop.example", "shop.example", "Z1"),
        ("api.shop.example", "shop.example.", "Z1"),
        ("api.shop.example", "Z3", "Z3"),
        ("shop.other", True, None),
        ("shop.example", False, None),
    ],
)
def test_zone_of_a_domain(domain, said, zone):
    assert zone_of(domain, said, ZONES) == zone


@pytest.mark.parametrize("said", ["other.example", "op.example", "Z4", "Z9"])
def test_a_zone_that_does_not_hold_the_domain(said):
    with pytest.raises(DeployError, match="no such public hosted zone") as caught:
        zone_of("www.shop.example", said, ZONES)
    assert "shop.example" in caught.value.hint


@pytest.mark.parametrize("said", [True, "shop.example"])
def test_zones_of_one_name_have_to_be_told_apart(said):
    with pytest.raises(DeployError, match="Z1 and Z5"):
        zone_of("shop.example", said, TWICE)
    assert zone_of("shop.example", "Z5", TWICE) == "Z5"


def test_zones_of_records():
    assert zones_of(["shop.example", "elsewhere.example"], ZONES) == {"shop.example": "Z1"}
    with pytest.raises(DeployError, match="several"):
        zones_of(["shop.example"], TWICE)
