"""A local AWS: moto as the control plane, our fleet as Lambda, behind one address."""

from upproxy.local.sandbox.sandbox import Options, Sandbox

__all__ = ["Options", "Sandbox"]
