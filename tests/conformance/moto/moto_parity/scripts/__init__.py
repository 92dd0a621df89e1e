"""Every script; importing this registers them."""

from . import alarms, balancers, definitions, images, metrics, queues, rules, scaling, services, topics  # noqa: F401
