"""A race on more than one machine."""

from ravine.cluster.connecting import RayCluster, connected
from ravine.cluster.shipping import Shipment, ship

__all__ = ["RayCluster", "Shipment", "connected", "ship"]
